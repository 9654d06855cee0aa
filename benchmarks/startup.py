"""How long `pseudolabel --help` and `import pseudolabel` take."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.machine import warn_if_busy
from benchmarks.reporting import Report, Table, measure_by_turns, median

HELP, IMPORT, BARE = "pseudolabel --help", "import pseudolabel", "python, nothing imported"


def run(data: Path, *, quick: bool) -> Report:
    """Time fresh processes, by turns."""
    report = Report("startup", quick)
    warn_if_busy()
    commands = {
        HELP: [str(Path(sys.executable).with_name("pseudolabel")), "--help"],
        "pseudolabel caption --help": [
            str(Path(sys.executable).with_name("pseudolabel")),
            "caption",
            "--help",
        ],
        IMPORT: [sys.executable, "-c", "import pseudolabel"],
        BARE: [sys.executable, "-c", "pass"],
    }
    series = {name: _runner(command) for name, command in commands.items()}
    for start in series.values():
        start()  # bytecode is compiled, files are in the cache
    times = measure_by_turns(series, 3 if quick else 20)
    walls = {name: [one.wall for one in taken] for name, taken in times.items()}
    table = Table(
        f"a fresh process, {3 if quick else 20} times",
        ("command", "best, s", "median, s", "worst, s"),
        [(name, min(all_s), median(all_s), max(all_s)) for name, all_s in walls.items()],
        [f"{HELP}, median: **{median(walls[HELP]):.3f} s** (goal under 0.3 s)"],
    )
    report.add(table)
    report.results = {
        name: {"best_s": min(all_s), "median_s": median(all_s)} for name, all_s in walls.items()
    }
    return report


def _runner(command: list[str]) -> Callable[[], object]:
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
