"""Fixtures for all tests: nothing here, and nothing the tests do, asks a hub for anything."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported, so before anything

import pytest
import typer
from typer.testing import CliRunner, Result

from loopback_hub import LoopbackHub, skip_waits, use_hub

Invoke = Callable[..., Result]

# A shell that starts tests in the background has them ignore SIGINT, and so all their processes.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def app() -> typer.Typer:
    """The Typer app, loaded the way the installed `pseudolabel` command loads it."""
    (script,) = entry_points(group="console_scripts", name="pseudolabel")
    loaded = script.load()
    assert isinstance(loaded, typer.Typer)
    return loaded


@pytest.fixture
def invoke(app: typer.Typer) -> Invoke:
    """Runs a `pseudolabel` command in this process; stdout and stderr are apart."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return run


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LoopbackHub]:
    """A Hub without repositories, which the Hub's clients in this process talk to."""
    with LoopbackHub() as made:
        use_hub(monkeypatch, made, tmp_path / "home")
        yield made
        assert made.faults == [], "a fault that was planned did not happen"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that `huggingface_hub` wanted to wait, and did not."""
    return skip_waits(monkeypatch)
