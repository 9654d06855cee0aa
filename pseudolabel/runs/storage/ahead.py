"""Reading ahead: many small files, or a store where each takes its time to answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

AT_ONCE = 16  # reads under way; more than one core's worth, since most of them wait
MOST_BYTES = 2**25  # of the files that are read ahead: a few large ones, or many small

Read = TypeVar("Read")


def ahead(reads: Iterable[tuple[int, Callable[[], Read]]]) -> Iterator[Read]:
    """What these reads give, in their order; the next ones go on meanwhile in threads.

    Args:
        reads: Of each about how many bytes, and what reads them. Taken as there is room: at most
            `AT_ONCE`, and `MOST_BYTES` together, are under way or wait to be taken, but always one.

    Raises:
        Exception: What a read raises, in its turn.
    """
    under_way: deque[tuple[int, Future[Read]]] = deque()
    held = 0
    threads = ThreadPoolExecutor(AT_ONCE, "read-ahead")
    try:
        for size, read in reads:
            while under_way and (len(under_way) >= AT_ONCE or held + size > MOST_BYTES):
                taken, first = under_way.popleft()
                held -= taken
                yield first.result()
            under_way.append((size, threads.submit(read)))
            held += size
        while under_way:
            yield under_way.popleft()[1].result()
    finally:
        threads.shutdown(cancel_futures=True)
