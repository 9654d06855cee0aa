"""Decode workers and what comes out of them: bounded, in shared memory, and never stuck.

A thread of this process looks after the workers, so that they have work while the captioner
computes; whoever iterates over the pool gets events. Every worker owns a few slots of shared
memory. A worker that is killed, crashes, or makes no progress is replaced, its slots with it.
"""

from __future__ import annotations

import math
import mmap
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait

import numpy as np

from pseudolabel.errors import RunError
from pseudolabel.records import Frame, FrameSize, Skipped, SkipReason, Video
from pseudolabel.videos.decode import Progress, VideoOpened
from pseudolabel.videos.messages import FrameInSlot, FreeSlot, Ready, Setup, VideoFinished
from pseudolabel.videos.options import ClipOptions, FrameOptions

AHEAD_BYTES = 512 * 2**20  # of decoded frames that wait; memory is used only as they fill it
EVENTS_AHEAD = 4096  # events that carry no pixels wait here, so a flood of bad files is bounded
START_S = 120.0  # a worker may take this long before it can work: imports from a busy disk
VIDEOS_AHEAD = 2  # one being decoded, one to go on with at once
TRIES = 2  # a video that kills its worker is given one more
MOST_KILLED_STARTS = 3  # in a row: whatever kills or holds up workers at first will not stop

Event = VideoOpened | Frame | Skipped | VideoFinished


@dataclass(slots=True)
class Worker:
    """One worker process, as the parent sees it."""

    index: int
    process: subprocess.Popen[bytes]
    connection: Connection
    videos: deque[Video] = field(default_factory=deque)  # given to it; the first is in work
    heard_s: float = field(default_factory=time.monotonic)  # when it last had reason to be quiet
    is_ready: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)  # two threads send to it

    def send(self, message: Video | Setup | FreeSlot) -> None:
        """Send, unless the worker is gone: its end is noticed where it is read."""
        with self.lock:
            try:
                self.connection.send(message)
            except OSError:
                return

    def stop(self) -> None:
        """Kill the process and close the socket."""
        self.process.kill()
        self.process.wait()
        with self.lock:  # what is being sent would else go to whatever has the socket's number next
            self.connection.close()


class DecodePool:
    """Decodes videos in worker processes; iterate over it for `(video, event)` pairs.

    The events of one video come in order: `VideoOpened`, then `Frame` and clip-level `Skipped`
    records, then `VideoFinished`. A video whose worker died is tried once more, so a `Frame` may
    come twice. A `Skipped` among `videos` is passed on as it is.

    Frames that wait take `ahead_bytes` at most, or one frame a worker where that is more. A frame
    that is larger than expected (cover, and a side over twice the other) counts as one as well.

    Args:
        videos: What to decode, in this order, taken lazily; see `largest_first`.
        clips: How to cut.
        frames: Which frames to take.
        size: The size to scale to.
        workers: Number of processes.
        frames_ahead: How many decoded frames may wait, over all workers, within `ahead_bytes`.
        timeout_s: A worker that has room and yields nothing for this long is replaced.
        ahead_bytes: How many bytes of decoded frames may wait, over all workers.

    Raises:
        RunError: While iterating, if a worker cannot start at all.
    """

    def __init__(
        self,
        videos: Iterator[Video | Skipped],
        *,
        clips: ClipOptions,
        frames: FrameOptions,
        size: FrameSize,
        workers: int,
        frames_ahead: int,
        timeout_s: float,
        ahead_bytes: int = AHEAD_BYTES,
    ) -> None:
        self._videos = videos
        self._options = (clips, frames, size)
        self._timeout_s = timeout_s
        self._slot_bytes = size.width * size.height * 3 * (2 if size.fit == "cover" else 1)
        affordable = ahead_bytes // (self._slot_bytes * workers)
        self._slots = max(1, min(max(2, math.ceil(frames_ahead / workers)), affordable))
        self._memory_fd = _shared_memory(self._slot_bytes * self._slots * workers)
        self._memory = mmap.mmap(self._memory_fd, 0)
        self._reading = threading.Lock()  # held while pixels are copied out, and to close
        self._events: queue.Queue[tuple[Worker | None, Video, Event | FrameInSlot]] = queue.Queue(
            EVENTS_AHEAD
        )
        self._again: deque[Video] = deque()  # lost with a worker, to be given out first
        self._deaths: dict[str, int] = {}  # worker deaths by video id
        self._killed_starts = 0  # in a row: workers that were killed before they could work
        self._listed_all = False
        self._finished = threading.Event()  # all events are in the queue, or `_error` is set
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        # Slots whose frames nobody has copied yet, by worker index. They outlive the worker, so
        # the lock also covers its replacement.
        self._held: list[set[int]] = [set() for _ in range(workers)]
        self._lock = threading.Lock()
        self._workers = [self._start(index) for index in range(workers)]
        self._thread = threading.Thread(target=self._look_after, name="decode-pool", daemon=True)
        self._thread.start()

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[Video, Event]]:
        while not self._stopping.is_set():
            try:
                worker, video, event = self._events.get(timeout=0.1)
            except queue.Empty:
                if self._finished.is_set() and self._events.empty():
                    if self._error is not None:
                        raise self._error from None
                    return
                continue
            if not isinstance(event, FrameInSlot):
                yield video, event
                continue
            with self._reading:
                if self._stopping.is_set():
                    return
                frame = self._copy_out(worker, video, event)
            yield video, frame

    def close(self) -> None:
        """Kill the workers and give the memory back; safe to call twice.

        Another thread that iterates over the pool comes to its end, soon and without an error.
        """
        self._stopping.set()
        self._thread.join()
        for worker in self._workers:
            worker.stop()
        with self._reading:
            self._workers.clear()
            if not self._memory.closed:
                self._memory.close()
                os.close(self._memory_fd)

    # -- in the consumer's thread ---------------------------------------------------------------

    def _copy_out(self, worker: Worker | None, video: Video, frame: FrameInSlot) -> Frame:
        assert worker is not None, "frames come from workers"
        if frame.inline is not None:
            pixels = np.frombuffer(frame.inline, dtype=np.uint8).reshape(frame.shape)
        else:
            first = (worker.index * self._slots + frame.slot) * self._slot_bytes
            flat = np.frombuffer(self._memory, np.uint8, math.prod(frame.shape), first)
            pixels = flat.reshape(frame.shape).copy()
            del flat  # an array on the memory would keep it from closing
        with self._lock:
            self._held[worker.index].discard(frame.slot)
            owner = self._workers[worker.index]  # the worker itself, or its replacement
            owner.heard_s = time.monotonic()  # it may have waited for just this slot
            owner.send(FreeSlot(frame.slot))
        return Frame(
            video_id=video.video_id,
            clip_index=frame.clip_index,
            position=frame.position,
            time_s=frame.time_s,
            is_keyframe=frame.is_keyframe,
            pixels=pixels,
            look=frame.look,
        )

    # -- in the pool's own thread ---------------------------------------------------------------

    def _look_after(self) -> None:
        try:
            for _ in range(VIDEOS_AHEAD):  # one each first: there may be fewer videos than workers
                for worker in self._workers:
                    self._give_one(worker)
            while not self._stopping.is_set() and any(w.videos for w in self._workers):
                by_connection = {w.connection: w for w in self._workers}
                for connection in wait(list(by_connection), timeout=0.2):
                    self._hear(by_connection[connection])  # type: ignore[index]
                self._replace_the_stuck()
        except BaseException as error:
            self._error = error
        finally:
            self._finished.set()

    def _hear(self, worker: Worker) -> None:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker, SkipReason.DECODER_CRASHED)
            return
        worker.heard_s = time.monotonic()
        if isinstance(message, Ready):
            worker.is_ready = True
            self._killed_starts = 0
        elif not isinstance(message, Progress):
            self._pass_on(worker, message)

    def _pass_on(self, worker: Worker, message: Event | FrameInSlot) -> None:
        video = worker.videos[0]
        if isinstance(message, FrameInSlot):
            with self._lock:
                self._held[worker.index].add(message.slot)
        if isinstance(message, VideoFinished):
            worker.videos.popleft()
            self._deaths.pop(video.video_id, None)
            self._give_work(worker)
        self._put(worker, video, message)

    def _put(self, worker: Worker | None, video: Video, event: Event | FrameInSlot) -> None:
        while not self._stopping.is_set():
            try:
                self._events.put((worker, video, event), timeout=0.2)
            except queue.Full:
                continue
            return

    def _give_work(self, worker: Worker) -> None:
        while len(worker.videos) < VIDEOS_AHEAD and self._give_one(worker):
            pass

    def _give_one(self, worker: Worker) -> bool:
        video = self._next_video()
        if video is not None:
            worker.videos.append(video)
            worker.heard_s = time.monotonic()
            worker.send(video)
        return video is not None

    def _next_video(self) -> Video | None:
        if self._again:
            return self._again.popleft()
        while not self._listed_all and not self._stopping.is_set():
            listed = next(self._videos, None)
            if isinstance(listed, Video):
                return listed
            if listed is None:
                self._listed_all = True
            else:
                self._put(None, Video(listed.video_id, listed.source, listed.listed), listed)
        return None

    def _replace_the_stuck(self) -> None:
        now_s = time.monotonic()
        for worker in list(self._workers):
            has_room = len(self._held[worker.index]) < self._slots
            limit_s = self._timeout_s if worker.is_ready else max(START_S, self._timeout_s)
            if worker.videos and has_room and now_s - worker.heard_s > limit_s:
                if worker.connection.poll():
                    continue  # it has spoken since; hear it first
                self._bury(worker, SkipReason.DECODER_TIMEOUT)

    def _bury(self, worker: Worker, reason: SkipReason) -> None:
        """Replace a worker; its video is tried once more, unless it has used up its tries."""
        worker.stop()
        status = worker.process.returncode
        if not worker.is_ready:  # it has seen no video yet
            self._killed_starts += 1
            # Somebody's signal, such as for want of memory, is no fault of what it starts with.
            if status >= 0 or self._killed_starts >= MOST_KILLED_STARTS:
                raise RunError(
                    f"a decode worker does not start (exit status {status})",
                    hint=f"try: {sys.executable} -c 'import pseudolabel.videos.worker'",
                )
        elif worker.videos:
            video = worker.videos.popleft()
            deaths = self._deaths[video.video_id] = self._deaths.get(video.video_id, 0) + 1
            # A hang costs its whole time limit, so it is not tried again; a kill may have been
            # the machine's (out of memory), so it is.
            if deaths < TRIES and reason is SkipReason.DECODER_CRASHED:
                self._again.append(video)
            else:
                self._put(None, video, self._given_up(video, reason, status))
                self._deaths.pop(video.video_id)
        self._again.extend(worker.videos)
        with self._lock:
            fresh = self._workers[worker.index] = self._start(worker.index)
        self._give_work(fresh)

    def _given_up(self, video: Video, reason: SkipReason, status: int) -> VideoFinished:
        if reason is SkipReason.DECODER_TIMEOUT:
            detail = f"no frame within {self._timeout_s:g} s; see --video-timeout"
        else:
            how = f"signal {-status}" if status < 0 else f"exit status {status}"
            detail = f"the decode worker died on it {TRIES} times, last with {how}"
        return VideoFinished(
            cpu_s=0.0,
            failure=Skipped(
                video.video_id, video.source, "decode", reason, detail, listed=video.listed
            ),
        )

    def _start(self, index: int) -> Worker:
        ours, theirs = socket.socketpair()
        process = subprocess.Popen(
            # -P: a random.py in the user's current folder is not ours to import.
            [sys.executable, "-P", "-m", "pseudolabel.videos.worker", str(theirs.fileno())],
            pass_fds=(theirs.fileno(), self._memory_fd),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # stdout carries data
        )
        theirs.close()
        worker = Worker(index, process, Connection(ours.detach()))
        clips, frames, size = self._options
        worker.send(
            Setup(
                clips=clips,
                frames=frames,
                size=size,
                memory_fd=self._memory_fd,
                first_byte=index * self._slots * self._slot_bytes,
                slot_bytes=self._slot_bytes,
                free_slots=tuple(sorted(set(range(self._slots)) - self._held[index])),
            )
        )
        return worker


def _shared_memory(size_bytes: int) -> int:
    """A file descriptor of `size_bytes` of memory that processes can share.

    Not in /dev/shm, which may hold only 64 MB in a container.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pseudolabel-frames")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size_bytes)
    return descriptor
