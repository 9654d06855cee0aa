"""Names of transcripts, and the videos they fit."""

from __future__ import annotations

import pytest

from pseudolabel.speech.names import (
    BY_ID,
    BY_ID_STEM,
    BY_LAST_PART,
    BY_LAST_STEM,
    VideoNames,
    names_of,
    stem_of,
)
from pseudolabel.speech.transcript_files import transcript_name


@pytest.mark.parametrize(
    ("stem", "names"),
    [
        ("talk", {"talk": 0}),
        ("talk.en", {"talk.en": 0, "talk": 1}),
        ("talk.pt-BR", {"talk.pt-BR": 0, "talk": 1}),
        ("talk.en-orig", {"talk.en-orig": 0, "talk": 1}),
        ("talk.final", {"talk.final": 0}),
        ("talk.mp4", {"talk.mp4": 0}),
        (".en", {".en": 0}),
        ("A talk [dQw4w9WgXcQ]", {"A talk [dQw4w9WgXcQ]": 0, "dQw4w9WgXcQ": 2}),
        ("T [x_-1].en", {"T [x_-1].en": 0, "T [x_-1]": 1, "x_-1": 2}),
        ("[a] b", {"[a] b": 0}),
    ],
)
def test_names_of_a_transcript(stem: str, names: dict[str, int]) -> None:
    assert names_of(stem) == names


@pytest.mark.parametrize(
    ("video_id", "stem"),
    [
        ("a/b.mp4", "a/b"),
        ("a.b/c", "a.b/c"),
        (".mp4", ".mp4"),
        ("a/.mp4", "a/.mp4"),
        ("Dr. Who talks", "Dr. Who talks"),
        ("a", "a"),
        ("a.tar.gz", "a.tar"),
    ],
)
def test_a_suffix_is_short_and_follows_a_name(video_id: str, stem: str) -> None:
    assert stem_of(video_id) == stem


def test_how_a_path_fits() -> None:
    names = VideoNames(["a/talk.mp4", "b/walk.mp4", "flat.mp4"])
    assert names.fit("a/talk.mp4") == {0: (BY_ID, 0)}
    assert names.fit("a/talk") == {0: (BY_ID_STEM, 0)}
    assert names.fit("a/talk.en") == {0: (BY_ID_STEM, 1)}
    assert names.fit("walk.mp4.en") == {1: (BY_LAST_PART, 1)}
    assert names.fit("elsewhere/walk") == {1: (BY_LAST_STEM, 0)}
    assert names.fit("flat") == {2: (BY_ID_STEM, 0)}
    assert names.fit("sub/folder/flat") == {2: (BY_LAST_STEM, 0)}
    assert names.fit("sub/A flat [flat].en") == {2: (BY_LAST_STEM, 2)}
    assert names.fit("stalk") == {}


def test_a_path_that_fits_one_video_is_not_tried_on_others() -> None:
    names = VideoNames(["a/talk.mp4", "b/talk.mp4", "talk.mp4"])
    assert names.fit("b/talk") == {1: (BY_ID_STEM, 0)}
    assert names.fit("talk") == {2: (BY_ID_STEM, 0)}


def test_one_transcript_for_two_files_of_a_video() -> None:
    names = VideoNames(["talk.mp4", "talk.webm"])
    assert names.fit("talk") == {0: (BY_ID_STEM, 0), 1: (BY_ID_STEM, 0)}
    assert names.called("talk") == [0, 1]
    assert names.called("talk.webm") == [1]
    assert names.called("walk") == []


def test_an_id_that_is_no_file_name_has_the_name_that_transcribe_gives() -> None:
    video_id = "s3://bucket/../a.mp4"
    assert VideoNames([video_id]).fit(transcript_name(video_id)) == {0: (BY_ID, 0)}


def test_a_name_that_all_videos_have_costs_the_same_as_any() -> None:
    names = VideoNames([f"{number}/video.mp4" for number in range(20_000)])
    assert names.fit("19999/video") == {19_999: (BY_ID_STEM, 0)}
    assert 1 < len(names.fit("elsewhere/video")) < 100  # enough to know that there is no telling
