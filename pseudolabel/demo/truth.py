"""The true caption of every moment of a video, apart from how it was made."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

from pseudolabel.records import Span

CLOCK_TOLERANCE_S = 1e-4  # far below a frame's length, far above a float's rounding


@dataclass(frozen=True, slots=True)
class TrueScene:
    """A stretch of a video during which one caption is true."""

    span: Span
    caption: str


@dataclass(frozen=True, slots=True)
class Truth:
    """A video's scenes: they start at 0 and follow each other without a gap."""

    video_id: str
    scenes: tuple[TrueScene, ...]

    def __post_init__(self) -> None:
        expected_s = 0.0
        for scene in self.scenes:
            if scene.span.start_s != expected_s:
                raise ValueError(
                    f"{self.video_id}: a scene starts at {scene.span.start_s} s, "
                    f"expected {expected_s} s"
                )
            expected_s = scene.span.end_s
        if not self.scenes:
            raise ValueError(f"{self.video_id} has no scenes")

    @property
    def duration_s(self) -> float:
        """Where the last scene ends, in seconds."""
        return self.scenes[-1].span.end_s

    def caption_at(self, time_s: float) -> str:
        """The true caption of the frame shown at `time_s` on the player's clock.

        Raises:
            ValueError: If the time lies outside the video.
        """
        if not -CLOCK_TOLERANCE_S <= time_s < self.duration_s:
            raise ValueError(f"{self.video_id}: {time_s} s is outside 0..{self.duration_s} s")
        starts = [scene.span.start_s for scene in self.scenes]
        place = bisect.bisect(starts, time_s + CLOCK_TOLERANCE_S) - 1
        return self.scenes[max(0, place)].caption
