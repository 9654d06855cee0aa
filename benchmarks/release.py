"""Export, validation and comparison of a million clips: rows a second, and peak memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.big_run import big_run
from benchmarks.machine import warn_if_busy
from benchmarks.reporting import Report, Table, median

FEW, MANY = 100_000, 1_000_000
SPLIT = "train=0.9,validation=0.1"


class Taken(NamedTuple):
    """What one command took, from its start to its end."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def run(data: Path, *, quick: bool) -> Report:
    """Time whole commands, each in a process of its own."""
    report = Report("release", quick)
    warn_if_busy()
    few, many = (FEW // 50, MANY // 50) if quick else (FEW, MANY)
    rounds = 1 if quick else 3
    out = data / "releases"
    shutil.rmtree(out, ignore_errors=True)
    table = Table(
        "whole commands, imports and all; a clip has one frame, 20 clips a video",
        ("command", "clips", "median, s", "clips/s", "CPU s", "peak memory, MiB"),
    )
    for clips in (few, many):
        taken = [_export(big_run(data, clips), out / f"{clips}-{i}") for i in range(rounds)]
        report.results[f"export_{clips}"] = _add(table, "export", clips, taken)
    _export(big_run(data, many, seed=1), out / "other")  # every caption is another
    one, same = out / f"{many}-0", out / f"{many}-{rounds - 1}"
    commands = {
        "validate": ["validate", one],
        "diff, every caption changed": ["diff", one, out / "other"],
        "diff, the same rows": ["diff", one, same],
    }
    for name, command in commands.items():
        taken = [timed(*command) for _ in range(rounds)]
        report.results[name] = _add(table, name, many, taken)
    export = report.results[f"export_{many}"]
    slowest_s = max(found["median_s"] for name, found in report.results.items() if "diff" in name)
    table.notes = [
        f"export of {many:,} clips: **{export['clips_per_s']:,.0f} clips/s** (goal 150,000), "
        f"**{export['peak_mib']:,.0f} MiB** (goal under 1 GB)",
        f"diff of two such releases: **{slowest_s:.1f} s** (goal under 30)",
    ]
    report.add(table)
    return report


def _export(run_folder: Path, out: Path) -> Taken:
    options = ["--version", "1.0.0", "--license", "cc-by-4.0", "--split", SPLIT]
    return timed("export", run_folder, "--out", out, *options)


def timed(*command: object) -> Taken:
    """Run `pseudolabel` with these arguments."""
    program = Path(sys.executable).with_name("pseudolabel")
    start = time.perf_counter()
    process = subprocess.Popen(
        [program, *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    if status:
        raise RuntimeError(f"pseudolabel {' '.join(map(str, command))} failed: {status}")
    return Taken(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _add(table: Table, name: str, clips: int, taken: list[Taken]) -> dict[str, float]:
    wall_s, cpu_s = median([t.wall_s for t in taken]), median([t.cpu_s for t in taken])
    peak_mib = max(t.peak_mib for t in taken)
    table.rows.append((name, clips, wall_s, clips / wall_s, cpu_s, peak_mib))
    return {"median_s": wall_s, "clips_per_s": clips / wall_s, "peak_mib": peak_mib}
