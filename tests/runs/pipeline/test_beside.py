"""Work beside the captioner: in order, to its end, and its errors are not lost."""

from __future__ import annotations

import threading

import pytest

from pseudolabel.runs.pipeline.beside import AHEAD, Beside


def test_items_are_done_in_order_and_all_of_them() -> None:
    done: list[int] = []
    with Beside(done.append) as beside:
        for number in range(10 * AHEAD):
            beside.put(number)
    assert done == list(range(10 * AHEAD))


def test_it_is_another_thread() -> None:
    started, threads = threading.Event(), []

    def work(_: int) -> None:
        threads.append(threading.current_thread())
        started.set()

    with Beside(work) as beside:
        beside.put(1)
        assert started.wait(30), "it is done while we go on"
    assert threads != [threading.current_thread()]


def test_no_more_than_some_items_wait() -> None:
    free, most = threading.Event(), threading.Event()
    done: list[int] = []

    def work(number: int) -> None:
        assert free.wait(30)
        done.append(number)

    def put_all() -> None:
        with Beside(work) as beside:
            for number in range(3 * AHEAD):
                if number == AHEAD:
                    most.set()
                beside.put(number)
            assert len(done) >= 2 * AHEAD - 1, "the last was put when there was room"

    putting = threading.Thread(target=put_all)
    putting.start()
    assert most.wait(30)
    assert not done
    free.set()
    putting.join()
    assert done == list(range(3 * AHEAD))


def test_an_error_ends_the_work_and_is_raised_where_items_come_from() -> None:
    tried: list[int] = []

    def work(number: int) -> None:
        tried.append(number)
        raise OSError("the disk is full")

    def put_all() -> None:
        with Beside(work) as beside:
            for number in range(10 * AHEAD):
                beside.put(number)

    with pytest.raises(OSError, match="full"):
        put_all()
    assert tried == [0]


def test_an_error_at_the_last_item_is_raised_as_well() -> None:
    def work(number: int) -> None:
        raise KeyboardInterrupt

    def put_one() -> None:
        with Beside(work) as beside:
            beside.put(1)

    with pytest.raises(KeyboardInterrupt):
        put_one()


def test_what_waits_is_done_when_an_error_is_on_its_way() -> None:
    done: list[int] = []

    def interrupted() -> None:
        with Beside(done.append) as beside:
            for number in range(20):
                beside.put(number)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == list(range(20))
