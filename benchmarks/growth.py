"""What a video costs in runs of 100 to 100,000: time, memory, the folder, and going on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.footage import Footage, splice
from benchmarks.machine import warn_if_busy
from benchmarks.release import timed
from benchmarks.reporting import Report, Table, median
from pseudolabel.runs.storage.folder import RunFolder

# One clip of ten small frames: what is left to measure is what a video costs beside its pictures.
TINY = Footage("64x48-gop10", 64, 48, gop=10, seconds=24, fps=10, preset="ultrafast")
DISTINCT = 24  # files; the rest are links to them, 65,000 to a file at most on ext4
A_FOLDER = 100  # videos, and folders
SIZES = (100, 1_000, 10_000, 100_000)
QUICK_SIZES = (20, 200)
ROUNDS, ROUNDS_BELOW = 3, 10_000  # of runs with fewer videos; the others run once


def run(data: Path, *, quick: bool) -> Report:
    """Caption each collection, go on with the finished run, and look at it: each in a process."""
    report = Report("growth", quick)
    warn_if_busy()
    sizes = QUICK_SIZES if quick else SIZES
    for videos in sizes:
        rounds = ROUNDS if videos < ROUNDS_BELOW and not quick else 1
        found = [_measure(data, videos) for _ in range(rounds)]
        report.results[str(videos)] = _middle(found)
    report.add(_costs(report.results))
    report.add(_memory(report.results))
    report.add(_course(report.results[str(sizes[-1])], sizes[-1]))
    return report


def tree_of(data: Path, videos: int) -> Path:
    """So many videos of a second, in folders of a hundred; made when it is not there."""
    root = data / "collections" / f"{TINY.name}-tree-{videos}"
    if root.exists():
        return root
    partial = root.with_name(f".partial-{root.name}")
    shutil.rmtree(partial, ignore_errors=True)
    source = TINY.encoded(data)
    distinct: list[Path] = []
    for index in range(videos):
        folder, number = divmod(index, A_FOLDER)
        path = partial / f"{folder // A_FOLDER:02}" / f"{folder % A_FOLDER:02}" / f"{number:02}.mp4"
        if number == 0:
            path.parent.mkdir(parents=True)
        if index < DISTINCT:
            splice(source, path, [index % TINY.gops])
            distinct.append(path)
        else:
            os.link(distinct[index % DISTINCT], path)
    partial.rename(root)
    return root


def _measure(data: Path, videos: int) -> dict[str, Any]:
    given, out = tree_of(data, videos), data / "run"
    shutil.rmtree(out, ignore_errors=True)
    first, again = (_probe(given, out, videos) for _ in range(2))
    if (first["videos"], again["already_done"]) != (videos, videos):
        raise SystemExit(f"not all was captioned, or found again: {first}, {again}")
    folder = RunFolder(str(out))
    shown = timed("show", out, "--limit", 5)
    return {
        **first,
        "ms_a_video": 1000 * (first["seconds"] - first["first_caption_s"]) / videos,
        "main_cpu_ms_a_video": 1000 * first["main_cpu_s"] / videos,
        "workers_cpu_ms_a_video": 1000 * first["workers_cpu_s"] / videos,
        "parts": len(folder.parts()),
        "run_mb": sum(folder.sizes().values()) / 1e6,
        "again_s": again["seconds"],
        "again_mib": again["main_mib"],
        "show_s": shown.wall_s,
        "show_mib": shown.peak_mib,
    }


def _probe(given: Path, out: Path, videos: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.growth_probe", *map(str, (given, out, videos))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _middle(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each number; the course of the last run."""
    numbers = [name for name in found[-1] if name != "quarters"]
    return {**found[-1], **{name: median([one[name] for one in found]) for name in numbers}}


def _costs(results: dict[str, dict[str, Any]]) -> Table:
    names = (
        *("seconds", "first_caption_s", "ms_a_video", "main_cpu_ms_a_video"),
        *("workers_cpu_ms_a_video", "again_s", "show_s"),
    )
    table = Table(
        "a video of one second, 64x48, one clip; a captioner that costs nothing, two decode "
        "workers, default options",
        (
            *("videos", "run, s", "until the first caption, s", "ms a video"),
            *("CPU ms, main process", "CPU ms, workers", "started again, s", "show, s"),
        ),
        [(f"{int(size):,}", *(one[name] for name in names)) for size, one in results.items()],
    )
    few, many = (list(results.values())[at]["ms_a_video"] for at in (1, -1))
    table.notes = [
        f"a video of the largest run over one of the second: **{many / few:.2f}** (1 is flat)",
        "ms a video: wall time after the first caption; of few videos the end of the run, with its "
        "commit, is much of it",
        "CPU: of whole processes after their imports, with the start of the workers (0.3 s each) "
        "and what watches the memory",
        "started again: the same command on the finished run, which finds everything done",
    ]
    return table


def _memory(results: dict[str, dict[str, Any]]) -> Table:
    names = ("main_mib", "workers_mib", "again_mib", "show_mib", "parts", "run_mb")
    table = Table(
        "peak memory, MiB, and the run folder",
        (
            *("videos", "main process", "workers, sum", "started again", "show", "parts"),
            "run folder, MB",
        ),
        [(f"{int(size):,}", *(one[name] for name in names)) for size, one in results.items()],
    )
    table.notes = [
        "main process, workers, started again: private memory (RSS less shared pages) at its "
        "highest; show: the largest resident set",
        "what may grow: rows that wait for their commit, up to 5,000 clips; listed videos, up to "
        "20,000; 110 bytes a video, so that no id comes twice",
    ]
    return table


def _course(found: dict[str, Any], videos: int) -> Table:
    table = Table(
        f"the course of the run of {videos:,} videos",
        ("quarter", "ms a video", "main process, MiB", "workers, sum, MiB"),
        [
            (number, one["ms_a_video"], one["main_mib"], one["workers_mib"])
            for number, one in enumerate(found["quarters"], start=1)
        ],
    )
    if found["quarters"]:
        first, last = found["quarters"][0], found["quarters"][-1]
        table.notes = [
            f"last over first: **{last['ms_a_video'] / first['ms_a_video']:.2f}** (1 is flat)",
            "memory: the highest until the end of the quarter",
        ]
    return table
