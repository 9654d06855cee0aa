"""Reading a video in a test: everything at its default but what the test names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pseudolabel.records import ClipPlan, Frame, FrameSize, Skipped, Span, Video, VideoInfo
from pseudolabel.videos.decode import Progress, VideoOpened, read_video
from pseudolabel.videos.options import ClipOptions, FrameOptions
from video_factory import read_number


@dataclass(frozen=True)
class Outcome:
    """What came of one video."""

    info: VideoInfo
    plans: tuple[ClipPlan, ...]
    frames: list[Frame]
    skipped: list[Skipped]

    @property
    def numbers(self) -> list[int]:
        return [read_number(frame.pixels) for frame in self.frames]

    @property
    def times(self) -> list[float]:
        return [round(frame.time_s, 3) for frame in self.frames]


Read = Callable[..., Outcome]


@pytest.fixture(scope="session")
def read() -> Read:
    def read_it(
        path: Path | str,
        *,
        clips: str = "fixed:8",
        count: int = 1,
        snap: str = "exact",
        size: FrameSize | None = None,
        spans: tuple[Span, ...] | None = None,
        video_id: str = "v",
        mark_cuts: bool = False,
        transcripts: str | None = None,
    ) -> Outcome:
        events = list(
            read_video(
                Video(video_id, str(path), spans=spans),
                ClipOptions.parse(
                    clips, min_clip_s=0, mark_cuts=mark_cuts, transcripts=transcripts
                ),
                FrameOptions(count, snap),  # type: ignore[arg-type]  # checks itself
                size or FrameSize(96, 64),
            )
        )
        events = [event for event in events if not isinstance(event, Progress)]
        opened = events[0]
        assert isinstance(opened, VideoOpened)
        frames = [event for event in events[1:] if isinstance(event, Frame)]
        skipped = [event for event in events[1:] if isinstance(event, Skipped)]
        assert len(frames) + len(skipped) == len(events) - 1
        return Outcome(opened.info, opened.plans, frames, skipped)

    return read_it
