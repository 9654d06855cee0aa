"""One run in a process of its own, watched: `python -m benchmarks.memory_probe INPUT OUT MODE`."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from pseudolabel import RunOptions, caption_videos
from pseudolabel.captioners.protocol import CaptionerIdentity
from pseudolabel.records import Caption, Frame, FrameSize

STALL_S = 4.0
EVERY_S = 0.02


class AnswersAtOnce:
    """A captioner without a model; one that stalls keeps the first batch waiting."""

    identity = CaptionerIdentity("none", "", "benchmark", "", None, "greedy", 1, "")
    frame_size = FrameSize(384, 384)
    batch_size = largest_batch = 8

    def __init__(self, *, stalls: bool) -> None:
        self._stall_s = STALL_S if stalls else 0.0

    def caption(self, frames: Sequence[Frame]) -> list[tuple[Caption, ...]]:
        """The same text for each."""
        time.sleep(self._stall_s)
        self._stall_s = 0.0
        return [(Caption("a caption of a usual length, for a frame of a video"),) for _ in frames]

    def close(self) -> None:
        """Nothing to give back."""


class Watcher(threading.Thread):
    """Looks at the memory of this process and its children until stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._done = threading.Event()
        self.main_kib = self.largest_kib = self.workers_kib = self.shared_kib = 0

    def run(self) -> None:
        """Keep the highest of everything."""
        while not self._done.wait(EVERY_S):
            self.look()

    def look(self) -> None:
        """Once."""
        private, shared = _memory_kib(os.getpid())
        workers = [_memory_kib(pid) for pid in _children()]
        self.main_kib = max(self.main_kib, private)
        self.largest_kib = max([self.largest_kib, *(own for own, _ in workers)])
        self.workers_kib = max(self.workers_kib, sum(own for own, _ in workers))
        # A frame is in the pages of its worker and, once read, in the main process's.
        seen_kib = max(shared, sum(shmem for _, shmem in workers))
        self.shared_kib = max(self.shared_kib, seen_kib)

    def stop(self) -> None:
        """Look one last time."""
        self._done.set()
        self.join()
        self.look()


def _children() -> list[int]:
    tasks = Path("/proc/self/task").glob("*/children")
    return [int(pid) for task in tasks for pid in _read(task).split()]


def _memory_kib(pid: int) -> tuple[int, int]:
    """Private (anonymous and file) and shared memory that is resident now."""
    lines = (line.split() for line in _read(Path(f"/proc/{pid}/status")).splitlines())
    fields = {line[0]: int(line[1]) for line in lines if line and line[0].startswith("Rss")}
    return fields.get("RssAnon:", 0) + fields.get("RssFile:", 0), fields.get("RssShmem:", 0)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # it has ended


def main() -> None:
    """Caption, watch, print."""
    given, out, mode = sys.argv[1:]
    watcher = Watcher()
    watcher.start()
    started_s = time.perf_counter()
    captioner = AnswersAtOnce(stalls=mode != "keeps up")
    tally = caption_videos([given], out, captioner=captioner, run=RunOptions(workers=2))
    taken_s = time.perf_counter() - started_s
    watcher.stop()
    mib = {
        "main_mib": watcher.main_kib / 1024,
        "largest_worker_mib": watcher.largest_kib / 1024,
        "workers_mib": watcher.workers_kib / 1024,
        "frames_waiting_mib": watcher.shared_kib / 1024,
    }
    print(json.dumps({"clips": tally.clips, **mib, "seconds": taken_s}))


if __name__ == "__main__":
    main()
