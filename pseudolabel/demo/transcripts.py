"""Transcripts of the demo's videos, whose truth is known: what a speaker could have said.

A speaker describes the picture, or speaks of something else, or describes it 10 s late; which of
these is the same throughout a video.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pseudolabel.demo.truth import Truth
from pseudolabel.errors import RunError

Speaker = Literal["describes", "elsewhere", "late"]
SHARES: Mapping[Speaker, float] = {"describes": 0.5, "elsewhere": 0.3, "late": 0.2}
LATE_S = 10.0
_SAYS = ("here you can see", "look at", "now there is", "and this is", "next comes")
_ELSEWHERE = (
    "welcome back everybody to another episode",
    "please remember to subscribe and ring the bell",
    "my grandmother taught me this when I was young",
    "we talked about prices and the weather last week",
    "I want to thank our sponsor for the support",
    "tell me in the comments what you had for breakfast",
    "honestly the traffic this morning was terrible",
)


def speakers(truths: Mapping[str, Truth], seed: int = 0) -> dict[str, Speaker]:
    """Which kind of speaker each video has, in shares as exact as whole videos allow."""
    ids = sorted(truths)
    random.Random(seed).shuffle(ids)
    ends = [round(len(ids) * sum(list(SHARES.values())[: i + 1])) for i in range(len(SHARES))]
    kinds = list(SHARES)
    return {
        video_id: next(kind for kind, end in zip(kinds, ends, strict=True) if at < end)
        for at, video_id in enumerate(ids)
    }


def write_transcripts(folder: Path, truths: Mapping[str, Truth], seed: int = 0) -> None:
    """Write a WebVTT file a video: one cue a scene.

    Raises:
        RunError: If the folder cannot be written.
    """
    kinds = speakers(truths, seed)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for video_id, truth in truths.items():
            path = folder / f"{Path(video_id).stem}.vtt"
            path.write_text(_webvtt(truth, kinds[video_id], seed), encoding="utf-8")
    except OSError as error:
        raise RunError(
            f"cannot write transcripts to {folder}: {error.strerror or error}",
            hint="--out DIR: a folder that can be written",
        ) from error


def _webvtt(truth: Truth, speaker: Speaker, seed: int) -> str:
    dice = random.Random(f"{seed} {truth.video_id}")
    late_s = LATE_S if speaker == "late" else 0.0
    cues = []
    for scene in truth.scenes:
        said = f"{dice.choice(_SAYS)} {scene.caption}"
        if speaker == "elsewhere":
            said = dice.choice(_ELSEWHERE)
        start_s, end_s = (at + late_s for at in (scene.span.start_s, scene.span.end_s))
        cues.append(f"{_clock(start_s)} --> {_clock(end_s)}\n{said}\n")
    return "\n".join(["WEBVTT\n", *cues])


def _clock(time_s: float) -> str:
    minutes, seconds = divmod(time_s, 60)
    return f"{int(minutes // 60):02d}:{int(minutes % 60):02d}:{seconds:06.3f}"
