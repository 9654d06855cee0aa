"""`pseudolabel train`: what it says, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import Result

from footage_factory import footage_rows, make_footage
from pseudolabel.training.checkpoints import checkpoints
from release_factory import write_release
from tiny_models import build
from tiny_video_captioner import write_checkpoint, write_parts

Invoke = Callable[..., Result]
VIDEOS = 4
PROGRAM = """
import resource, sys
from importlib.metadata import entry_points
if sys.argv[1] != "-":  # no file may become larger
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
del sys.argv[1]
(script,) = entry_points(group="console_scripts", name="pseudolabel")
script.load()()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos, a release of them, and two models; not to be changed."""
    home = tmp_path_factory.mktemp("home")
    make_footage(home / "videos", VIDEOS)
    write_release(home / "release", footage_rows(VIDEOS))
    write_parts(home / "encoder", home / "writer")
    return home


def command(home: Path, out: Path, *more: object, **changes: object) -> list[str]:
    """A training of three steps; keywords replace options, and None leaves one out."""
    options = {
        "data": home / "release",
        "videos": home / "videos",
        "encoder": home / "encoder",
        "language-model": home / "writer",
        "out": out,
        "steps": 3,
        "batch-size": 2,
        "frames": 2,
        "frame-size": 32,
        "workers": 0,
        "evaluate-every": 0,
        "device": "cpu",
        "dtype": "float32",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    given = [(f"--{name}", str(value)) for name, value in options.items() if value is not None]
    return ["train", *(word for pair in given for word in pair), *map(str, more)]


def started(arguments: list[str], *, most_bytes: int | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "-" if most_bytes is None else str(most_bytes), *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_it_trains_and_sums_up(home: Path, tmp_path: Path, invoke: Invoke) -> None:
    out = tmp_path / "captioner"
    more = {"evaluate_every": 2, "validation": 0.5, "evaluate_clips": 2}
    result = invoke(*command(home, out, "--json", **more))
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["step"], told["first_step"], told["is_ended"]) == (3, 0, True)
    assert told["scores"].keys() == {"CIDEr", "BLEU-4", "loss"}
    assert told["data"]["clips_used"] + 2 <= 2 * VIDEOS
    again = invoke(*command(home, out, **more))
    assert f"{out}: 3 of 3 steps, from 3 on" in again.stderr
    assert again.stdout == ""


def is_any_left(group: int) -> bool:
    """Whether there is a process of this group."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_the_step_and_says_how_to_go_on(
    home: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """It goes to all processes, as a scheduler's does."""
    out = tmp_path / "captioner"
    long = command(home, out, steps=100_000, save_every=1000, workers=1)
    with started(long) as process:
        while process.poll() is None and not (out / "log.jsonl").exists():
            pass  # its first line comes after the first step
        os.killpg(process.pid, number)
        _, said = process.communicate()
    assert process.returncode == 0, said
    assert said.splitlines()[-1] == "stopped when asked; the same command goes on from here"
    (saved,) = checkpoints(out)
    assert load_file(saved / "model.safetensors")
    assert not (out / "config.json").exists()  # it is no captioner yet
    until_s = time.monotonic() + 30
    while is_any_left(process.pid) and time.monotonic() < until_s:
        pass
    assert not is_any_left(process.pid)


def test_a_reader_that_the_system_kills_is_one_line(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "captioner"
    with started(command(home, out, steps=100_000, save_every=100_000, workers=1)) as process:
        while process.poll() is None and not (out / "log.jsonl").exists():
            pass
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        os.kill(int(children), signal.SIGKILL)
        _, said = process.communicate()
    assert process.returncode == 1
    error, hint = said.splitlines()[-2:]
    assert error.startswith("error: a process that reads was killed")
    assert "--workers" in hint


def test_no_room_is_one_line_and_spares_the_checkpoint_before(
    home: Path, tmp_path: Path, invoke: Invoke
) -> None:
    out = tmp_path / "captioner"
    each = {"save_every": 1}
    assert invoke(*command(home, out, **each)).exit_code == 0
    for path in checkpoints(out)[1:]:
        shutil.rmtree(path)
    before = {path.name: path.read_bytes() for path in checkpoints(out)[0].iterdir()}
    model, optimizer = len(before["model.safetensors"]), len(before["optimizer.pt"])
    for most_bytes in {min(model, optimizer) // 2, max(model, optimizer) - 1000}:
        with started(command(home, out, **each), most_bytes=most_bytes) as process:
            _, said = process.communicate()
        assert process.returncode == 1
        assert f"error: {out}: cannot be written" in said
        assert "Traceback" not in said
        assert {p.name: p.read_bytes() for p in checkpoints(out)[0].iterdir()} == before
    assert invoke(*command(home, out, **each)).exit_code == 0


def test_no_room_for_a_line_of_the_log_is_one_line_too(
    home: Path, tmp_path: Path, invoke: Invoke
) -> None:
    out = tmp_path / "captioner"
    assert invoke(*command(home, out)).exit_code == 0
    shutil.rmtree(checkpoints(out)[0])
    (out / "log.jsonl").unlink()
    (out / "log.jsonl").symlink_to("/dev/full")
    result = invoke(*command(home, out))
    assert result.exit_code == 1
    assert f"error: {out}: cannot be written: No space left on device" in result.stderr


@pytest.fixture
def wrong(home: Path, tmp_path: Path) -> Path:
    """A folder of what is not right."""
    folder = tmp_path / "wrong"
    for name in ("encoder", "writer"):
        shutil.copytree(home / name, folder / f"pickled-{name}")
        (weights,) = (folder / f"pickled-{name}").glob("*.safetensors")
        torch.save(load_file(weights), weights.with_name("pytorch_model.bin"))
        weights.unlink()
    build("blip", folder / "blip")
    (folder / "nothing").mkdir()
    names = shutil.ignore_patterns("token*", "vocab*", "merges*", "special*")
    shutil.copytree(home / "writer", folder / "speechless", ignore=names)
    write_checkpoint(folder / "whole")
    shutil.copytree(folder / "whole", folder / "inside", ignore=names)
    return folder


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"encoder": "pickled-encoder"}, "--encoder {}/pickled-encoder: no safetensors weights"),
        (
            {"language_model": "pickled-writer"},
            "--language-model {}/pickled-writer: no safetensors weights",
        ),
        ({"encoder": "blip"}, "--encoder {}/blip: a checkpoint of 'blip', not of 'timesformer'"),
        ({"language_model": "speechless"}, "--language-model {}/speechless: no tokenizer"),
        (
            {"init": "inside", "encoder": None, "language_model": None},
            "--init {}/inside: no tokenizer",
        ),
        ({"language_model": "blip"}, "a checkpoint of 'blip', not of 'opt'"),
        (
            {"init": "blip", "encoder": None, "language_model": None},
            "a checkpoint of 'blip', not of 'pseudolabel-video-captioner'",
        ),
        ({"videos": "nothing"}, "no video found in {}/nothing"),
        ({"images": "nothing"}, "--images {}/nothing: "),
    ],
    ids=str,
)
def test_what_is_not_right_is_one_line_and_leaves_nothing(
    home: Path,
    wrong: Path,
    tmp_path: Path,
    invoke: Invoke,
    changes: dict[str, str | None],
    told: str,
) -> None:
    given = {name: value and wrong / value for name, value in changes.items()}
    result = invoke(*command(home, tmp_path / "captioner", **given))
    assert result.exit_code == 1
    first, second, *rest = result.stderr.splitlines()[-2:]
    assert told.format(wrong) in first
    assert (first[:7], second[:5], rest) == ("error: ", "hint:", [])
    assert not (tmp_path / "captioner").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"adapter_every": 0}, "--adapter-every 0: the language model has 3 layers"),
        ({"max_tokens": 64}, "--max-tokens 64: the language model takes 63 at most"),
        (
            {"patience": 2, "evaluate_every": 1, "validation": 0},
            "--patience 2: nothing is held out, so nothing is evaluated",
        ),
    ],
    ids=str,
)
def test_what_does_not_fit_the_model_is_one_line_and_leaves_nothing(
    home: Path, tmp_path: Path, invoke: Invoke, changes: dict[str, object], told: str
) -> None:
    result = invoke(*command(home, tmp_path / "captioner", **changes))
    assert result.exit_code == 1
    assert f"error: {told}" in result.stderr
    assert not (tmp_path / "captioner").exists()


def test_a_version_that_does_not_exist_is_named(home: Path, tmp_path: Path, invoke: Invoke) -> None:
    result = invoke(*command(home, tmp_path / "captioner", data=f"{home / 'release'}@3.0.0"))
    assert result.exit_code == 1
    assert "holds version 1.0.0, not 3.0.0" in result.stderr
