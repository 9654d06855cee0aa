"""A captioner that reads the frame numbers burned into the tests' videos: always right, at once."""

from __future__ import annotations

from collections.abc import Sequence

from pseudolabel.captioners.protocol import CaptionerIdentity, Refusal
from pseudolabel.records import Caption, Frame, FrameSize
from video_factory import read_number


class ReadingCaptioner:
    """Says `frame N` of frame N; `refuses` are the numbers it has no text for."""

    def __init__(self, batch_size: int = 4, refuses: Sequence[int] = ()) -> None:
        self.batch_size = batch_size
        self.batches: list[int] = []
        self._refuses = refuses

    @property
    def identity(self) -> CaptionerIdentity:
        return CaptionerIdentity(
            model="reading",
            revision="1",
            backend="test",
            architecture="",
            prompt=None,
            decoding="greedy",
            max_new_tokens=4,
            dtype="float32",
        )

    @property
    def frame_size(self) -> FrameSize:
        return FrameSize(96, 64)

    @property
    def largest_batch(self) -> int:
        return self.batch_size

    def caption(self, frames: Sequence[Frame]) -> list[tuple[Caption, ...] | Refusal]:
        self.batches.append(len(frames))
        return [self._read(read_number(frame.pixels)) for frame in frames]

    def close(self) -> None:
        return

    def _read(self, number: int) -> tuple[Caption, ...] | Refusal:
        if number in self._refuses:
            return Refusal(f"frame {number} is refused")
        return (Caption(f"frame {number}", mean_logprob=-0.5, truncated=False),)
