"""Peak memory of a run: 10 and 1,000 videos, one minute and two hours."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.collection import folder_of
from benchmarks.footage import Footage
from benchmarks.reporting import Report, Table

# Small pictures decode fast; what is held does not depend on them, since frames are kept at the
# captioner's size.
TINY = Footage("160x96-gop60", 160, 96, gop=60, seconds=60, fps=12, preset="ultrafast")
SHORT_GOPS = 5  # of 5 s


def run(data: Path, *, quick: bool) -> Report:
    """Measure each case in a process of its own, with a captioner that costs nothing."""
    report = Report("memory", quick)
    few, many, hours = (2, 20, 0.1) if quick else (10, 1_000, 2)
    long_s = round(hours * 3600)
    cases = {
        f"{few} short videos": folder_of(data, TINY, videos=few, gops=SHORT_GOPS),
        f"{many:,} short videos": folder_of(data, TINY, videos=many, gops=SHORT_GOPS),
        "one video, 1 minute": TINY.encoded(data),
        f"one video, {hours:g} hours": TINY.repeated(data, long_s),
    }
    table = Table(
        "peak memory, MiB: default options, two decode workers, 384 px frames",
        (
            "input",
            "captioner",
            "clips",
            "main process",
            "workers, largest",
            "workers, sum",
            "frames waiting",
            "seconds",
        ),
    )
    for mode in ("keeps up", "stalls at first"):
        for name, path in cases.items():
            found = _probe(data, path, mode)
            table.rows.append((name, mode, *found.values()))
            report.results[f"{name}; {mode}"] = found
    table.notes = [
        "main process and workers: private memory (RSS less shared pages) at its highest; frames "
        "waiting: the memory that workers and main process share, counted once",
        "the captioner answers at once and loads no model, so that what grows would show; one "
        "that stalls at first lets frames pile up to the bound of 64 (27 MiB at 384 px)",
    ]
    report.add(table)
    return report


def _probe(data: Path, path: Path, mode: str) -> dict[str, Any]:
    out = data / "run"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "benchmarks.memory_probe", str(path), str(out), mode]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found
