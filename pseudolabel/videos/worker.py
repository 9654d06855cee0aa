"""A decode worker: a process of its own, so that a file that crashes FFmpeg costs one video.

It is started by `pool.py` as `python -m pseudolabel.videos.worker FD`, where FD is one end of a
socket. It imports `av` and `numpy`, never `torch`. Pixels go through slots of memory shared with
the parent; everything else goes through the socket.
"""

from __future__ import annotations

import mmap
import os
import queue
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection

import numpy as np

from pseudolabel.records import Frame, Skipped, Video
from pseudolabel.videos.decode import VideoSkippedError, read_video
from pseudolabel.videos.messages import FrameInSlot, FreeSlot, Ready, Setup, VideoFinished

NICENESS = 5  # the captioner's process comes first: frames are ready long before it needs them


class Inbox:
    """What the parent sends: videos to decode, and slots of shared memory that are free again.

    A thread reads the socket, so that the parent never waits for a decoder in order to send, and
    so that this process ends with the parent even when a decoder hangs.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._videos: queue.SimpleQueue[Video] = queue.SimpleQueue()
        # Last in, first out: slots that were never needed never take memory.
        self._free: queue.LifoQueue[int] = queue.LifoQueue()
        self._setup: Setup = connection.recv()
        self._memory = mmap.mmap(self._setup.memory_fd, 0)
        for slot in reversed(self._setup.free_slots):
            self._free.put(slot)
        threading.Thread(target=self._read, name="inbox", daemon=True).start()

    @property
    def setup(self) -> Setup:
        """What to do with videos."""
        return self._setup

    def next_video(self) -> Video:
        """The next video to decode; waits for one."""
        return self._videos.get()

    def put(self, frame: Frame) -> FrameInSlot:
        """Take a free slot, waited for, and copy a frame's pixels into it if they fit."""
        pixels = np.ascontiguousarray(frame.pixels)
        slot = self._free.get()
        inline = None
        if pixels.nbytes > self._setup.slot_bytes:
            inline = pixels.tobytes()  # an extreme aspect ratio: rare, so the socket will do
        else:
            first = self._setup.first_byte + slot * self._setup.slot_bytes
            self._memory[first : first + pixels.nbytes] = pixels.data.cast("B")
        height, width, channels = pixels.shape
        return FrameInSlot(
            clip_index=frame.clip_index,
            position=frame.position,
            time_s=frame.time_s,
            is_keyframe=frame.is_keyframe,
            look=frame.look,
            shape=(height, width, channels),
            slot=slot,
            inline=inline,
        )

    def _read(self) -> None:
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                os._exit(0)  # the parent is done with us, or gone
            if isinstance(message, FreeSlot):
                self._free.put(message.slot)
            else:
                self._videos.put(message)


def decode_one(video: Video, inbox: Inbox, connection: Connection) -> VideoFinished:
    """Send everything that comes of one video; give back its end."""
    started_s = time.process_time()
    failure = None
    setup = inbox.setup
    try:
        for event in read_video(video, setup.clips, setup.frames, setup.size):
            connection.send(inbox.put(event) if isinstance(event, Frame) else event)
    except VideoSkippedError as error:
        failure = Skipped(
            video_id=video.video_id,
            source=video.source,
            stage=error.stage,
            reason=error.reason,
            detail=error.detail,
            listed=video.listed,
        )
    return VideoFinished(cpu_s=time.process_time() - started_s, failure=failure)


def main() -> None:
    """Decode the videos that come, until the parent closes the socket."""
    # Ctrl-C reaches the whole process group; the parent decides what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    import av  # noqa: F401  # now: the time that a busy disk takes is not the first video's

    connection = Connection(int(sys.argv[1]))
    inbox = Inbox(connection)
    try:
        connection.send(Ready())
        while True:
            connection.send(decode_one(inbox.next_video(), inbox, connection))
    except (BrokenPipeError, ConnectionResetError):
        raise SystemExit(0) from None  # the parent is gone


if __name__ == "__main__":
    main()
