"""Runs benchmarks: in this process when one is named, else each in a process of its own."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path

NAMES = (
    *("startup", "decode", "memory", "growth", "kills", "release", "parts", "duplicates"),
    *(
        "captions",
        "scoring",
        "compare",
        "metrics",
        "loop",
        "side_by_side",
        "light",
        "pipeline",
        "training",
        "trained",
    ),
)


def main() -> int:
    """Parse, run, print: a table for people, then one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(NAMES)}; all")
    parser.add_argument("--quick", action="store_true", help="seconds, not minutes: smoke only")
    parser.add_argument("--data", type=Path, default=Path("bench_data"), help="videos, models")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; of: {', '.join(NAMES)}")
    names = options.names or list(NAMES)
    if len(names) > 1:
        again = ["--data", str(options.data), *(["--quick"] if options.quick else [])]
        commands = [[sys.executable, "-m", "benchmarks", name, *again] for name in names]
        return max(subprocess.run(command).returncode for command in commands)
    options.data.mkdir(parents=True, exist_ok=True)
    import_module(f"benchmarks.{names[0]}").run(options.data, quick=options.quick).end()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
