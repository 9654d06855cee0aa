"""`pseudolabel compare` on the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from typer.testing import Result

from pseudolabel.contract import load_schema
from run_factory import video_rows, write_run
from video_factory import make_video

Invoke = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_run(tmp_path / "run", [video_rows("a.mp4", ("a \x1b[31mred cat",)), video_rows("b.mp4")])
    (tmp_path / "transcripts").mkdir()
    (tmp_path / "transcripts" / "a.srt").write_text("1\n00:00:01,000 --> 00:00:04,000\nmy cat\n")
    return tmp_path


def test_a_table_on_stdout_and_the_rest_on_stderr(home: Path, invoke: Invoke) -> None:
    result = invoke("compare", home / "run", "--transcripts", home / "transcripts")
    assert result.exit_code == 0, result.stderr
    assert "3 clips of 2 videos; 1 have a transcript" in result.stdout
    assert "clips with any text" in result.stdout
    assert "caption's words that are said" in result.stdout
    assert "note: 1 of 2 videos have no transcript, such as 'b.mp4'" in result.stderr
    assert "note" not in result.stdout


def test_one_transcript_gives_no_interval_and_no_nan(home: Path, invoke: Invoke) -> None:
    transcript = home / "transcripts" / "a.srt"
    transcript.write_text("1\n00:00:01,000 --> 00:00:04,000\nmy red cat\n")
    result = invoke("compare", home / "run", "--transcripts", home / "transcripts")
    assert result.exit_code == 0, result.stderr
    assert "said most +0 s from the picture\n" in result.stdout
    assert "nan" not in result.stdout


def test_json_is_that_of_the_schema(home: Path, invoke: Invoke) -> None:
    result = invoke("compare", home / "run", "--transcripts", home / "transcripts", "--json")
    data = json.loads(result.stdout)
    jsonschema.validate(data, load_schema("compare.v1"))
    assert data["clips"] == 3


def test_the_report_is_where_it_says(home: Path, invoke: Invoke) -> None:
    out = home / "report"
    result = invoke("compare", home / "run", "--transcripts", home / "transcripts", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert f"{out}/report.html: open it in a browser" in result.stderr
    assert {path.name for path in out.iterdir()} == {
        "report.html",
        "compare.json",
        "clips.parquet",
    }
    again = invoke("compare", home / "run", "--transcripts", home / "transcripts", "--out", out)
    assert again.exit_code == 0, again.stderr


def test_a_bar_counts_frames_between_the_lines_of_steps(
    tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    make_video(tmp_path / "a.mp4", seconds=16, fps=10)
    rows = [video_rows("a.mp4", source=str(tmp_path / "a.mp4"))]
    run = write_run(tmp_path / "run", rows)
    (tmp_path / "a.srt").write_text("1\n00:00:01,000 --> 00:00:04,000\nmy cat\n")
    (tmp_path / "people.json").write_text(json.dumps({"a.mp4#0": ["a cat"], "a.mp4#1": ["a dog"]}))
    judges = ("--scorer", "demo", "--references", tmp_path / "people.json", "--no-java")
    result = invoke("compare", run, "--transcripts", tmp_path, *judges)
    assert result.exit_code == 0, result.stderr
    before, bar, after = result.stderr.partition("frames looked at")
    assert bar and "looking at 3 frames of each clip with demo\n" in before
    gone = "\x1b[1A\x1b[2K"
    assert gone in after.partition("scoring against references\n")[0], "the bar ends, then the line"
    assert "frames looked at" not in after.partition("scoring against references\n")[2]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "--transcripts", "nowhere"], "nowhere"),
        (["nowhere", "--transcripts", "transcripts"], "nowhere"),
        (["run", "--transcripts", "transcripts", "--scorer", "no/such-scorer"], "no/such-scorer"),
        (["run", "--transcripts", "transcripts", "--text-encoder", "./no"], "--text-encoder"),
        (["run", "--transcripts", "transcripts", "--references", "none.json"], "none.json"),
        (["run", "--transcripts", "transcripts", "--ratings", "none.json"], "none.json"),
        (["run", "--transcripts", "transcripts", "--map", "none.csv"], "none.csv"),
        (["run", "--transcripts", "transcripts", "--rate", "--out", "r"], "--rate"),
        (["run", "--transcripts", "transcripts", "--out", "run/run.json"], "--out"),
        (["run", "--transcripts", "transcripts", "--rate"], "--rate without --out"),
    ],
)
def test_what_does_not_work_is_one_line_and_a_hint(
    home: Path,
    invoke: Invoke,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(home)
    result = invoke("compare", *arguments)
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and told in errors[0], result.stderr
    assert "hint: " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "more", [("--out", "run/run.json"), ("--out", "run/run.json/r"), ("--rate",)]
)
def test_a_report_that_cannot_be_is_told_before_the_work(
    home: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    monkeypatch.chdir(home)
    result = invoke("compare", "run", "--transcripts", "transcripts", *more)
    assert result.exit_code == 1
    assert "reading clips" not in result.stderr and not result.stdout
