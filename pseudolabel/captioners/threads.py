"""Many requests in flight, on threads that nobody has to wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_threads(
    compute: Callable[[Item], Result], items: Sequence[Item], *, threads: int
) -> list[Result]:
    """`compute` of every item, in order, at most `threads` at a time.

    The first exception is raised at once; so is Ctrl-C. What is in flight then is left to its
    end on daemon threads, which an executor would join: a hanging server must not hold the
    terminal until its time-out.
    """
    waiting = iter(enumerate(items))
    lock, halted = threading.Lock(), threading.Event()
    finished: SimpleQueue[tuple[int, Result | None, BaseException | None]] = SimpleQueue()

    def work() -> None:
        while not halted.is_set():
            with lock:
                index, item = next(waiting, (None, None))
            if index is None or item is None:
                return
            try:
                finished.put((index, compute(item), None))
            except BaseException as error:  # raised again where results are read
                finished.put((index, None, error))

    for _ in range(min(threads, len(items))):
        threading.Thread(target=work, daemon=True).start()
    results: dict[int, Result] = {}
    try:
        while len(results) < len(items):
            index, result, failure = finished.get()
            if failure is not None:
                raise failure
            results[index] = result  # type: ignore[assignment]  # None only with a failure
    finally:
        halted.set()
    return [results[index] for index in range(len(items))]
