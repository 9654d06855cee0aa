"""`pseudolabel review` on the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

import review_factory
from video_factory import make_video

Invoke = Callable[..., Result]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run over a video of twelve clips that all say the same, and one that is gone."""
    folder = tmp_path_factory.mktemp("in")
    videos = [make_video(folder / "a.mp4", seconds=12), make_video(folder / "gone.mp4", seconds=1)]
    captions = {("a.mp4", index): "a cat" for index in range(12)}
    run = review_factory.write_run(folder / "run", videos, clip_s=1.0, captions=captions)
    videos[1].unlink()
    return run


def test_a_page_and_its_figures(invoke: Invoke, run: str, tmp_path: Path) -> None:
    out = tmp_path / "review.html"
    result = invoke("review", run, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert out.read_text("utf-8").startswith("<!doctype html>")
    assert "13 clips of 2 videos" in result.stdout
    assert "repeated" in result.stdout
    assert "black" not in result.stdout  # no clip has it
    assert "1 of 2 videos cannot be read" in result.stderr
    assert f"{out}: open it in a browser" in result.stderr


def test_json(invoke: Invoke, run: str, tmp_path: Path) -> None:
    out = tmp_path / "review.html"
    options = ("--clips", 5, "--where", "flagged(repeated)", "--where", "words == 2")
    result = invoke("review", run, "--out", out, *options, "--pictures", "captioned", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["clips"], found["shown"], found["with_picture"]) == (13, 5, 5)
    assert found["flags"]["repeated"] == 12
    assert found["most_repeated"] == [["a cat", 12]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--where", "flagged("), "cannot be read"),
        (("--where", "words > 99"), "none of its 13 clips meets --where"),
        (("--pictures", "some"), "one of: all, captioned, none"),
        (("--videos", "nowhere"), "nowhere"),
        (("--out", "no/such/folder.html"), "cannot be written"),
    ],
)
def test_mistakes_are_explained(
    invoke: Invoke, run: str, tmp_path: Path, options: tuple[str, str], message: str
) -> None:
    result = invoke("review", run, "--out", tmp_path / "review.html", *options)
    assert result.exit_code == 1
    assert message in result.stderr
