"""`pseudolabel show`: rows of a run on the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from pseudolabel.runs.caption import caption_videos
from pseudolabel.runs.options import RunOptions
from pseudolabel.videos.options import ClipOptions, FrameOptions
from reading_captioner import ReadingCaptioner
from run_factory import video_rows, write_run
from video_factory import make_video

Invoke = Callable[..., Result]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over a long video, a short one, and one that is none."""
    folder = tmp_path_factory.mktemp("in")
    make_video(folder / "long.mp4", seconds=24)
    make_video(folder / "short.mp4", seconds=1)
    (folder / "bad.mp4").write_text("no video")
    caption_videos(
        [str(folder)],
        str(folder / "run"),
        clips=ClipOptions(length_s=0.4, min_clip_s=0.0),
        frames=FrameOptions(snap="exact"),
        captioner=ReadingCaptioner(),
        run=RunOptions(workers=2),
    )
    return folder / "run"


def rows(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_table_of_the_first_rows(invoke: Invoke, run: Path) -> None:
    result = invoke("show", run)
    assert result.exit_code == 0
    assert "long.mp4" in result.stdout
    assert "frame 5" in result.stdout
    assert "first 50 rows" in result.stderr
    assert len(invoke("show", run, "--limit", 3).stdout.splitlines()) == 4


def test_json_gives_every_row(invoke: Invoke, run: Path) -> None:
    assert len(rows(invoke("show", run, "--json"))) == 63
    assert len(rows(invoke("show", run, "--json", "--limit", 7))) == 7


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--video", "short"], 3),
        (["--video", "*.mp4"], 63),
        (["--video", "sh*"], 3),
        (["--video", "none"], 0),
        (["--text", "FRAME 15"], 3),  # 15 twice, and 155
        (["--text", "frame 15", "--video", "short"], 1),
    ],
)
def test_filters(invoke: Invoke, run: Path, options: list[str], count: int) -> None:
    assert len(rows(invoke("show", run, "--json", *options))) == count


def test_brackets_in_a_pattern_are_those_of_a_name(invoke: Invoke, tmp_path: Path) -> None:
    made = write_run(tmp_path / "run", [video_rows("A talk [xyz].mp4"), video_rows("A talk x.mp4")])
    for pattern in ("A talk [xyz]*", "*[xyz].mp4", "[xyz]"):
        found = rows(invoke("show", made, "--json", "--video", pattern))
        assert {row["video_id"] for row in found} == {"A talk [xyz].mp4"}


def test_what_was_skipped(invoke: Invoke, run: Path) -> None:
    (row,) = rows(invoke("show", run, "--skipped", "--json"))
    assert (row["video_id"], row["reason"]) == ("bad.mp4", "not_a_video")
    assert "not_a_video" in invoke("show", run, "--skipped").stdout


def test_health_is_of_all_rows(invoke: Invoke, run: Path) -> None:
    for option in (["--video", "short"], ["--text", "15"], ["--skipped"], ["--flag", "loop"]):
        result = invoke("show", run, "--health", *option)
        assert result.exit_code == 1
        assert f"error: --health with {option[0]}" in result.stderr
    assert invoke("show", run, "--health").exit_code == 0


def test_what_is_no_run_is_one_line(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("show", tmp_path)
    assert result.exit_code == 1
    assert "not a run folder" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 2
