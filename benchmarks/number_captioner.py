"""A captioner that reads the number in the picture, at a set cost, and notes what it captioned."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.footage import read_number
from pseudolabel.captioners.answers import Answer
from pseudolabel.captioners.protocol import CaptionerIdentity
from pseudolabel.records import Caption, Frame, FrameSize


class NumberCaptioner:
    """Says which picture it sees, so that one that was taken for another would show.

    Args:
        log: Gets a line for every frame, whatever becomes of the process afterwards.
        cost_s: How long a frame takes at least; sleeping, so that it is the same everywhere.
    """

    identity = CaptionerIdentity("numbers", "1", "benchmark", "", None, "greedy", 1, "")
    frame_size = FrameSize(128, 96)
    batch_size = largest_batch = 4

    def __init__(self, log: Path, cost_s: float) -> None:
        self._log, self._cost_s = log, cost_s

    def caption(self, frames: Sequence[Frame]) -> list[Answer]:
        """`picture N` for each."""
        time.sleep(self._cost_s * len(frames))
        self._note("".join(f"{frame.video_id}#{frame.clip_index}\n" for frame in frames))
        return [(Caption(f"picture {read_number(frame.pixels)}"),) for frame in frames]

    def close(self) -> None:
        """Nothing to give back."""

    def _note(self, lines: str) -> None:
        # In one write: processes append to it at the same time.
        handle = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(handle, lines.encode())
        finally:
            os.close(handle)
