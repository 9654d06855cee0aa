"""Times of words, from the formats that have them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from pseudolabel.records import Span, TimedWord
from pseudolabel.speech.cues import CueWord
from pseudolabel.speech.transcripts import read_transcript
from pseudolabel.speech.word_times import timed_words

NAN = math.nan
Word = tuple[float, float, str]


def timed(*words: tuple[float, float | None, str], span: tuple[float, float]) -> list[Word] | None:
    return rounded(timed_words([CueWord(*word) for word in words], Span(*span)))


def rounded(words: tuple[TimedWord, ...] | None) -> list[Word] | None:
    if words is None:
        return None
    return [(round(w.span.start_s, 3), round(w.span.end_s, 3), w.text) for w in words]


def read_words(folder: Path, name: str, content: str | object) -> list[list[Word] | None]:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text, encoding="utf-8")
    return [rounded(segment.words) for segment in read_transcript(folder / name).segments]


def test_words_keep_their_times_and_their_pauses() -> None:
    assert timed((1, 1.4, "a"), (2, 2.5, "b"), span=(1, 3)) == [(1, 1.4, "a"), (2, 2.5, "b")]


def test_a_word_without_an_end_lasts_until_the_next_and_the_last_to_the_end() -> None:
    assert timed((1, None, "a"), (2, NAN, "b"), span=(1, 3)) == [(1, 2, "a"), (2, 3, "b")]


def test_words_never_overlap() -> None:
    assert timed((1, 9, "a"), (2, 9, "b"), span=(1, 3)) == [(1, 2, "a"), (2, 3, "b")]


def test_words_without_times_share_what_is_left_between_their_neighbours() -> None:
    found = timed((1, 2, "in"), (NAN, None, "2014"), (NAN, None, "10"), (4, 5, "we"), span=(1, 5))
    assert found == [(1, 2, "in"), (2, 3, "2014"), (3, 4, "10"), (4, 5, "we")]


def test_words_without_times_at_the_front_and_the_back() -> None:
    found = timed((NAN, None, "10"), (2, 3, "we"), (NAN, None, "go"), span=(1, 5))
    assert found == [(1, 2, "10"), (2, 3, "we"), (3, 5, "go")]
    found = timed((NAN, None, "10"), (1, None, "we"), span=(1, 3))
    assert found == [(1, 2, "10"), (2, 3, "we")]


@pytest.mark.parametrize("odd", [NAN, math.inf, -math.inf, 1e300, -1e300, 0.5, 5.0, 2.0])
def test_a_time_that_cannot_be_counts_as_not_told(odd: float) -> None:
    found = timed((2, None, "a"), (odd, 2, "b"), (4, None, "c"), span=(1, 5))
    assert found == [(2, 3, "a"), (3, 4, "b"), (4, 5, "c")]


def test_a_few_words_timed_as_one_share_its_time() -> None:
    found = timed((1, 2, "one two"), (3, None, "three four five"), span=(1, 6))
    shared = [(1, 1.5, "one"), (1.5, 2, "two"), (3, 4, "three"), (4, 5, "four"), (5, 6, "five")]
    assert found == shared


@pytest.mark.parametrize(
    "words",
    [
        [],
        [(NAN, None, "a"), (NAN, None, "b")],
        [(9, 10, "outside")],
        [(1, 2, ""), (2, 3, "")],
    ],
)
def test_words_of_which_none_has_a_time_are_no_timed_words(
    words: list[tuple[float, float | None, str]],
) -> None:
    assert timed(*words, span=(1, 5)) is None


def test_times_too_coarse_to_tell_words_apart_are_none() -> None:
    many = [(0.0, None, "a")] + [(NAN, None, "b")] * 9
    assert timed(*many, span=(0, 5e-324)) is None


def test_whisper_and_whisperx_words(tmp_path: Path) -> None:
    words = [
        {"word": " In", "start": 0.1, "end": 0.3, "probability": 0.9},
        {"word": " 2014"},
        {"word": " we &amp; you", "start": 1.0, "end": None, "score": 0.1},
        "no word",
    ]
    segments = [
        {"start": 0, "end": 2, "text": " In 2014 we & you", "words": words},
        {"start": 2, "end": 3, "text": " none", "words": []},
        {"start": 3, "end": 4, "text": " wrong", "words": {"word": "a"}},
        {"start": 4, "end": 5, "text": " null", "words": None},
    ]
    assert read_words(tmp_path, "a.json", {"segments": segments}) == [
        [
            (0.1, 0.3, "In"),
            (0.3, 1.0, "2014"),
            (1.0, 1.333, "we"),
            (1.333, 1.667, "&"),
            (1.667, 2.0, "you"),
        ],
        None,
        None,
        None,
    ]


def test_json3_words(tmp_path: Path) -> None:
    events = [
        {
            "tStartMs": 1000,
            "dDurationMs": 9000,
            "segs": [{"utf8": "hello"}, {"utf8": " you", "tOffsetMs": 400}],
        },
        {"tStartMs": 2000, "dDurationMs": 100, "aAppend": 1, "segs": [{"utf8": "\n"}]},
        {"tStartMs": 3000, "dDurationMs": 1000, "segs": [{"utf8": "[Music]"}]},
    ]
    assert read_words(tmp_path, "a.json3", {"events": events}) == [
        [(1.0, 1.4, "hello"), (1.4, 3.0, "you")],
        None,
    ]


def test_youtube_vtt_words_are_those_of_the_new_line(tmp_path: Path) -> None:
    vtt = """\
WEBVTT

00:00:01.000 --> 00:00:02.990
 
hello<00:00:01.500><c> and</c><00:00:02.000><c> welcome</c>

00:00:02.990 --> 00:00:03.000
hello and welcome
 

00:00:03.000 --> 00:00:05.000
hello and welcome
rock<00:00:03.500><c> &amp;</c><00:00:04.000><c> roll</c>

00:00:05.000 --> 00:00:06.000
plain words
"""
    assert read_words(tmp_path, "a.vtt", vtt) == [
        [(1.0, 1.5, "hello"), (1.5, 2.0, "and"), (2.0, 2.99, "welcome")],
        [(3.0, 3.5, "rock"), (3.5, 4.0, "&"), (4.0, 5.0, "roll")],
        None,
    ]


def test_vtt_words_over_two_lines(tmp_path: Path) -> None:
    vtt = "WEBVTT\n\n00:01.000 --> 00:05.000\n<00:02.000>one\ntwo <00:04.000>three\n"
    assert read_words(tmp_path, "a.vtt", vtt) == [
        [(2.0, 3.0, "one"), (3.0, 4.0, "two"), (4.0, 5.0, "three")]
    ]


def test_forms_without_times_of_words_have_none(tmp_path: Path) -> None:
    assert read_words(tmp_path, "a.srt", "1\n00:00:01,000 --> 00:00:02,000\na b\n") == [None]
    assert read_words(tmp_path, "a.csv", "start,end,text\n1,2,a b\n") == [None]
    assert read_words(tmp_path, "b.json", {"text": ["a b"], "start": [1], "end": [2]}) == [None]
    chunks = {"chunks": [{"timestamp": [1, 2], "text": "a"}]}
    assert read_words(tmp_path, "c.json", chunks) == [None]
