"""Transcripts that no tool should have written: what can be read is, what cannot is counted.

The inputs were found by fuzzing, or are the worst ones for a given step; where a step took time
that grew with the square of the input the sizes here made that minutes.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pseudolabel.errors import InputError
from pseudolabel.speech.transcripts import Transcript, read_transcript

LARGE = 300_000
CUE = "WEBVTT\n\n00:01.000 --> 00:02.000\n"
SRT_CUE = "1\n00:00:01,000 --> 00:00:02,000\n"


def read(folder: Path, name: str, content: str | bytes | object) -> Transcript:
    if not isinstance(content, (str, bytes)):
        content = json.dumps(content)
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_transcript(path)


def texts(transcript: Transcript) -> list[str]:
    return [segment.text for segment in transcript.segments]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("name", "content", "segments"),
    [
        ("a.vtt", CUE + "{\\" * LARGE, 1),
        ("a.vtt", CUE + "<b " * LARGE, 1),
        ("a.vtt", CUE + "<1:" * LARGE, 1),
        ("a.vtt", CUE + "<00:01.5>" * LARGE, 0),
        ("a.vtt", "WEBVTT\n\n" + "-->\n" * LARGE, 0),
        ("a.vtt", "WEBVTT\n" + "\n" * LARGE, 0),
        ("a.vtt", CUE + "\n".join(["a"] * LARGE) + "\n\n" + CUE[8:] + "a\n" * LARGE, 2),
        ("a.vtt", CUE + "<00:01.5>a\n" * 50_000 + "\n" + CUE[8:] + "a\n" * 50_000, 2),
        ("a.srt", SRT_CUE + "1" * LARGE + " x-->\n", 1),
        ("a.srt", SRT_CUE + "-->" * LARGE, 1),
        ("a.srt", SRT_CUE + "&#" + "9" * LARGE + "; &#x" + "f" * LARGE, 1),
        ("a.srt", SRT_CUE + "&amp" * LARGE, 1),
        ("a.srt", "1\n" + "1:" * LARGE + " --> " + "1:" * LARGE + "\nx\n", 0),
        ("a.tsv", "start\tend\ttext" + "\tx" * LARGE + "\n1\t2\ta" + "\ty" * LARGE, 1),
        ("a.tsv", "start\tend\ttext\n1\t2\t" + '"' * LARGE, 1),
        ("a.csv", "start,end,text\n1,2," + '"' * LARGE, 1),
        ("a.json", [{"start": 1, "end": 2, "text": "\ud800" * LARGE}], 1),
        ("a.json", '{"segments": [{"start": 1' + "0" * LARGE + ', "end": 2, "text": "a"}]}', 0),
    ],
    ids=lambda value: None if isinstance(value, int) else str(value)[:24],
)
def test_time_grows_with_the_size_and_not_with_its_square(
    tmp_path: Path, name: str, content: object, segments: int
) -> None:
    assert len(read(tmp_path, name, content).segments) == segments


@pytest.mark.timeout(60)
@pytest.mark.parametrize("start_s", [5, None], ids=["one start", "starts in order"])
def test_100_000_words_without_ends(tmp_path: Path, start_s: int | None) -> None:
    chunks = [
        {"timestamp": [i if start_s is None else start_s, None], "text": "w"}
        for i in range(100_000)
    ]
    transcript = read(tmp_path, "a.json", {"chunks": chunks})
    assert len(transcript.segments) == 100_000
    assert transcript.segments[0].span.end_s == (1 if start_s is None else 5.4)


def test_ten_hours_in_one_segment(tmp_path: Path) -> None:
    words = ["word"] * 90_000
    said = " ".join(words)
    timed = [{"word": " word", "start": 0.4 * i, "end": 0.4 * i + 0.3} for i in range(90_000)]
    one = {"start": 0, "end": 36_000, "text": said, "words": timed}
    segment = read(tmp_path, "a.json", {"segments": [one]}).segments[0]
    assert segment.words is not None
    assert len(segment.words) == 90_000
    assert segment.words[-1].span.start_s == pytest.approx(35_999.6)
    assert texts(read(tmp_path, "a.csv", f'start,end,text\n0,36000,"{said}"\n')) == [said]
    assert texts(read(tmp_path, "a.vtt", f"WEBVTT\n\n00:00.000 --> 10:00:00.000\n{said}\n")) == [
        said
    ]


@pytest.mark.parametrize("time", ["NaN", "Infinity", "-Infinity", "1e300", "-1e300", "1e12"])
def test_times_that_are_none_or_beyond_all_video(tmp_path: Path, time: str) -> None:
    document = (
        f'[{{"start": {time}, "end": 2, "text": "a"}}, {{"start": 1, "end": 2, "text": "b"}}]'
    )
    transcript = read(tmp_path, "a.json", document)
    assert (texts(transcript), transcript.dropped) == (["b"], 1)
    table = f"start,end,text\n1,{time},a\n1,2,b\n"
    transcript = read(tmp_path, "a.csv", table)
    assert (texts(transcript), transcript.dropped) == (["b"], 1)


@pytest.mark.parametrize("digits", [310, 5_000])
def test_clocks_and_numbers_of_many_digits_cost_their_own_cue_only(
    tmp_path: Path, digits: int
) -> None:
    number = "9" * digits
    later = "00:00:01.000 --> 00:00:02.000\nb\n"
    transcript = read(tmp_path, "a.vtt", f"WEBVTT\n\n{number}:00:01.000 --> 0:02\na\n\n{later}")
    assert (texts(transcript), transcript.dropped) == (["b"], 1)
    document = (
        f'[{{"start": {number}, "end": 2, "text": "a"}}, {{"start": 1, "end": 2, "text": "b"}}]'
    )
    assert texts(read(tmp_path, "a.json", document)) == ["b"]
    assert texts(read(tmp_path, "a.tsv", f"start\tend\ttext\n0\t{number}\ta\n1\t2\tb\n")) == ["b"]
    assert texts(read(tmp_path, "a.vtt", f"{CUE}x &#{number}; y\n")) == ["x \ufffd y"]


@pytest.mark.parametrize("value", [None, True, [], {}, ["a"], {"a": 1}, float("nan"), 10**400])
def test_a_text_that_is_none_is_dropped(tmp_path: Path, value: object) -> None:
    segments = [{"start": 0, "end": 1, "text": value}, {"start": 1, "end": 2, "text": 5}]
    transcript = read(tmp_path, "a.json", segments)
    assert (texts(transcript), transcript.dropped) == (["5"], 1)
    events = [{"tStartMs": 0, "dDurationMs": 9, "segs": [{"utf8": value}, {"utf8": "a"}]}]
    assert texts(read(tmp_path, "a.json3", {"events": events})) == ["a"]


@pytest.mark.parametrize("document", [[1, 2, 3], ["a"], [[]], [None], {"segments": {}}, "a", None])
def test_json_of_the_wrong_shape(tmp_path: Path, document: object) -> None:
    with pytest.raises(InputError, match="JSON, but not a transcript"):
        read(tmp_path, "a.json", json.dumps(document))


@pytest.mark.parametrize(
    "document",
    [
        {"segments": [None, 1, "a", [], {}]},
        {"chunks": [None, {"timestamp": "x", "text": "a"}, {"timestamp": [1], "text": "a"}, 1, 2]},
        {"text": [1, 2, 3, 4, 5], "start": [None], "end": []},
        [{"text": "a"}, None, 1, 2, 3],
    ],
)
def test_items_of_the_wrong_shape_are_counted(tmp_path: Path, document: object) -> None:
    assert read(tmp_path, "a.json", document) == Transcript((), 5)


def test_texts_are_valid_unicode_without_control_characters(tmp_path: Path) -> None:
    said = "a\0b\x07c \ud800d \ud83d e\u2028f\ufeff"
    segments = [{"start": 0, "end": 1, "text": said}, {"start": 1, "end": 2, "text": "\0"}]
    transcript = read(tmp_path, "a.json", segments)
    assert (texts(transcript), transcript.dropped) == (["a b c \ufffdd \ufffd e f"], 1)


def test_a_character_cut_in_two_segs_is_whole(tmp_path: Path) -> None:
    segs = [{"utf8": "a \ud83d"}, {"utf8": "\ude00"}]
    events = [{"tStartMs": 0, "dDurationMs": 900, "segs": segs}]
    assert texts(read(tmp_path, "a.json3", {"events": events})) == ["a \U0001f600"]


@pytest.mark.parametrize(
    "language", ["plain words", "\u0441\u043b\u043e\u0432\u0430", "\u4e2d\u6587"]
)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_without_a_mark(tmp_path: Path, encoding: str, language: str) -> None:
    content = (SRT_CUE + language + "\n\n").encode(encoding)
    assert texts(read(tmp_path, "a.srt", content)) == [language]


def test_a_few_bad_bytes_do_not_change_the_rest(tmp_path: Path) -> None:
    content = (
        SRT_CUE.encode() + "d\u00e9j\u00e0 ".encode() + b"caf\xe9 \x81 " + "\u00e9".encode()[:1]
    )
    assert texts(read(tmp_path, "a.srt", content)) == ["d\u00e9j\u00e0 caf\u00e9 \ufffd \u00c3"]


def test_of_two_columns_with_one_name_the_first_counts(tmp_path: Path) -> None:
    assert texts(read(tmp_path, "a.csv", "start,end,text,text\n1,2,a,b\n")) == ["a"]


def test_of_two_members_with_one_name_the_last_counts(tmp_path: Path) -> None:
    content = '{"segments": [], "segments": [{"start": 0, "end": 1, "text": "a", "text": "b"}]}'
    assert texts(read(tmp_path, "a.json", content)) == ["b"]


@pytest.mark.parametrize("path", ["a\0.vtt", "a\0.json"])
def test_a_path_that_cannot_be(path: str) -> None:
    with pytest.raises(InputError, match="null"):
        read_transcript(path)
