"""Runs worth looking through: real videos, frames at true times, made-up captions with flaws."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import run_factory
from pseudolabel.records import (
    Caption,
    CaptionedClip,
    ClipCaption,
    ClipPlan,
    Flag,
    Frame,
    FrameCaption,
    FrameLook,
    FrameSize,
    Part,
    Skipped,
    Video,
    VideoInfo,
)
from pseudolabel.runs.floor import Pair
from pseudolabel.runs.storage.writer import VideoRows
from pseudolabel.videos.decode import VideoOpened, read_video
from pseudolabel.videos.options import ClipOptions, FrameOptions, Snap

RULES = {
    Flag.LOOP.value: "the same words stand three times or more in a row",
    Flag.LOW_LOGPROB.value: "mean log-probability of the tokens below \u22122",
    Flag.BLACK.value: "mean luma of the frame below 20",
}
COMMON = "a person standing in a room"
_COLOURS = ("red", "green", "blue", "yellow", "purple")
_THINGS = ("circle", "square on a table", "star beside a dog", "cat in front of a tall white wall")


def write_run(
    path: Path,
    videos: Sequence[Path],
    *,
    clip_s: float = 8.0,
    frames: int = 3,
    samples: int = 2,
    snap: Snap = "keyframe",
    captions: Mapping[tuple[str, int], str] | None = None,
    skipped: Sequence[Skipped] = (),
    is_scored: bool = True,
) -> str:
    """A run over videos, as the pipeline would cut and sample them; gives its path as text.

    Args:
        path: The run folder.
        videos: Files; their names are the ids.
        clip_s: Length of a clip.
        frames: Of a clip.
        samples: Texts of a frame.
        snap: Which frames are taken.
        captions: What some clips are to say, by video and clip.
        skipped: What could not be captioned.
        is_scored: Whether a scorer ran.
    """
    rows = [
        _video_rows(video, clip_s, FrameOptions(frames, snap), samples, captions or {}, is_scored)
        for video in videos
    ]
    run = run_factory.write_run(path, [*rows, VideoRows((), tuple(skipped))])
    manifest = json.loads((path / "run.json").read_text("utf-8"))
    (path / "run.json").write_text(json.dumps({**manifest, "health": RULES}), "utf-8")
    return run


def _video_rows(
    path: Path,
    clip_s: float,
    options: FrameOptions,
    samples: int,
    captions: Mapping[tuple[str, int], str],
    is_scored: bool,
) -> VideoRows:
    video = Video(path.name, str(path))
    cut = ClipOptions(length_s=clip_s, min_clip_s=0.1)
    found: dict[int, list[Frame]] = defaultdict(list)
    for event in read_video(video, cut, options, FrameSize(64, 48, "contain")):
        if isinstance(event, VideoOpened):
            info, plans = event.info, event.plans
        elif isinstance(event, Frame):
            found[event.clip_index].append(event)
    clips = tuple(
        _clip(video, info, plan, found[plan.index], samples, captions, is_scored) for plan in plans
    )
    pairs = [_pair(video.video_id, plan.index) for plan in plans] if is_scored else []
    return VideoRows(clips, (), tuple(pairs))


def _clip(
    video: Video,
    info: VideoInfo,
    plan: ClipPlan,
    frames: Sequence[Frame],
    samples: int,
    captions: Mapping[tuple[str, int], str],
    is_scored: bool,
) -> ClipCaption:
    chance = random.Random(f"{video.video_id} {plan.index}")
    said = captions.get((video.video_id, plan.index))
    captioned = tuple(_frame(frame, samples, chance, said, is_scored) for frame in frames)
    own = len(frames) // 2
    flags = [flag for flag in (Flag.LOOP, Flag.LOW_LOGPROB) if chance.random() < 0.15]
    look = captioned[own].look
    if look is not None and look.brightness < 20:
        flags.append(Flag.BLACK)
    part = Part(own, 0, max(own, len(frames) - 1) if chance.random() < 0.3 else own)
    clip = CaptionedClip(video, info, plan, captioned)
    return ClipCaption(clip, captioned[own].captions[0].text, (part,), flags=tuple(flags))


def _frame(
    frame: Frame, samples: int, chance: random.Random, said: str | None, is_scored: bool
) -> FrameCaption:
    luma = frame.pixels.astype(float).mean(axis=2)
    look = FrameLook(
        perceptual_hash=f"{chance.getrandbits(64):016x}",
        brightness=float(luma.mean()),
        contrast=float(luma.std()),
        change=chance.uniform(0, 12),
        text_share=chance.choice([0.0, 0.0, 0.06]),
    )
    return FrameCaption(
        frame.time_s,
        frame.is_keyframe,
        tuple(_caption(chance, said, is_scored) for _ in range(samples)),
        look,
    )


def _caption(chance: random.Random, said: str | None, is_scored: bool) -> Caption:
    text = f"a {chance.choice(_COLOURS)} {chance.choice(_THINGS)}"
    text = said if said is not None else COMMON if chance.random() < 0.2 else text
    return Caption(
        text,
        mean_logprob=-chance.expovariate(1.2),
        truncated=chance.random() < 0.05,
        similarity=chance.gauss(0.3, 0.05) if is_scored else None,
        clip_similarity=chance.gauss(0.27, 0.04) if is_scored else None,
        is_cut=chance.random() < 0.05 if is_scored else None,
    )


def _pair(video_id: str, clip_index: int) -> Pair:
    """Vectors whose chances lie about 0.2."""
    chance = np.random.default_rng([len(video_id), clip_index, *video_id.encode()])
    likeness = np.float32(chance.normal(0.2, 0.04))
    picture = np.array([1.0, 0.0], np.float32)
    return Pair(video_id, clip_index, picture, np.array([likeness, 0.0], np.float32))
