"""Clips decoded one at a time in a process of their own, which may hang or crash."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import weakref
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import numpy as np

from pseudolabel.errors import InputError
from pseudolabel.records import SkipReason
from pseudolabel.videos.signals import VideoSkippedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pseudolabel.videos.clip_frames import ClipRequest

TIMEOUT_S = 60.0
_START_S = 60.0  # importing FFmpeg on a busy machine
TRIES = 2  # a kill may have been the machine's (out of memory); a hang costs its whole time limit


class ClipDecoder:
    """Decodes clips, as `read_clip` does, in a process that is started when first needed.

    Not to be shared between threads, nor with a forked process.

    Args:
        timeout_s: A clip that takes longer is given up.
    """

    def __init__(self, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._worker: _Worker | None = None

    def read(self, request: ClipRequest) -> NDArray[np.uint8]:
        """The frames of a clip: uint8 RGB `(count, H, W, 3)`, which may be written to.

        Raises:
            VideoSkippedError: If it does not decode, or not in time, or kills the process twice.
            InputError: If a process cannot be started at all.
        """
        for _ in range(TRIES):
            if self._worker is None:
                self._worker = _Worker()
            try:
                return self._worker.read(request, self._timeout_s)
            except TimeoutError:
                self.close()
                detail = f"not decoded within {self._timeout_s:g} s"
                raise VideoSkippedError("decode", SkipReason.DECODER_TIMEOUT, detail) from None
            except (EOFError, OSError):
                status = self.close()
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        detail = f"the decode process died on it {TRIES} times, last with {how}"
        raise VideoSkippedError("decode", SkipReason.DECODER_CRASHED, detail)

    def close(self) -> int:
        """End the process, if there is one; gives its exit status. Another `read` starts another.

        It also ends with this object, and with this process.
        """
        worker, self._worker = self._worker, None
        return (worker.stop() or 0) if worker is not None else 0


class _Worker:
    """The process, and this end of its socket."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            # -P: a random.py in the user's current folder is not ours to import.
            [sys.executable, "-P", "-m", "pseudolabel.videos.clip_worker", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # stdout carries data
        )
        theirs.close()
        self._connection = Connection(ours.detach())
        self.stop = weakref.finalize(self, _stop, self._process, self._connection, os.getpid())
        self._await_start()

    def _await_start(self) -> None:
        try:
            if self._connection.poll(_START_S):
                self._connection.recv()
                return
        except (EOFError, OSError):
            pass
        status = self.stop()
        raise InputError(
            f"a decode process does not start (exit status {status})",
            hint=f"try: {sys.executable} -c 'import pseudolabel.videos.clip_worker'",
        )

    def read(self, request: ClipRequest, timeout_s: float) -> NDArray[np.uint8]:
        """See `ClipDecoder.read`; EOFError or OSError if the process is gone."""
        self._connection.send(request)
        if not self._connection.poll(timeout_s):
            raise TimeoutError
        answer = self._connection.recv()
        if len(answer) == 2:
            reason, detail = answer
            raise VideoSkippedError("decode", SkipReason(reason), detail)
        pixels: NDArray[np.uint8] = np.empty(answer, np.uint8)
        self._connection.recv_bytes_into(pixels.data.cast("B"))
        return pixels


def _stop(process: subprocess.Popen[bytes], connection: Connection, owner: int) -> int:
    if os.getpid() != owner:  # this is a copy, in a forked process
        return 0
    process.kill()
    status = process.wait()
    connection.close()
    return status
