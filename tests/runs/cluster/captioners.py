"""Captioners that go wrong in an actor's process, as often as they are told to."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from pseudolabel.captioners.protocol import CaptionerIdentity, Refusal
from pseudolabel.errors import CaptionerError
from pseudolabel.records import Caption, Frame
from reading_captioner import ReadingCaptioner
from video_factory import read_number


class Trap(ReadingCaptioner):
    """Does something when it sees a frame of that number, as often as there are tokens."""

    def __init__(self, number: int, tokens: Path) -> None:
        super().__init__(batch_size=3)
        self._number, self._tokens = number, tokens

    def caption(self, frames: Sequence[Frame]) -> list[tuple[Caption, ...] | Refusal]:
        if any(read_number(frame.pixels) == self._number for frame in frames):
            for token in self._tokens.iterdir():
                token.unlink()
                self.spring()
        return super().caption(frames)

    def spring(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class DecoderTrap(Trap):
    """Kills a decode worker of its process."""

    def spring(self) -> None:
        children = [
            int(pid)
            for task in Path("/proc/self/task").iterdir()
            for pid in (task / "children").read_text().split()
        ]
        decoders = [pid for pid in children if b"videos.worker" in _command(pid)]
        os.kill(decoders[0], signal.SIGKILL)


class Poison(ReadingCaptioner):
    """Its process dies of a frame of that number, always."""

    def __init__(self, number: int) -> None:
        super().__init__(batch_size=3)
        self._number = number

    def caption(self, frames: Sequence[Frame]) -> list[tuple[Caption, ...] | Refusal]:
        if any(read_number(frame.pixels) == self._number for frame in frames):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().caption(frames)


class Failing(ReadingCaptioner):
    """Says that the device failed."""

    def caption(self, frames: Sequence[Frame]) -> list[tuple[Caption, ...] | Refusal]:
        raise CaptionerError("the device failed", hint="buy another one")


class Broken(ReadingCaptioner):
    """Has a bug."""

    def caption(self, frames: Sequence[Frame]) -> list[tuple[Caption, ...] | Refusal]:
        raise ZeroDivisionError("a bug")


class Stillborn(ReadingCaptioner):
    """Its process dies before it captions anything."""

    @property
    def identity(self) -> CaptionerIdentity:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
