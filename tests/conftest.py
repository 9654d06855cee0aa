"""Fixtures for all tests: nothing here, and nothing the tests do, asks a hub for anything."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import entry_points

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported, so before anything

import pytest
import typer
from typer.testing import CliRunner, Result

Invoke = Callable[..., Result]


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
