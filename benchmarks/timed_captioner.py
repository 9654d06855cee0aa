"""A captioner with a clock."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pseudolabel.captioners.protocol import Captioner, CaptionerIdentity
from pseudolabel.records import Frame, FrameSize


class TimedCaptioner:
    """Another captioner, and the time that passed inside of it.

    `cpu_s` is the processor time of this process, over all threads, during calls.
    """

    def __init__(self, captioner: Captioner) -> None:
        self._captioner = captioner
        self.reset()

    def reset(self) -> None:
        """Set the clocks to zero."""
        self.cpu_s = self.wall_s = 0.0
        self.batches: list[int] = []

    @property
    def identity(self) -> CaptionerIdentity:
        """The other's."""
        return self._captioner.identity

    @property
    def frame_size(self) -> FrameSize:
        """The other's."""
        return self._captioner.frame_size

    @property
    def batch_size(self) -> int:
        """The other's."""
        return self._captioner.batch_size

    @property
    def largest_batch(self) -> int:
        """The other's."""
        return self._captioner.largest_batch

    def caption(self, frames: Sequence[Frame]) -> list[Any]:
        """Caption, and look at the clocks before and after."""
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        answers = self._captioner.caption(frames)
        self.cpu_s += time.process_time() - cpu_s
        self.wall_s += time.perf_counter() - wall_s
        self.batches.append(len(frames))
        return answers

    def close(self) -> None:
        """Close the other."""
        self._captioner.close()
