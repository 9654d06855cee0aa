"""Processes that read batches: deaf to signals for all, and gone when the program is."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from torch.utils.data import DataLoader

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from pseudolabel.training.data.examples import Example

    Loader = DataLoader[Example]
else:
    Loader = DataLoader

NICENESS = 5
_ENDING_S = 0.1  # between the last that is heard of a process and its end
_readers: WeakSet[BaseProcess] = WeakSet()


class ReadersLoader(Loader):
    """torch's, whose processes are killed at the program's end, should any be left.

    That is where an exception ends it. Python then asks them by SIGTERM, to which `begin_reader`
    makes them deaf, and would wait for them for ever.
    """

    def __iter__(self) -> Any:
        """Its batches."""
        before = set(multiprocessing.active_children())
        batches: Iterator[Any] = super().__iter__()
        started = set(multiprocessing.active_children()) - before
        if started and not _readers:
            atexit.unregister(_kill_readers)
            atexit.register(_kill_readers, os.getpid())  # so it comes before Python's own
        _readers.update(started)
        return batches


def begin_reader(_number: int) -> None:
    """A scheduler's SIGTERM goes to all processes; only the first one knows what to save.

    That one also comes first where processors are few: batches are ready before it needs them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(NICENESS)


def is_reader_gone() -> bool:
    """Whether a process that reads has ended on its own, which may be why something failed.

    torch says it by a `RuntimeError` where the signal of its end arrives, or else by whatever
    reading from it raises, and the signal only then. After this there is no more of it.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    readers = list(_readers)
    ending = wait([reader.sentinel for reader in readers if reader.exitcode is None], _ENDING_S)
    for reader in readers:
        if reader.sentinel in ending:
            reader.join()  # its end of the pipe is closed a moment before it is gone
    return any(reader.exitcode for reader in readers)


def _kill_readers(owner: int) -> None:
    if os.getpid() != owner:  # a fork of it
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler takes a killed one for a fault
    for reader in _readers:
        if reader.is_alive():
            reader.kill()
