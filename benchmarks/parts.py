"""A run of a million clips in 10,000 parts: what is done, show, health, export, compact."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.big_run import big_run
from benchmarks.machine import warn_if_busy
from benchmarks.release import Taken
from benchmarks.reporting import Report, Table, median

CLIPS = 1_000_000
CLIPS_A_PART = 100
RESUME = """
import sys
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.runs.storage.resume import DoneVideos
DoneVideos(RunFolder(sys.argv[1]))
"""
COMPACT = """
import sys
from pseudolabel.runs.compact import compact
compact(sys.argv[1])
"""


def run(data: Path, *, quick: bool) -> Report:
    """Time each in a process of its own, imports and all."""
    report = Report("parts", quick)
    warn_if_busy()
    clips, rounds = (CLIPS // 50, 1) if quick else (CLIPS, 3)
    many = run_in_parts(data, clips)
    few = _linked(many, data / "runs" / "compacted")
    joining = _timed(COMPACT, few)
    table = Table(
        f"{clips:,} clips, {clips // CLIPS_A_PART:,} parts of {CLIPS_A_PART}; after "
        f"`pseudolabel compact`, {len(list(few.glob('clips-*')))} parts",
        ("what", "parts", "median, s", "CPU s", "peak memory, MiB"),
    )
    for name, path in (("many", many), ("compacted", few)):
        for what, command in _commands(path, data / "releases" / "of-parts").items():
            taken = [_timed(*command) for _ in range(rounds)]
            report.results[f"{what}, {name}"] = _add(table, what, name, taken)
    report.results["compact"] = _add(table, "compact", "many", [joining])
    resume = report.results["what is done, many"]
    table.notes = [
        f"what is done, of {clips // CLIPS_A_PART:,} parts: **{resume['median_s']:.1f} s** (goal "
        f"under 10), **{resume['peak_mib']:,.0f} MiB** (goal under 1 GB)",
        f"on disk: {_megabytes(many):.0f} MB, compacted {_megabytes(few):.0f} MB",
    ]
    report.add(table)
    return report


def run_in_parts(data: Path, clips: int) -> Path:
    """The run of `big_run` in parts of 100 clips, five videos each; made when it is not there."""
    import pyarrow.parquet as pq

    path = data / "runs" / f"{clips}-clips-in-{clips // CLIPS_A_PART}-parts"
    if path.exists():
        return path
    whole = big_run(data, clips)
    partial = path.with_name(f".partial-{path.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    (partial / "run.json").write_bytes((whole / "run.json").read_bytes())
    part = 0
    for source in sorted(whole.glob("clips-*.parquet")):
        rows = pq.read_table(source)
        for start in range(0, rows.num_rows, CLIPS_A_PART):
            few = rows.slice(start, CLIPS_A_PART)
            pq.write_table(few, partial / f"clips-{part:06d}.parquet", compression="zstd")
            part += 1
    partial.rename(path)
    return path


def _commands(path: Path, out: Path) -> dict[str, tuple[object, ...]]:
    return {
        "what is done": (RESUME, path),
        "show --limit 5": ("show", path, "--limit", 5),
        "show --health": ("show", path, "--health"),
        "export": ("export", path, "--out", out, "--version", "1.0.0", "--license", "cc-by-4.0"),
    }


def _timed(first: str, *arguments: object) -> Taken:
    """Run a command of `pseudolabel`, or a program in Python."""
    command = [str(Path(sys.executable).with_name("pseudolabel")), first]
    if "\n" in first:
        command = [sys.executable, "-c", first]
    if first == "export":
        shutil.rmtree(str(arguments[2]), ignore_errors=True)
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    if status:
        raise RuntimeError(f"{first.strip()} failed: {status}")
    return Taken(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _linked(source: Path, target: Path) -> Path:
    """A copy that shares the files; joining parts only writes new ones and deletes names."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, copy_function=os.link)
    return target


def _add(table: Table, what: str, parts: str, taken: list[Taken]) -> dict[str, float]:
    wall_s, cpu_s = median([t.wall_s for t in taken]), median([t.cpu_s for t in taken])
    peak_mib = max(t.peak_mib for t in taken)
    table.rows.append((what, parts, wall_s, cpu_s, peak_mib))
    return {"median_s": wall_s, "peak_mib": peak_mib}


def _megabytes(path: Path) -> float:
    return sum(file.stat().st_size for file in path.iterdir()) / 1e6
