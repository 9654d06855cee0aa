"""Transcripts as files: what is written is read back, under a name that stays in its folder."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from pseudolabel.records import TranscriptSegment, Video
from pseudolabel.speech.sentences import HeardSegment, HeardWord, as_sentences
from pseudolabel.speech.transcript_files import (
    read_header,
    transcript_json,
    transcript_name,
    webvtt,
)
from pseudolabel.speech.transcripts import read_transcript
from pseudolabel.videos.spoken import transcript_file

AWKWARD = (
    *("AT&T", "<b>bold</b>", "&amp;", "-->", "00:01.000", "NOTE", "WEBVTT", "STYLE", "{\\an8}"),
    *("<00:00:01.000>", "a<b", "b>a", "१", "café", "7", "naïve\u2028line", "🎵", "<v Bob>"),
)
HEADER = {"video_id": "a.mp4", "listed": "1-2", "language": "en"}


def heard(*texts: str) -> list[HeardSegment]:
    """A segment a text, each of a second, none of them ended by a sentence."""
    found = []
    for n, text in enumerate(texts):
        found += as_sentences([HeardWord(n, n + 1, text, 0.5)])
    return found


def spans_and_texts(segments: tuple[TranscriptSegment, ...]) -> list[tuple[object, str]]:
    return [(segment.span, segment.text) for segment in segments]


def read_back(path: Path, text: str) -> list[tuple[object, str]]:
    path.write_text(text, encoding="utf-8")
    transcript = read_transcript(path)
    assert transcript.dropped == 0
    return spans_and_texts(transcript.segments)


def test_webvtt_is_read_back(tmp_path: Path) -> None:
    """Whatever is said: markup, arrows, entities, words that mean something to WebVTT."""
    rng = random.Random(4)
    for _ in range(200):
        texts = [" ".join(rng.choices(AWKWARD, k=rng.randint(1, 5))) for _ in range(5)]
        segments = tuple(found.segment for found in heard(*texts))
        text = webvtt(segments)
        assert text.count("-->") == len(segments), "only the timing lines have an arrow"
        assert read_back(tmp_path / "a.vtt", text) == spans_and_texts(segments)


def test_json_is_read_back(tmp_path: Path) -> None:
    found = heard("a < b > c & d", "00:01.000 --> 00:02.000", 'with "quotes" and \\', "café 🎵")
    text = transcript_json(HEADER, found)
    assert read_back(tmp_path / "a.json", text) == spans_and_texts(
        tuple(segment.segment for segment in found)
    )


def test_hours_and_rounding() -> None:
    words = [HeardWord(3599.9996, 36_000.0004, "late", 0.5)]
    assert webvtt(found.segment for found in as_sentences(words)) == (
        "WEBVTT\n\n01:00:00.000 --> 10:00:00.000\nlate\n"
    )


def test_an_empty_transcript(tmp_path: Path) -> None:
    assert read_back(tmp_path / "a.vtt", webvtt([])) == []
    assert read_back(tmp_path / "a.json", transcript_json(HEADER, [])) == []


def test_words_and_their_times_are_in_the_json() -> None:
    words = [HeardWord(1.0, 1.5, " chop", 0.87654), HeardWord(1.5, 2.0, " it", 1.0)]
    document = json.loads(transcript_json(HEADER, as_sentences(words)))
    assert document["language"] == "en"
    assert document["segments"] == [
        {
            "start": 1.0,
            "end": 2.0,
            "text": "chop it",
            "words": [
                {"word": "chop", "start": 1.0, "end": 1.5, "probability": 0.8765},
                {"word": "it", "start": 1.5, "end": 2.0, "probability": 1.0},
            ],
        }
    ]


def test_the_header_is_read_without_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(transcript_json(HEADER, heard("hello")), encoding="utf-8")
    header = read_header(path)
    assert header is not None
    assert header == {**HEADER, "segments": []}
    path.write_text(path.read_text("utf-8").splitlines()[0] + "\nbroken", encoding="utf-8")
    assert read_header(path) == header


def test_the_header_of_a_file_that_was_laid_out_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    document = json.loads(transcript_json(HEADER, heard("hello")))
    path.write_text(json.dumps(document, indent=2), encoding="utf-8")
    assert (read_header(path) or {})["listed"] == "1-2"


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00", "[" * 100_000])
def test_no_header(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    assert read_header(path) is None
    assert read_header(tmp_path / "absent.json") is None


def test_a_source_that_is_not_unicode(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(transcript_json({"source": "a\udcff.mp4"}, []), encoding="utf-8")
    assert (read_header(path) or {})["source"] == "a\udcff.mp4"


@pytest.mark.parametrize(
    "video_id",
    ["a.mp4", "a/b c.mp4", ".hidden.mp4", "café\u00a0🎵.mp4", "a..b.mp4", "\\xff.mp4", "h/v?x=1"],
)
def test_a_safe_id_is_its_own_name(video_id: str) -> None:
    assert transcript_name(video_id) == video_id


@pytest.mark.parametrize(
    "video_id",
    [
        *("../a.mp4", "/etc/a.mp4", "a/../../b.mp4", "a//b.mp4", "./a.mp4", "a/", ".."),
        *("a\nb.mp4", "a\x00b.mp4", "x" * 300, "y/" * 800 + "z.mp4", "\ud800.mp4"),
        *("a.json/b.mp4", "a.vtt/b"),
    ],
)
def test_any_other_id_has_a_name_that_stays_inside(tmp_path: Path, video_id: str) -> None:
    name = transcript_name(video_id)
    assert "/" not in name
    assert (tmp_path / f"{name}.json").resolve().parent == tmp_path.resolve()
    (tmp_path / f"{name}.json").touch()
    assert transcript_name(video_id + "2") != name


@pytest.mark.parametrize("video_id", ["a.mp4", "a/b c.mp4", "..b.mp4", "a.en.mp4"])
def test_a_transcript_is_found_by_the_id(tmp_path: Path, video_id: str) -> None:
    name = transcript_name(video_id)
    path = tmp_path / f"{name}.vtt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(webvtt([]), encoding="utf-8")
    found = transcript_file(Video(video_id, f"/elsewhere/{Path(video_id).name}"), str(tmp_path))
    assert found == path
