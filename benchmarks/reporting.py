"""What a benchmark prints: the machine, tables, and the same once more as one line of JSON."""

from __future__ import annotations

import json
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.machine import describe

Cell = str | float | int | bool | None


@dataclass(slots=True)
class Table:
    """Rows for people; `title` says what is measured."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The table in Markdown, so that it can be pasted."""
        cells = [self.columns, *(tuple(map(_text, row)) for row in self.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        ruled = [cells[0], tuple("-" * width for width in widths), *cells[1:]]
        body = [
            "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
            for row in ruled
        ]
        return [f"### {self.title}", "", *body, "", *(f"- {note}" for note in self.notes), ""]


@dataclass(slots=True)
class Report:
    """One benchmark's outcome, printed as it comes in."""

    name: str
    quick: bool
    results: dict[str, Any] = field(default_factory=dict)  # for the JSON line
    machine: dict[str, Any] = field(default_factory=describe)  # as it was before measuring
    _has_begun: bool = False

    def add(self, table: Table) -> None:
        """Print a table; before the first one, the machine."""
        if not self._has_begun:
            self._has_begun = True
            print(f"## {self.name}" + (" (--quick: too short to be numbers)" if self.quick else ""))
            print(f"\ncommand: {_command()}")
            for key, value in self.machine.items():
                print(f"{key}: {_listed(value)}")
            print()
        print("\n".join(table.lines()), flush=True)

    def end(self) -> None:
        """Print the JSON line."""
        line = {
            "benchmark": self.name,
            "quick": self.quick,
            "command": _command(),
            "machine": self.machine,
            "results": _short(self.results),
        }
        print(json.dumps(line), flush=True)


@dataclass(frozen=True, slots=True)
class Seconds:
    """What one run of a series took."""

    wall: float
    cpu: float  # of this process, all threads


def measure_by_turns(
    series: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, list[Seconds]]:
    """Time each series, by turns (A B C A B C ...), so that drift meets all alike."""
    times: dict[str, list[Seconds]] = {name: [] for name in series}
    for _ in range(rounds):
        for name, run in series.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            taken = Seconds(time.perf_counter() - wall, time.process_time() - cpu)
            times[name].append(taken)
    return times


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """Lowest to highest."""
    return f"{min(values):.3g}-{max(values):.3g}"


def _command() -> str:
    return shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])


def _short(value: Any) -> Any:
    """Floats with four digits: more is noise."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    return [_short(item) for item in value] if isinstance(value, list) else value


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    return f"{cell:.3g}" if isinstance(cell, float) and abs(cell) < 100 else _rounded(cell)


def _rounded(cell: Cell) -> str:
    return f"{cell:.0f}" if isinstance(cell, float) else str(cell)


def _listed(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)
