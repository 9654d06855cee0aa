"""Decode workers: real processes, killed and stopped with real signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from pseudolabel.errors import RunError
from pseudolabel.records import Frame, FrameSize, Skipped, SkipReason, Video
from pseudolabel.videos.decode import VideoOpened
from pseudolabel.videos.messages import FrameInSlot, FreeSlot, VideoFinished
from pseudolabel.videos.options import ClipOptions, FrameOptions
from pseudolabel.videos.pool import AHEAD_BYTES, DecodePool, Event, Worker
from video_factory import make_video, read_number

CLIPS = ClipOptions(length_s=0.4, min_clip_s=0.0)
SIZE = FrameSize(96, 64)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Video]:
    """Five videos of 2 s: five clips each."""
    folder = tmp_path_factory.mktemp("videos")
    for number in range(5):
        make_video(folder / f"{number}.mp4", seconds=2)
    return [Video(path.name, str(path)) for path in sorted(folder.iterdir())]


@pytest.fixture
def pool() -> Iterator[Callable[..., DecodePool]]:
    """Starts pools, and closes them."""
    started: list[DecodePool] = []

    def start(
        videos: Iterable[Video | Skipped],
        *,
        workers: int = 1,
        frames_ahead: int = 4,
        timeout_s: float = 60,
        size: FrameSize = SIZE,
        ahead_bytes: int = AHEAD_BYTES,
    ) -> DecodePool:
        started.append(
            DecodePool(
                iter(videos),
                clips=CLIPS,
                frames=FrameOptions(snap="exact"),
                size=size,
                workers=workers,
                frames_ahead=frames_ahead,
                timeout_s=timeout_s,
                ahead_bytes=ahead_bytes,
            )
        )
        return started[-1]

    yield start
    for each in started:
        each.close()


def kill(pool: DecodePool, number: int) -> None:
    os.kill(pool._workers[0].process.pid, number)


def numbers(events: Iterable[tuple[Video, Event]]) -> set[tuple[str, int, int]]:
    return {
        (video.video_id, event.clip_index, read_number(event.pixels))
        for video, event in events
        if isinstance(event, Frame)
    }


def expected(videos: Iterable[Video]) -> set[tuple[str, int, int]]:
    return {(video.video_id, clip, 10 * clip + 5) for video in videos for clip in range(5)}


@pytest.mark.parametrize(("workers", "frames_ahead"), [(1, 1), (2, 4), (3, 100)])
def test_every_frame_of_every_video_comes_once(
    pool: Callable[..., DecodePool], videos: list[Video], workers: int, frames_ahead: int
) -> None:
    events = list(pool(videos, workers=workers, frames_ahead=frames_ahead))
    assert numbers(events) == expected(videos)
    for kind, count in ((Frame, 25), (VideoOpened, 5), (VideoFinished, 5)):
        assert sum(isinstance(event, kind) for _, event in events) == count


def test_events_of_a_video_come_in_order(
    pool: Callable[..., DecodePool], videos: list[Video]
) -> None:
    kinds = [type(event) for video, event in pool(videos, workers=2) if video == videos[2]]
    assert kinds == [VideoOpened, *[Frame] * 5, VideoFinished]


@pytest.mark.parametrize(("frames_held", "slots"), [(0, 1), (2, 1), (7, 3), (1000, 8)])
def test_frames_that_wait_are_bounded_in_bytes(
    pool: Callable[..., DecodePool], videos: list[Video], frames_held: int, slots: int
) -> None:
    frame_bytes = SIZE.width * SIZE.height * 3
    running = pool(
        videos, workers=2, frames_ahead=16, ahead_bytes=frames_held * frame_bytes + frame_bytes // 2
    )
    assert len(running._memory) == 2 * slots * frame_bytes, "memory for so many frames a worker"
    assert numbers(running) == expected(videos)


def test_frames_too_wide_for_a_slot_are_bounded_all_the_same(
    pool: Callable[..., DecodePool], tmp_path: Path
) -> None:
    make_video(tmp_path / "wide.mp4", seconds=2, size=(400, 64))
    video = Video("wide", str(tmp_path / "wide.mp4"))
    running = pool([video], frames_ahead=2, size=FrameSize(64, 64, "cover"))
    sent: list[FrameInSlot] = []
    while len(sent) < 2:
        worker, _, event = running._events.get(timeout=30)
        if isinstance(event, FrameInSlot):
            sent.append(event)
    assert all(frame.inline is not None for frame in sent)
    assert {frame.slot for frame in sent} == {0, 1}, "no slot is left for a third frame"
    for frame in sent:
        running._copy_out(worker, video, frame)
    assert [type(event) for _, event in running] == [*[Frame] * 3, VideoFinished]


def test_every_worker_gets_a_video_before_any_gets_a_second(
    pool: Callable[..., DecodePool], videos: list[Video]
) -> None:
    running = pool(videos[:2], workers=2, frames_ahead=100)
    kill(running, signal.SIGSTOP)
    events: list[tuple[Video, Event]] = []
    for video, event in running:
        events.append((video, event))
        if video == videos[1] and isinstance(event, VideoFinished):
            kill(running, signal.SIGCONT)
    assert numbers(events) == expected(videos[:2])
    assert all(e.failure is None for _, e in events if isinstance(e, VideoFinished))


def test_closing_ends_another_thread_that_reads(
    pool: Callable[..., DecodePool], videos: list[Video]
) -> None:
    running = pool(videos * 10, workers=2, frames_ahead=100)
    begun, failures = threading.Event(), []

    def read() -> None:
        try:
            for _ in running:
                begun.set()
        except BaseException as error:
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    begun.wait()
    running.close()
    reader.join(timeout=30)
    assert not reader.is_alive()
    assert not failures


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_killed_worker_costs_nothing_the_first_time(
    pool: Callable[..., DecodePool], videos: list[Video], number: int
) -> None:
    running = pool(videos)
    events: list[tuple[Video, Event]] = []
    for event in running:
        if sum(isinstance(e, Frame) for _, e in events) == 7:
            kill(running, number)
            number = 0  # signal 0 only asks whether the process is there
        events.append(event)
    assert numbers(events) == expected(videos)
    assert all(e.failure is None for _, e in events if isinstance(e, VideoFinished))


def test_a_worker_that_is_killed_before_it_works_costs_nothing(
    videos: list[Video], pool: Callable[..., DecodePool]
) -> None:
    running = pool(videos)
    kill(running, signal.SIGKILL)
    assert numbers(running) == expected(videos)


def test_workers_that_are_always_killed_before_they_work_end_it(
    videos: list[Video], pool: Callable[..., DecodePool], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = DecodePool._start

    def killed(self: DecodePool, index: int) -> Worker:
        worker = start(self, index)
        worker.process.kill()
        return worker

    monkeypatch.setattr(DecodePool, "_start", killed)
    with pytest.raises(RunError, match=r"does not start \(exit status -9\)"):
        list(pool(videos))


def test_a_worker_that_starts_slowly_is_not_taken_for_a_hang(
    videos: list[Video], pool: Callable[..., DecodePool]
) -> None:
    running = pool(videos, timeout_s=1)
    kill(running, signal.SIGSTOP)  # as a disk does that many read from
    signal.sigtimedwait([], 2.5)
    kill(running, signal.SIGCONT)
    assert numbers(running) == expected(videos)


def test_workers_that_never_start_end_it(
    videos: list[Video], pool: Callable[..., DecodePool], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = DecodePool._start

    def stopped(self: DecodePool, index: int) -> Worker:
        worker = start(self, index)
        worker.process.send_signal(signal.SIGSTOP)
        return worker

    monkeypatch.setattr(DecodePool, "_start", stopped)
    monkeypatch.setattr("pseudolabel.videos.pool.START_S", 0.5)
    with pytest.raises(RunError, match="a decode worker does not start"):
        list(pool(videos, timeout_s=0.1))


def test_a_video_that_kills_its_worker_twice_is_skipped_and_the_rest_go_on(
    pool: Callable[..., DecodePool], videos: list[Video]
) -> None:
    running = pool(videos, frames_ahead=2)
    events: list[tuple[Video, Event]] = []
    for video, event in running:
        # With two slots, the worker cannot be further than this video when its first frame comes.
        if video == videos[1] and isinstance(event, Frame) and event.clip_index == 0:
            kill(running, signal.SIGKILL)
        events.append((video, event))
    (failure,) = [e.failure for _, e in events if isinstance(e, VideoFinished) and e.failure]
    assert failure.video_id == videos[1].video_id
    assert failure.reason is SkipReason.DECODER_CRASHED
    assert "signal 9" in failure.detail
    others = [video for video in videos if video != videos[1]]
    assert expected(others) <= numbers(events)


def test_a_worker_that_hangs_is_replaced(
    pool: Callable[..., DecodePool], videos: list[Video]
) -> None:
    running = pool(videos, frames_ahead=2, timeout_s=1)
    events: list[tuple[Video, Event]] = []
    stopped = False
    for video, event in running:
        if video == videos[0] and isinstance(event, Frame) and not stopped:
            kill(running, signal.SIGSTOP)
            stopped = True
        events.append((video, event))
    (failure,) = [e.failure for _, e in events if isinstance(e, VideoFinished) and e.failure]
    assert failure.video_id == videos[0].video_id
    assert failure.reason is SkipReason.DECODER_TIMEOUT
    assert expected(videos[1:]) <= numbers(events)


def test_a_slow_consumer_is_not_taken_for_a_hang(
    pool: Callable[..., DecodePool], videos: list[Video]
) -> None:
    # The worker waits for its slots throughout; the limit is far shorter than that wait.
    running = pool(videos, frames_ahead=2, timeout_s=1.0)
    consumer = iter(running)
    events = [next(consumer) for _ in range(2)]
    signal.sigtimedwait([], 2.5)
    events += consumer
    assert numbers(events) == expected(videos)


def test_a_worker_is_not_closed_while_something_is_sent_to_it() -> None:
    sending, go_on = threading.Event(), threading.Event()

    class SlowConnection(Connection):
        def _send(self, *arguments: Any) -> None:
            sending.set()
            assert go_on.wait(30)
            super()._send(*arguments)  # type: ignore[misc]  # typeshed leaves it out

    ours, theirs = socket.socketpair()
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    worker = Worker(0, process, SlowConnection(ours.detach()))
    errors: list[BaseException] = []

    def send() -> None:
        try:
            worker.send(FreeSlot(0))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=send), threading.Thread(target=worker.stop)]
    threads[0].start()
    assert sending.wait(30)
    threads[1].start()
    threads[1].join(1)  # without the lock it is done by then
    go_on.set()
    for thread in threads:
        thread.join()
    theirs.close()
    process.communicate()
    assert not errors


def test_bad_files_among_good_ones(
    pool: Callable[..., DecodePool], videos: list[Video], tmp_path: Path
) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video\n" * 100)
    bad = [
        Video("empty", str(tmp_path / "empty.mp4")),
        Video("text", str(tmp_path / "text.mp4")),
        Video("gone", str(tmp_path / "gone.mp4")),
    ]
    events = list(pool([bad[0], videos[0], bad[1], bad[2], videos[1]], workers=2))
    failures = {
        video.video_id: event.failure.reason
        for video, event in events
        if isinstance(event, VideoFinished) and event.failure
    }
    assert failures == {
        "empty": SkipReason.EMPTY_FILE,
        "text": SkipReason.NOT_A_VIDEO,
        "gone": SkipReason.NOT_FOUND,
    }
    assert numbers(events) == expected(videos[:2])


def test_what_could_not_be_listed_is_passed_on(
    pool: Callable[..., DecodePool], videos: list[Video]
) -> None:
    lost = Skipped("lost", "/lost.mp4", "list", SkipReason.NOT_FOUND, "not there")
    events = list(pool([videos[0], lost]))
    assert [event for video, event in events if video.video_id == "lost"] == [lost]
    assert numbers(events) == expected(videos[:1])


def test_an_error_while_listing_reaches_the_consumer(
    pool: Callable[..., DecodePool], videos: list[Video]
) -> None:
    def listing() -> Iterator[Video]:
        yield videos[0]
        raise OSError("the list broke off")

    with pytest.raises(OSError, match="broke off"):
        list(pool(listing()))


def test_closing_early_leaves_no_process(
    pool: Callable[..., DecodePool], videos: list[Video]
) -> None:
    running = pool(videos, workers=2)
    pids = [worker.process.pid for worker in running._workers]
    next(iter(running))
    running.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_files_in_the_current_folder_are_not_imported(
    pool: Callable[..., DecodePool],
    videos: list[Video],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "queue.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    assert numbers(pool(videos[:1])) == expected(videos[:1])


def test_no_videos_is_no_events(pool: Callable[..., DecodePool]) -> None:
    assert list(pool([])) == []
