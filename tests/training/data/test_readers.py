"""Processes that read do not outlive, or hold up, the program that they read for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
PROGRAM = """
import multiprocessing, sys
from footage_factory import data_options, order_of
from pseudolabel.training.data.loading import make_loader
from pseudolabel.training.data.opening import open_examples
from pseudolabel.training.data.order import BatchSampler

examples, _ = open_examples(data_options(sys.argv[1], sys.argv[2]))
batches = iter(make_loader(examples, BatchSampler(order_of(examples), count=9), workers=2))
next(batches)
print(*(child.pid for child in multiprocessing.active_children()))
raise SystemExit(7) if sys.argv[3] == "exit" else KeyError("a bug")
"""


@pytest.mark.parametrize("how", ["exit", "bug"])
def test_a_program_ends_while_they_are_at_work(how: str, release: str, root: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, release, str(root), how],
        env={**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == (7 if how == "exit" else 1)
    assert ended.stderr.strip().endswith("KeyError: 'a bug'" if how == "bug" else "")
    assert "atexit" not in ended.stderr
    readers = ended.stdout.split()
    assert len(readers) == 2
    assert not any(Path(f"/proc/{reader}").exists() for reader in readers)
