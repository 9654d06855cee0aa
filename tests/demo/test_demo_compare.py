"""`compare` finds what was planted in the demo's transcripts, with the demo's own judge."""

from __future__ import annotations

import pytest

from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.demo.files import read_truth, write_world
from pseudolabel.demo.transcripts import speakers, write_transcripts
from pseudolabel.evaluation.clips import read_clips
from pseudolabel.evaluation.compare import CompareOptions, compare
from pseudolabel.evaluation.comparison import Comparison
from pseudolabel.evaluation.measuring.intervals import Estimate
from pseudolabel.runs.caption import caption_videos

VIDEOS = 30


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, dict[str, float]]:
    """What `compare` says of a world, and the true shares of its speakers."""
    home = tmp_path_factory.mktemp("home")
    write_world(home / "videos", VIDEOS, seed=11)
    truths = read_truth(home / "videos")
    write_transcripts(home / "transcripts", truths)
    run = str(home / "run")
    caption_videos([str(home / "videos")], run, captioner=CaptionOptions(model="demo"))
    options = CompareOptions(transcripts=str(home / "transcripts"), scorer="demo")
    clips = read_clips(run)
    kinds = speakers(truths)
    of_clips = [kinds[clips.video_ids[video]] for video in clips.video]
    planted = {
        f"videos {kind}": list(kinds.values()).count(kind) / VIDEOS for kind in set(of_clips)
    }
    planted |= {f"clips {kind}": of_clips.count(kind) / len(of_clips) for kind in set(of_clips)}
    return compare(run, options), planted


def holds(estimate: Estimate | None, truth: float) -> bool:
    return estimate is not None and estimate.low <= truth <= estimate.high


def test_speech_that_describes_is_seen_and_other_speech_is_not(
    found: tuple[Comparison, dict[str, float]],
) -> None:
    comparison, planted = found
    seen = comparison.measure("above_chance")
    assert holds(seen.transcript, planted["clips describes"])
    assert seen.caption is not None and seen.caption.value > 0.9
    assert seen.difference is not None and seen.difference.p < 0.01


def test_speech_that_comes_late_is_late(found: tuple[Comparison, dict[str, float]]) -> None:
    comparison, planted = found
    assert comparison.offsets is not None
    timing = comparison.offsets.timing
    assert holds(timing["in time"], planted["videos describes"])
    assert holds(timing["later"], planted["videos late"])
    assert holds(timing["not said"], planted["videos elsewhere"])
    assert timing["earlier"].value == 0


def test_captions_are_the_likelier_text_except_where_speech_is_right(
    found: tuple[Comparison, dict[str, float]],
) -> None:
    comparison, _ = found
    wins = comparison.measure("wins")
    assert wins.caption is not None and wins.transcript is not None
    assert wins.caption.value + wins.transcript.value == pytest.approx(1)
    assert wins.caption.low > 0.5
