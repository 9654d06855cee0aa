"""Where the time went: the steps add up, and the parts of captioning are parts of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pseudolabel.captioners.preparing import CaptionTimes, Prepared
from pseudolabel.records import Frame
from pseudolabel.runs.caption import caption_videos
from pseudolabel.runs.options import RunOptions
from pseudolabel.runs.pipeline.profile import Timings
from pseudolabel.videos.options import ClipOptions
from reading_captioner import ReadingCaptioner


class TellingCaptioner(ReadingCaptioner):
    """Says that each batch took it 1 s to prepare, 2 s to generate and 4 s to read."""

    def __init__(self, batch_size: int = 4) -> None:
        super().__init__(batch_size)
        self.times = CaptionTimes(100.0, 100.0, 100.0)  # of an earlier run

    def prepare(self, frames: Sequence[Frame]) -> Prepared | None:
        return None

    def caption(self, frames: Sequence[Frame], prepared: Prepared | None = None) -> Any:
        self.times.preparing_s += 1
        self.times.generating_s += 2
        self.times.reading_s += 4
        return super().caption(frames)


def test_the_rest_is_what_no_step_took() -> None:
    timings = Timings(wall_s=8.0, waiting_s=1.0, captioning_s=5.0, generating_s=4.0)
    timings.scoring_s, timings.finishing_s = 0.25, 0.75
    timings.consolidating_s = timings.committing_s = 3.0  # in another thread
    assert timings.other_s == 1.0
    assert timings.generating_share == 0.5


def test_processes_beside_each_other_have_as_much_time_each() -> None:
    timings = Timings(wall_s=8.0, processes=3, waiting_s=4.0, captioning_s=18.0, generating_s=12.0)
    assert timings.other_s == 2.0
    assert timings.generating_share == 0.5


def test_a_captioner_that_does_not_tell_has_no_share() -> None:
    assert Timings(wall_s=8.0, captioning_s=5.0).generating_share is None


@pytest.mark.parametrize("starts", [1, 2])
def test_a_run_tells_where_its_time_went(videos: Path, tmp_path: Path, starts: int) -> None:
    captioner = TellingCaptioner()
    for start in range(starts):  # the second start is not charged for the first
        tally = caption_videos(
            [str(videos)],
            str(tmp_path / f"run-{start}"),
            clips=ClipOptions(length_s=0.4, min_clip_s=0.0),
            captioner=captioner,
            run=RunOptions(workers=1),
        )
    assert tally.frames == 20
    assert (tally.preparing_s, tally.generating_s, tally.reading_s) == (5, 10, 20)
    for step in (tally.waiting_s, tally.consolidating_s, tally.committing_s, tally.ahead_s):
        assert step > 0
    told = tally.waiting_s + tally.captioning_s + tally.finishing_s
    assert told + tally.other_s == pytest.approx(tally.wall_s)
    assert told < tally.wall_s
