"""One start of a run of many tiny videos, watched: `python -m benchmarks.growth_probe IN OUT N`."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Sequence
from itertools import pairwise

from benchmarks.memory_probe import AnswersAtOnce, Watcher
from pseudolabel import RunOptions, Tally, caption_videos
from pseudolabel.captioners.answers import Answer
from pseudolabel.records import Caption, Frame, FrameSize

QUARTERS = 4


class AnswersSmall:
    """Costs nothing, nor does scaling for it; remembers when it was asked first."""

    identity = AnswersAtOnce.identity
    frame_size = FrameSize(64, 48)
    batch_size = largest_batch = 8
    first_s: float | None = None

    def caption(self, frames: Sequence[Frame]) -> list[Answer]:
        """The same text for each."""
        self.first_s = self.first_s or time.perf_counter()
        return [(Caption("a caption of a usual length, for a frame of a video"),) for _ in frames]

    def close(self) -> None:
        """Nothing to give back."""


class Course:
    """How far the run was at what time, and the highest memory until then; called on progress."""

    def __init__(self, videos: int, watcher: Watcher) -> None:
        self._videos, self._watcher = videos, watcher
        self._marks: list[tuple[int, float, int, int]] = []  # videos, seconds, KiB, KiB

    def __call__(self, tally: Tally) -> None:
        """Note it, once a quarter."""
        if tally.videos * QUARTERS >= len(self._marks) * self._videos:
            memory_kib = (self._watcher.main_kib, self._watcher.workers_kib)
            self._marks.append((tally.videos, time.perf_counter(), *memory_kib))

    def quarters(self) -> list[dict[str, float]]:
        """What a video took in each quarter of the run, and the highest memory until its end."""
        return [
            {
                "ms_a_video": 1000 * (end_s - start_s) / (end - start),
                "main_mib": main_kib / 1024,
                "workers_mib": workers_kib / 1024,
            }
            for (start, start_s, *_), (end, end_s, main_kib, workers_kib) in pairwise(self._marks)
            if end > start
        ]


def main() -> None:
    """Caption, watch, print."""
    given, out, videos = sys.argv[1:]
    watcher, captioner = Watcher(), AnswersSmall()
    course = Course(int(videos), watcher)
    watcher.start()
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    run = RunOptions(workers=2)
    tally = caption_videos([given], out, captioner=captioner, run=run, on_progress=course)
    taken_s, main_cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    watcher.stop()
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {
        "videos": tally.videos,
        "already_done": tally.already_done,
        "seconds": taken_s,
        "first_caption_s": captioner.first_s and captioner.first_s - started_s,
        "main_cpu_s": main_cpu_s,
        "workers_cpu_s": workers.ru_utime + workers.ru_stime,
        "main_mib": watcher.main_kib / 1024,
        "workers_mib": watcher.workers_kib / 1024,
        "quarters": course.quarters(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
