"""`pseudolabel compact`: fewer parts, told in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

from pseudolabel.runs.storage.folder import RunFolder
from run_factory import video_rows, write_run

Invoke = Callable[..., Result]


def test_parts_are_joined_and_counted(invoke: Invoke, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", *([video_rows(f"{at}.mp4")] for at in range(4)))
    shown = invoke("show", run, "--json").stdout
    result = invoke("compact", run)
    assert result.exit_code == 0, result.stderr
    assert "4 parts are 1 now" in result.stderr
    assert not result.stdout
    assert len(RunFolder(run).parts()) == 1
    assert sorted(invoke("show", run, "--json").stdout.splitlines()) == sorted(shown.splitlines())


def test_a_summary_for_programs(invoke: Invoke, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [video_rows("a")], [video_rows("b")])
    found = json.loads(invoke("compact", run, "--json").stdout)
    assert found["run"] == run
    assert (found["parts_before"], found["parts_after"], found["joined"]) == (2, 1, 2)
    assert found["clips"] == 4
    assert json.loads(invoke("compact", run, "--json").stdout)["joined"] == 0


def test_what_is_no_run_is_one_line(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("compact", tmp_path)
    assert result.exit_code == 1
    assert "not a run folder" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 2
