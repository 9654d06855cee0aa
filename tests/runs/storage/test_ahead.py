"""Reading ahead: in order, bounded, and errors in their turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from pseudolabel.runs.storage.ahead import AT_ONCE, MOST_BYTES, ahead

Reads = Iterator[tuple[int, Callable[[], int]]]


def test_the_order_is_kept_whoever_is_done_first() -> None:
    last_is_read = threading.Event()

    def first() -> int:
        assert last_is_read.wait(60)
        return 0

    def last() -> int:
        last_is_read.set()
        return AT_ONCE - 1

    reads: list[Callable[[], int]]
    reads = [first, *(partial(int, number) for number in range(1, AT_ONCE - 1)), last]
    assert list(ahead((1, read) for read in reads)) == list(range(AT_ONCE))


@pytest.mark.parametrize(
    ("size", "most"), [(1, AT_ONCE), (MOST_BYTES // 4, 4), (2 * MOST_BYTES, 1)]
)
def test_what_is_read_ahead_is_bounded(size: int, most: int) -> None:
    begun: list[int] = []

    def reads() -> Reads:
        for number in range(100):
            begun.append(number)
            yield size, partial(int, number)

    for taken, number in enumerate(ahead(reads())):
        assert number == taken
        assert len(begun) <= taken + most + 1  # the one that found no room


def test_an_error_comes_in_its_turn_and_ends_it() -> None:
    def broken() -> int:
        raise OSError("gone")

    found = ahead([(1, lambda: 0), (1, lambda: 1), (1, broken), (1, lambda: 3)])
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(OSError, match="gone"):
        next(found)


def test_who_stops_taking_leaves_no_threads() -> None:
    found = ahead((1, lambda: 0) for _ in range(1_000))
    next(found)
    found.close()  # type: ignore[attr-defined]  # a generator
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("read-ahead")]
