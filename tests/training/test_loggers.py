"""Who else is told: nobody is asked for a key, and nobody's failing stops a training."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pseudolabel.training.data.options import DataOptions
from pseudolabel.training.loggers import WANDB, loggers
from pseudolabel.training.train import train
from pseudolabel.training.train_options import ModelOptions
from training_factory import QUICK

# What is used of wandb. It asks for a key, or fails to reach its server, where it is begun.
PACKAGE = """
import json, os
run = None
told = []
def init(**how):
    global run
    told.append(["init", how["project"]])
    if os.environ.get("UNREACHABLE"):
        raise RuntimeError("timed out\\nmore")
    run = how
def finish(exit_code=0):
    global run
    told.append(["finish", exit_code])
    run = None
"""


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's user."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_IDENTITY_TOKEN_FILE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delitem(sys.modules, WANDB, raising=False)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "packages" / "wandb").mkdir(parents=True)
    (tmp_path / "packages" / "wandb" / "__init__.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(tmp_path / "packages")


def begun(out: Path) -> tuple[bool, list[str]]:
    """Whether wandb is among those that are told; and what the user is."""
    said: list[str] = []
    with loggers(out, said.append) as names:
        found = WANDB in names
    return found, said


def told() -> list[list[object]]:
    return list(sys.modules[WANDB].told)


def test_a_package_that_is_not_there_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "wandb").mkdir(parents=True)  # where its runs lie, in the user's folder
    monkeypatch.syspath_prepend(tmp_path / "here")
    assert begun(tmp_path) == (False, [])
    assert WANDB not in sys.modules


@pytest.mark.usefixtures("installed")
def test_without_a_key_it_is_not_begun(tmp_path: Path) -> None:
    found, (said,) = begun(tmp_path)
    assert not found
    assert said == "wandb is not told: it has no key; `wandb login`, or WANDB_MODE=offline"
    assert told() == []


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("where", ["WANDB_MODE", "WANDB_API_KEY", "netrc"])
def test_with_a_key_or_offline_it_is(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "netrc":
        (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password abc\n")
    else:
        monkeypatch.setenv(where, "offline")
    assert begun(tmp_path) == (True, [])
    assert told() == [["init", "pseudolabel"], ["finish", 0]]
    with pytest.raises(ZeroDivisionError), loggers(tmp_path, print):
        _ = 1 / 0
    assert told()[-1] == ["finish", 1]


@pytest.mark.usefixtures("installed")
def test_a_run_of_the_caller_is_told_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    monkeypatch.setattr(importlib.import_module(WANDB), "run", "theirs")
    assert begun(tmp_path) == (True, [])
    assert told() == []


@pytest.mark.usefixtures("installed")
def test_a_server_out_of_reach_stops_no_training(
    data: DataOptions, model: ModelOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "k")
    monkeypatch.setenv("UNREACHABLE", "1")
    said: list[str] = []
    out = tmp_path / "captioner"
    trained = train(data, str(out), model=model, options=QUICK, on_notice=said.append)
    assert trained.is_ended
    assert said == ["wandb is not told: timed out"]
    assert json.loads((out / "log.jsonl").read_text().splitlines()[-1])["step"] == 6
