"""`pseudolabel export`, `validate`, `diff` and `push` on the terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from loopback_hub import UPLOAD_WARNING, LoopbackHub
from run_factory import video_rows, write_run

Invoke = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_run(tmp_path / "run", [video_rows("a.mp4", ("a \x1b[31mred cat", "a dog"))])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def export(invoke: Invoke, out: str = "one", *more: str) -> Result:
    return invoke("export", "run", "--out", out, "--version", "1.0.0", "--license", "mit", *more)


def test_an_export_says_what_it_made(home: Path, invoke: Invoke) -> None:
    result = export(invoke, "one", "--where", "words > 2")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert "one: version 1.0.0, 1 clips" in result.stderr
    assert "words > 2: left out 1" in result.stderr
    summary = json.loads(export(invoke, "two", "--json").stdout)
    assert (summary["version"], summary["clips"]) == ("1.0.0", 2)


def test_a_folder_that_is_not_utf_8_is_told_in_json(home: Path, invoke: Invoke) -> None:
    name = os.fsdecode(b"caf\xe9")
    result = export(invoke, name, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout_bytes)["release"] == name
    (home / name / os.fsdecode(b"\xff")).write_text("")
    (problem,) = map(json.loads, invoke("validate", name, "--json").stdout_bytes.splitlines())
    assert problem["file"] == os.fsdecode(b"\xff")


def test_options_come_from_a_file_too(home: Path, invoke: Invoke) -> None:
    (home / "release.toml").write_text(
        'version = "2.0.0"\nlicense = "mit"\nwhere = ["words > 2"]\n'
    )
    result = invoke("export", "run", "--out", "one", "--config", "release.toml", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["removed"] == {"words > 2": 1}


def test_validate_ends_with_1_where_something_is_wrong(home: Path, invoke: Invoke) -> None:
    export(invoke)
    assert invoke("validate", "one").exit_code == 0
    (home / "one" / "left\x1b[31mover").write_text("")
    result = invoke("validate", "one")
    assert result.exit_code == 1
    assert result.stdout == "left\\x1b[31mover: is not listed in manifest.json\n"
    (problem,) = map(json.loads, invoke("validate", "one", "--json").stdout.splitlines())
    assert problem["row"] is None


def test_diff_is_on_stdout(home: Path, invoke: Invoke) -> None:
    export(invoke)
    write_run(home / "run2", [video_rows("a.mp4", ("a \x1b[32mgreen cat", "a dog"))])
    invoke("export", "run2", "--out", "two", "--version", "1.1.0", "--license", "mit")
    result = invoke("diff", "one", "two")
    assert result.exit_code == 0, result.stderr
    assert "recaptioned 1" in result.stdout and "\x1b" not in result.stdout
    assert json.loads(invoke("diff", "one", "two", "--json").stdout)["bump"]


@pytest.mark.filterwarnings(UPLOAD_WARNING)
def test_push_shows_what_it_will_do_and_does_it(
    home: Path, invoke: Invoke, hub: LoopbackHub
) -> None:
    export(invoke)
    dry = invoke("push", "one", "tester/x", "--dry-run")
    assert dry.exit_code == 0, dry.stderr
    assert "manifest.json" in dry.stderr and "nothing was sent" in dry.stderr
    assert not hub.has("tester/x")
    done = json.loads(invoke("push", "one", "tester/x", "--json").stdout)
    assert done["commit"] == hub.repo("tester/x").commit_of("v1.0.0").oid
    assert hub.token not in dry.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["export", "nowhere", "--out", "x", "--version", "1.0.0", "--license", "mit"], "nowhere"),
        (["export", "run", "--out", "x", "--version", "1", "--license", "mit"], "--version"),
        (["export", "run", "--out", "s3://x", "--version", "1.0.0", "--license", "mit"], "s3://x"),
        (["validate", "run"], "manifest.json"),
        (["validate", "nowhere"], "nowhere"),
        (["validate", "x" * 300], "no such folder"),
        (["diff", "run", "run"], "manifest.json"),
        (["push", "run", "user/repo"], "manifest.json"),
        (["push", "run", "repo"], "repo"),
    ],
)
def test_what_does_not_work_is_one_line_and_a_hint(
    home: Path, invoke: Invoke, arguments: list[str], told: str
) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and told in errors[0], result.stderr
    assert "hint: " in result.stderr
    assert not (home / "x").exists()


def test_a_release_that_is_nowhere_is_told_for_both_places(
    invoke: Invoke, hub: LoopbackHub
) -> None:
    result = invoke("validate", "releases/1.0.0")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: releases/1.0.0: no such folder; on the Hub: ")
