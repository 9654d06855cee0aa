"""Killed at any moment and started again: the same rows as a run that was never killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pseudolabel.runs.show import find_rows
from video_factory import make_video

TESTS = Path(__file__).parent.parent
VIDEOS = 12
MOMENTS = 20
RUNS = 5


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve videos of five clips, and two that are none."""
    folder = tmp_path_factory.mktemp("many")
    make_video(folder / "00.mp4", seconds=2)
    for number in range(1, VIDEOS):
        shutil.copy(folder / "00.mp4", folder / f"{number:02}.mp4")
    (folder / "bad.mp4").write_text("no video")
    (folder / "empty.mp4").touch()
    return folder


def start(videos: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, Path(__file__).parent / "killed_run.py", videos, out],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(videos: Path, out: Path) -> float:
    started_s = time.monotonic()
    process = start(videos, out)
    process.communicate()
    assert process.returncode == 0
    return time.monotonic() - started_s


def rows(out: Path, kind: Any) -> list[dict[str, Any]]:
    found = find_rows(str(out), kind=kind)
    return sorted(found, key=lambda row: (row["video_id"], row["clip_index"] or 0))


def test_kill_9_at_twenty_moments(many: Path, tmp_path: Path) -> None:
    length_s = finish(many, tmp_path / "undisturbed")
    clips = rows(tmp_path / "undisturbed", "clips")
    assert len(clips) == 5 * VIDEOS
    killed = 0
    for chain in range(RUNS):  # each run is killed, and started again, at a few moments
        out = tmp_path / str(chain)
        for moment in range(chain, MOMENTS, RUNS):
            process = start(many, out)
            try:
                process.wait(timeout=length_s * (moment + 1) / (MOMENTS + 1))
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
            process.communicate()
        finish(many, out)
        assert rows(out, "clips") == clips, f"chain {chain}"
        assert rows(out, "skipped") == rows(tmp_path / "undisturbed", "skipped")
        assert not list(out.glob("*.tmp"))
    assert killed >= MOMENTS // 4, "many moments must lie inside a run"


def test_killed_after_every_commit(many: Path, tmp_path: Path) -> None:
    finish(many, tmp_path / "undisturbed")
    out = tmp_path / "run"
    for _ in range(2 * VIDEOS):  # each start gets at least one video further
        process = start(many, out)
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 5:
                process.kill()
                break
        process.communicate()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
    else:
        pytest.fail("it does not come to its end")
    for kind in ("clips", "skipped"):
        assert rows(out, kind) == rows(tmp_path / "undisturbed", kind)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_keeps_what_is_finished(
    many: Path, tmp_path: Path, number: int
) -> None:
    program = Path(sys.executable).parent / "pseudolabel"
    options = "--model demo --clips fixed:0.04 --min-clip 0 --commit-every 0 --batch-size 1"
    process = subprocess.Popen(
        [program, "caption", many, "--out", tmp_path / "run", *options.split()],
        stderr=subprocess.PIPE,
        text=True,
    )
    kept = 0
    while process.poll() is None and not kept:
        time.sleep(0.02)  # until there is something to keep
        if (tmp_path / "run" / "run.json").exists():
            kept = len(rows(tmp_path / "run", "clips"))
    process.send_signal(number)
    _, stderr = process.communicate()
    assert process.returncode == 128 + number
    assert stderr.strip().splitlines()[-1].startswith("interrupted; what is finished is kept")
    after = len(rows(tmp_path / "run", "clips"))
    assert after >= kept > 0
    assert after % 50 == 0, "whole videos only"
    assert not list((tmp_path / "run").glob("*.tmp"))
