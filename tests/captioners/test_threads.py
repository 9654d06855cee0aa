"""Mapping on threads: in order, bounded, and never waiting for what hangs."""

from __future__ import annotations

import threading

import pytest

from pseudolabel.captioners.threads import map_in_threads


def test_results_are_in_the_order_of_the_items() -> None:
    turns = [threading.Event() for _ in range(4)]
    turns[-1].set()

    def compute(item: int) -> int:
        turns[item].wait()
        if item:
            turns[item - 1].set()  # the last one finishes first
        return item * 10

    assert map_in_threads(compute, range(4), threads=4) == [0, 10, 20, 30]
    assert map_in_threads(compute, [], threads=4) == []


def test_no_more_threads_than_allowed() -> None:
    names = set()

    def compute(item: int) -> None:
        names.add(threading.current_thread().name)

    assert map_in_threads(compute, range(50), threads=3) == [None] * 50
    assert len(names) <= 3


def test_a_failure_does_not_wait_for_what_hangs() -> None:
    release, begun = threading.Event(), threading.Event()
    hanging: list[threading.Thread] = []

    def compute(item: int) -> None:
        if item == 0:
            hanging.append(threading.current_thread())
            begun.set()
            release.wait()
            return
        begun.wait()
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 1"):
        map_in_threads(compute, range(10), threads=2)
    assert hanging[0].is_alive()
    assert hanging[0].daemon, "or the interpreter would wait for it on its way out"
    release.set()
    hanging[0].join()
