"""The demo's transcripts: known shares of speakers, and they say what they are said to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pseudolabel.demo.transcripts import LATE_S, SHARES, speakers, write_transcripts
from pseudolabel.demo.truth import Truth
from pseudolabel.demo.world import World
from pseudolabel.errors import RunError
from pseudolabel.speech.transcripts import read_transcript

TRUTHS: dict[str, Truth] = {video.video_id: video.truth for video in World(3).videos(20)}


def test_speakers_have_the_shares_they_are_said_to_have() -> None:
    counts = Counter(speakers(TRUTHS).values())
    assert {kind: count / len(TRUTHS) for kind, count in counts.items()} == SHARES
    assert speakers(TRUTHS) == speakers(TRUTHS)
    assert speakers(TRUTHS, seed=1) != speakers(TRUTHS)


def test_each_speaker_says_what_is_true_of_it(tmp_path: Path) -> None:
    write_transcripts(tmp_path, TRUTHS)
    for video_id, kind in speakers(TRUTHS).items():
        segments = read_transcript(tmp_path / f"{Path(video_id).stem}.vtt").segments
        scenes = TRUTHS[video_id].scenes
        late_s = LATE_S if kind == "late" else 0.0
        for segment, scene in zip(segments, scenes, strict=True):
            assert segment.span.start_s == pytest.approx(scene.span.start_s + late_s, abs=1e-3)
            assert (scene.caption in segment.text) == (kind != "elsewhere")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write transcripts"):
        write_transcripts(tmp_path / "file", TRUTHS)
