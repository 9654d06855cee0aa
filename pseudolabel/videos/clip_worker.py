"""A process that decodes clips for another, so that a file that crashes FFmpeg costs one clip.

It is started by `clip_decoder.py` as `python -m pseudolabel.videos.clip_worker FD`, where FD is one
end of a socket. It imports `av` and `numpy`, never `torch`.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from multiprocessing.connection import Connection

import numpy as np

from pseudolabel.videos.clip_frames import ClipRequest, read_clip
from pseudolabel.videos.signals import VideoSkippedError


def main() -> None:
    """Decode the clips that come, until the other end closes the socket."""
    # Ctrl-C and SIGTERM reach the whole process group; the trainer decides what becomes of us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connection = Connection(int(sys.argv[1]))
    requests: queue.SimpleQueue[ClipRequest] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, requests), daemon=True).start()
    try:
        connection.send("ready")
        while True:
            _answer(connection, requests.get())
    except (BrokenPipeError, ConnectionResetError):
        raise SystemExit(0) from None  # nobody waits for it


def _receive(connection: Connection, requests: queue.SimpleQueue[ClipRequest]) -> None:
    """A thread reads, so that this process ends with the other even when a decoder hangs."""
    while True:
        try:
            requests.put(connection.recv())
        except (EOFError, OSError):
            os._exit(0)


def _answer(connection: Connection, request: ClipRequest) -> None:
    """Send the shape, four numbers, and then the pixels; or why not: a reason and a detail."""
    try:
        pixels = np.ascontiguousarray(read_clip(request))
    except VideoSkippedError as error:
        connection.send((str(error.reason), error.detail))
        return
    connection.send(pixels.shape)
    connection.send_bytes(pixels.data.cast("B"))


if __name__ == "__main__":
    main()
