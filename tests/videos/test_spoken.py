"""Which transcript is found for a video, and what it costs to look."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pseudolabel.records import Video
from pseudolabel.videos.spoken import transcript_file


def found(video_id: str, folder: Path) -> str | None:
    path = transcript_file(Video(video_id, f"/videos/{video_id}"), str(folder))
    return None if path is None else path.name


def test_the_best_name_and_the_best_format_are_taken(tmp_path: Path) -> None:
    for name in ("a.srt", "a.vtt", "a.en.vtt", "talk [b].de.VTT", "c.txt", "d.en.srt", "d.json"):
        (tmp_path / name).touch()
    (tmp_path / "c.vtt").mkdir()
    (tmp_path / "e.vtt").symlink_to("e.vtt")
    files = [found(f"{name}.mp4", tmp_path) for name in "abcde"]
    assert files == ["a.vtt", "talk [b].de.VTT", None, "d.json", None]
    assert found("a.mp4", tmp_path / "none") is None


def test_a_folder_is_looked_through_once_for_all_videos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[object] = []
    scandir, listdir = os.scandir, os.listdir

    def look(path: Any, do: Any = scandir) -> Any:
        looks.append(path)
        return do(path)

    monkeypatch.setattr(os, "scandir", look)
    monkeypatch.setattr(os, "listdir", lambda path: look(path, listdir))
    for number in range(20):
        (tmp_path / f"{number}.en.vtt").touch()
    files = [found(f"{number}.mp4", tmp_path) for number in range(20)]
    assert files == [f"{number}.en.vtt" for number in range(20)]
    assert len(looks) == 1


def test_a_transcript_that_comes_later_is_seen(tmp_path: Path) -> None:
    assert found("a.mp4", tmp_path) is None
    (tmp_path / "a.vtt").touch()
    os.utime(tmp_path, ns=(0, 1))
    assert found("a.mp4", tmp_path) == "a.vtt"
