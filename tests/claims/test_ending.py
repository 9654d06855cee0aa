"""A comparison that is asked to end, or killed, saves what its trainings have learned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pseudolabel.claims.synthetic import QUICK, make_synthetic
from pseudolabel.training.checkpoints import checkpoints

ARMS = ("pseudolabels", "images")
PROGRAM = """
from importlib.metadata import entry_points
(script,) = entry_points(group="console_scripts", name="pseudolabel")
script.load()()
"""
CONFIG = """
seeds = [0]
[models]
encoder = "{world}/models/0/encoder"
language_model = "{world}/models/0/writer"
[view]
frames = 4
frame_size = 64
workers = 0
[pretrain]
steps = 100000
save_every = 100000
batch_size = 2
dtype = "float32"
device = "cpu"
[labelled]
references = "{world}/labelled-world/labels.jsonl"
videos = "{world}/labelled-world/videos"
clips = "fixed:2"
[test]
references = "{world}/test-world/labels.jsonl"
videos = "{world}/test-world/videos"
clips = "fixed:2"
[arms.pseudolabels]
data = "{world}/release"
videos = "{world}/frames"
[arms.images]
images = "{world}/images"
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos, texts and models to compare arms of; not to be changed."""
    out = tmp_path_factory.mktemp("world")
    sizes = replace(QUICK, videos=1, labelled_videos=1, test_videos=1, images=4)
    make_synthetic(out, sizes, lambda _: None)
    return out


@pytest.fixture(params=["both at a time", "one at a time"])
def jobs(request: pytest.FixtureRequest) -> int:
    return 2 if request.param == "both at a time" else 1


def begun(world: Path, out: Path, jobs: int) -> subprocess.Popen[str]:
    """A comparison of two arms, in the middle of as many pre-trainings as there are jobs."""
    config = out.with_suffix(".toml")
    config.write_text(CONFIG.format(world=world))
    arguments = ["claims", "--config", str(config), "--out", str(out), "--jobs", str(jobs)]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments, "--no-java"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    logs = [out / "cells" / f"{arm}-0" / "pretrained" / "log.jsonl" for arm in ARMS[:jobs]]
    while process.poll() is None and not all(log.exists() for log in logs):
        time.sleep(0.05)  # a first line comes after the first step
    return process


def saved(out: Path, jobs: int) -> list[Path]:
    """The checkpoints of the pre-trainings that were at work."""
    folders = [out / "cells" / f"{arm}-0" / "pretrained" for arm in ARMS[:jobs]]
    return [path for folder in folders for path in checkpoints(folder)]


def wait_for_group(group: int) -> None:
    """Return when no process of it is left."""
    while True:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)


@pytest.mark.parametrize("is_to_all", [False, True], ids=["to the first", "to all processes"])
def test_asked_to_end_it_saves_and_says_what_is_left(
    world: Path, tmp_path: Path, jobs: int, is_to_all: bool
) -> None:
    out = tmp_path / "claims"
    with begun(world, out, jobs) as process:
        (os.killpg if is_to_all else os.kill)(process.pid, signal.SIGTERM)
        _, said = process.communicate()
    assert process.returncode == 0, said
    assert said.splitlines()[-1] == "2 trainings are left; the same command goes on from here"
    assert len(saved(out, jobs)) == jobs
    wait_for_group(process.pid)


def test_when_the_first_process_is_killed_the_others_save_and_end(
    world: Path, tmp_path: Path
) -> None:
    out = tmp_path / "claims"
    with begun(world, out, jobs=2) as process:
        process.kill()
        process.wait()
        wait_for_group(process.pid)
    assert len(saved(out, 2)) == 2
