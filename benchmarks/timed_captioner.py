"""A captioner with a clock."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pseudolabel.captioners.preparing import CaptionTimes, Prepared, PreparingCaptioner
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
        with self._timed(len(frames)):
            return self._captioner.caption(frames)

    def close(self) -> None:
        """Close the other."""
        self._captioner.close()

    @contextmanager
    def _timed(self, frames: int) -> Iterator[None]:
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        yield
        self.cpu_s += time.process_time() - cpu_s
        self.wall_s += time.perf_counter() - wall_s
        self.batches.append(frames)


class TimedPreparingCaptioner(TimedCaptioner):
    """The same, of a captioner that prepares batches ahead."""

    _captioner: PreparingCaptioner

    def __init__(self, captioner: Captioner) -> None:
        if not isinstance(captioner, PreparingCaptioner):
            raise TypeError(f"{captioner.identity.model} does not prepare batches ahead")
        super().__init__(captioner)

    @property
    def times(self) -> CaptionTimes:
        """The other's."""
        return self._captioner.times

    def prepare(self, frames: Sequence[Frame]) -> Prepared | None:
        """Let the other prepare; its time is no captioning time."""
        return self._captioner.prepare(frames)

    def caption(self, frames: Sequence[Frame], prepared: Prepared | None = None) -> list[Any]:
        """Caption, and look at the clocks before and after."""
        with self._timed(len(frames)):
            return self._captioner.caption(frames, prepared)
