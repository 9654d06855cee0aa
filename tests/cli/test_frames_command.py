"""`pseudolabel frames`: from the terminal, once and again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from footage_factory import footage_rows, make_footage, video_id
from release_factory import write_release

Invoke = Callable[..., Result]


@pytest.fixture
def release(tmp_path: Path) -> Path:
    make_footage(tmp_path / "videos", 2)
    return write_release(tmp_path / "release", footage_rows(2))


def test_frames_are_taken_and_counted(invoke: Invoke, release: Path, tmp_path: Path) -> None:
    given = ("frames", release, "--videos", tmp_path / "videos", "--out", tmp_path / "frames")
    result = invoke(*given, "--size", "32", "--frames", "2")
    assert result.exit_code == 0, result.stderr
    assert "frames of 4 clips in 1 tar," in result.stderr
    assert not result.stdout
    again = invoke(*given, "--size", "32", "--frames", "2", "--json")
    found = json.loads(again.stdout)
    assert (found["clips"], found["already_done"], found["tars"]) == (4, 4, 0)
    other = invoke(*given, "--size", "48", "--frames", "2")
    assert other.exit_code == 1
    assert "was begun with --size 32, not 48" in other.stderr


def test_clips_without_frames_are_told(invoke: Invoke, release: Path, tmp_path: Path) -> None:
    (tmp_path / "videos" / video_id(1)).write_bytes(b"not a video")
    given = ("frames", release, "--videos", tmp_path / "videos", "--out", tmp_path / "frames")
    result = invoke(*given, "--strict", "--clips-per-tar", "1", "--workers", "1")
    assert result.exit_code == 1
    assert "frames of 2 clips in 4 tars" in result.stderr
    assert "2 not_a_video" in result.stderr
    again = invoke(*given, "--strict", "--clips-per-tar", "1", "--workers", "1", "--json")
    assert again.exit_code == 1  # they have none still, whoever did the work
    assert json.loads(again.stdout)["skipped"] == {"not_a_video": 2}


def test_what_makes_no_sense_is_one_line(invoke: Invoke, release: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "frames")
    for wrong, said in (
        (("frames", tmp_path / "nothing", *out), "no such folder"),
        (("frames", release, *out, "--videos", tmp_path / "nothing"), "no such file or folder"),
        (("frames", release, *out), "there is none of the 2 videos"),
        (("frames", release, *out, "--fit", "squash"), "--fit squash"),
    ):
        result = invoke(*wrong)
        assert result.exit_code == 1, wrong
        assert said in result.stderr
        assert len(result.stderr.strip().splitlines()) == 2
