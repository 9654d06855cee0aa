"""Files under a folder and the videos of a release: by path, by stem, by name, or not at all."""

from __future__ import annotations

import pytest

from pseudolabel.records import Video
from pseudolabel.training.data.matching import match_videos


def matched(video_ids: list[str], files: list[str]) -> dict[str, str | None]:
    found = match_videos(video_ids, (Video(file, f"/videos/{file}") for file in files))
    return {
        video_id: source and source.removeprefix("/videos/")
        for video_id, source in zip(video_ids, found.sources, strict=True)
    }


@pytest.mark.parametrize(
    ("video_id", "files", "expected"),
    [
        ("a/b.mp4", ["a/b.mp4"], "a/b.mp4"),
        ("a/b.mp4", ["a/b.webm", "b.mp4"], "a/b.webm"),
        ("a/b.mp4", ["a/b.webm", "a/b.mp4"], "a/b.mp4"),
        ("a/b.mp4", ["x/y/b.mkv"], "x/y/b.mkv"),
        ("b", ["x/b.mkv"], "x/b.mkv"),
        ("dQw4w9WgXcQ", ["dQ/dQw4w9WgXcQ.mp4"], "dQ/dQw4w9WgXcQ.mp4"),
        ("a/b.mp4", ["a/b.webm", "a/b.mkv"], None),
        ("a/b.mp4", ["x/b.mp4", "y/b.mp4"], None),
        ("a/b.mp4", ["bb.mp4", "c.mp4"], None),
        ("a/b.mp4", [], None),
        ("talk.v2.mp4", ["talk.v2.webm", "talk.mp4"], "talk.v2.webm"),
    ],
)
def test_the_best_file_is_taken(video_id: str, files: list[str], expected: str | None) -> None:
    assert matched([video_id], files) == {video_id: expected}


def test_a_name_that_two_videos_have_says_nothing() -> None:
    ids = ["1/video.mp4", "2/video.mp4", "3/other.mp4"]
    assert matched(ids, ["x/video.mp4", "x/other.mp4"]) == {
        "1/video.mp4": None,
        "2/video.mp4": None,
        "3/other.mp4": "x/other.mp4",
    }


def test_those_of_which_it_is_not_clear_are_told() -> None:
    files = [Video(name, name) for name in ("a.mkv", "a.webm")]
    assert match_videos(["a.mp4", "b.mp4"], files).unclear == ("a.mp4",)
