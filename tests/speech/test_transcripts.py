"""Transcript files as their tools write them, and as they arrive."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pseudolabel.errors import InputError
from pseudolabel.speech.transcripts import Transcript, read_transcript

Row = tuple[float, float, str]

YOUTUBE_VTT = """\
WEBVTT
Kind: captions
Language: en

00:00:00.080 --> 00:00:02.310 align:start position:0%
 
hello<00:00:00.480><c> and</c><00:00:01.000><c> welcome</c>

00:00:02.310 --> 00:00:02.320 align:start position:0%
hello and welcome
 

00:00:02.320 --> 00:00:04.550 align:start position:0%
hello and welcome
rock<00:00:02.800><c> &amp;</c><00:00:03.000><c> roll</c>

00:00:04.550 --> 00:00:04.560 align:start position:0%
rock &amp; roll
 

00:00:04.560 --> 00:00:06.000 align:start position:0%
rock &amp; roll
rock<00:00:04.900><c> on</c>
"""


def read(folder: Path, name: str, content: str | bytes) -> Transcript:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_transcript(path)


def read_json(folder: Path, document: object) -> Transcript:
    return read(folder, "a.json", json.dumps(document))


def rows(transcript: Transcript) -> list[Row]:
    return [(round(s.span.start_s, 3), round(s.span.end_s, 3), s.text) for s in transcript.segments]


def test_youtube_rolling_captions_say_each_line_once(tmp_path: Path) -> None:
    transcript = read(tmp_path, "a.en.vtt", YOUTUBE_VTT)
    assert rows(transcript) == [
        (0.08, 2.31, "hello and welcome"),
        (2.32, 4.55, "rock & roll"),
        (4.56, 6.0, "rock on"),
    ]
    assert transcript.dropped == 0


def test_rolling_captions_converted_to_srt_are_undone_too(tmp_path: Path) -> None:
    srt = """1
00:00:00,000 --> 00:00:02,000
one two

2
00:00:02,000 --> 00:00:02,010
one two

3
00:00:02,010 --> 00:00:04,000
one two
three four

4
00:00:04,000 --> 00:00:04,010
three four

5
00:00:04,010 --> 00:00:06,000
three four
five
"""
    assert rows(read(tmp_path, "a.srt", srt)) == [
        (0.0, 2.0, "one two"),
        (2.01, 4.0, "three four"),
        (4.01, 6.0, "five"),
    ]


def test_a_refrain_is_not_a_rolling_caption(tmp_path: Path) -> None:
    srt = "".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n + 1},000\nla la la\n\n" for n in range(1, 5))
    assert [text for _, _, text in rows(read(tmp_path, "a.srt", srt))] == ["la la la"] * 4


def test_webvtt_comments_styles_names_and_settings(tmp_path: Path) -> None:
    vtt = """\
WEBVTT - a title

STYLE
::cue { color: red }

REGION
id:fred
width:40%

NOTE a comment
over two lines --> not a cue

intro
01:02.500 --> 01:04.000 line:0 position:20%
<v.loud Roger>Up <i>there</i></v>
2 &lt; 3 &amp;&nbsp;so

101:00:00.000 --> 101:00:01.000
late
"""
    transcript = read(tmp_path, "a.vtt", vtt)
    assert rows(transcript) == [
        (62.5, 64.0, "Up there 2 < 3 & so"),
        (363600.0, 363601.0, "late"),
    ]
    assert transcript.dropped == 0


def test_srt_marks_empty_lines_and_plain_angle_brackets(tmp_path: Path) -> None:
    srt = """1
00:00:01,000 --> 00:00:02,000 X1:10 X2:20
{\\an8}<font color="#fff">if a < b and c > d</font>

then a --> b

2
00:00:02,500 --> 00:00:04,000
42
3
0:0:4,5 --> 0:0:5
no empty line before me
"""
    assert rows(read(tmp_path, "a.SRT", srt)) == [
        (1.0, 2.0, "if a < b and c > d then a --> b"),
        (2.5, 4.0, "42"),
        (4.5, 5.0, "no empty line before me"),
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom", "cp1252"]
)
def test_encodings_and_newlines(tmp_path: Path, encoding: str, newline: str) -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\nça va “déjà” €\n".replace("\n", newline)
    if encoding.endswith("-bom"):
        raw = ("\ufeff" + text).encode(encoding.removesuffix("-bom"))
    else:
        raw = text.encode(encoding)
    assert rows(read(tmp_path, "a.srt", raw)) == [(1.0, 2.0, "ça va “déjà” €")]


def test_unusable_cues_are_counted_and_the_rest_is_sorted(tmp_path: Path) -> None:
    vtt = """\
WEBVTT

00:05.000 --> 00:07.000
second

00:04.000 --> 00:03.000
ends before it starts

00:04.000 --> 00:04.000
takes no time

00:xx.000 --> 00:05.000
no readable start

00:01.000 --> 00:02.000

00:01.000 --> 00:06.000
first, overlaps
"""
    transcript = read(tmp_path, "a.vtt", vtt)
    assert rows(transcript) == [(1.0, 6.0, "first, overlaps"), (5.0, 7.0, "second")]
    assert transcript.dropped == 4


@pytest.mark.parametrize("name", ["a.vtt", "a.srt"])
def test_a_file_without_cues_is_an_empty_transcript(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, name, "") == Transcript((), 0)


def test_json3_of_automatic_captions_ends_where_the_next_begins(tmp_path: Path) -> None:
    document = {
        "wireMagic": "pb3",
        "events": [
            {"tStartMs": 0, "dDurationMs": 9000, "id": 1, "wpWinPosId": 1},
            {"dDurationMs": 3000, "segs": [{"utf8": "hello"}, {"utf8": " you", "tOffsetMs": 400}]},
            {"tStartMs": 1500, "dDurationMs": 1500, "aAppend": 1, "segs": [{"utf8": "\n"}]},
            {"tStartMs": 1500, "dDurationMs": 2500, "segs": [{"utf8": "don&#39;t"}]},
            {"tStartMs": 9000, "dDurationMs": 0, "segs": [{"utf8": "gone"}]},
        ],
    }
    transcript = read(tmp_path, "a.en.json3", json.dumps(document))
    assert rows(transcript) == [(0.0, 1.5, "hello you"), (1.5, 4.0, "don't")]
    assert transcript.dropped == 1


def test_json3_made_by_hand_may_overlap(tmp_path: Path) -> None:
    events = [
        {"tStartMs": 1000, "dDurationMs": 3000, "segs": [{"utf8": "[MUSIC]"}]},
        {"tStartMs": 1000, "dDurationMs": 1000, "segs": [{"utf8": "one"}]},
        {"tStartMs": 2000, "dDurationMs": 1000, "segs": [{"utf8": "two"}]},
    ]
    assert rows(read_json(tmp_path, {"events": events})) == [
        (1.0, 4.0, "[MUSIC]"),
        (1.0, 2.0, "one"),
        (2.0, 3.0, "two"),
    ]


@pytest.mark.parametrize("wrap", [True, False], ids=["segments", "bare list"])
def test_whisper_and_its_relatives(tmp_path: Path, wrap: bool) -> None:
    segments = [
        {"id": 0, "start": -0.02, "end": 1.5, "text": " Hi &amp; bye.", "words": [{"word": "Hi"}]},
        {"start": 1.5, "end": None, "text": " Open end."},
        {"start": "4.0", "end": "5.25", "text": " As text."},
        {"start": None, "end": 6.0, "text": "no start"},
        {"start": 6.0, "end": 6.5},
        "not a segment",
        {"start": 7, "duration": 1.5, "text": "a duration"},
    ]
    transcript = read_json(tmp_path, {"segments": segments, "language": "en"} if wrap else segments)
    assert rows(transcript) == [
        (0.0, 1.5, "Hi & bye."),
        (1.5, 4.0, "Open end."),
        (4.0, 5.25, "As text."),
        (7.0, 8.5, "a duration"),
    ]
    assert transcript.dropped == 3


def test_times_that_are_no_numbers_are_dropped(tmp_path: Path) -> None:
    content = (
        '[{"start": NaN, "end": 1, "text": "a"}, {"start": 0, "end": Infinity, "text": "b"},'
        ' {"start": 0, "end": 1%s, "text": "c"}, {"start": true, "end": 3, "text": "d"}]'
    ) % ("0" * 400)
    assert read(tmp_path, "a.json", content) == Transcript((), 4)


def test_transformers_chunks(tmp_path: Path) -> None:
    document = {
        "text": " one two tail of five words",
        "chunks": [
            {"timestamp": [0.0, None], "text": " one"},
            {"timestamp": [1.0, 2.5], "text": " two"},
            {"timestamp": [None, 3.0], "text": " when?"},
            {"timestamp": [3.0, None], "text": " tail of just five words"},
        ],
    }
    transcript = read_json(tmp_path, document)
    assert rows(transcript) == [
        (0.0, 1.0, "one"),
        (1.0, 2.5, "two"),
        (3.0, 5.0, "tail of just five words"),
    ]
    assert transcript.dropped == 1


def test_one_video_of_howto100m(tmp_path: Path) -> None:
    document = {
        "text": ["mix", "the  eggs", "", "no times"],
        "start": [0.5, 2, 4],
        "end": [2.5, 4, 5],
    }
    transcript = read_json(tmp_path, document)
    assert rows(transcript) == [(0.5, 2.5, "mix"), (2.0, 4.0, "the eggs")]
    assert transcript.dropped == 2


def test_csv_with_any_column_order_clock_times_and_quotes(tmp_path: Path) -> None:
    content = (
        'speaker,Text, END ,start\r\nann,"a ""b"",\r\nc",2.5,1\r\nbob,d,00:01:02.5,0:3\r\n'
        "ann,e,,63\r\nbob,,70,69\r\nshort\r\n\r\n"
    )
    transcript = read(tmp_path, "a.csv", "\ufeff" + content)
    assert rows(transcript) == [(1.0, 2.5, 'a "b", c'), (3.0, 62.5, "d"), (63.0, 63.4, "e")]
    assert transcript.dropped == 2


def test_tsv_of_whisper_is_in_milliseconds_and_does_not_quote(tmp_path: Path) -> None:
    content = 'start\tend\ttext\n0\t2400\t"Hello," she said.\n2400\t4000\t"All quoted"\n'
    assert rows(read(tmp_path, "a.tsv", content)) == [
        (0.0, 2.4, '"Hello," she said.'),
        (2.4, 4.0, "All quoted"),
    ]


def test_whole_seconds_stay_seconds(tmp_path: Path) -> None:
    content = "start\tend\ttext\n0\t8\ta\n8\t120\tb\n120\t126\tc\n"
    assert rows(read(tmp_path, "a.tsv", content)) == [
        (0.0, 8.0, "a"),
        (8.0, 120.0, "b"),
        (120.0, 126.0, "c"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", "hello", ".txt is not a transcript"),
        ("a", "hello", "no suffix is not a transcript"),
        ("a.json", "", "Expecting value"),
        ("a.json", "[" * 100_000, "recursion"),
        ("a.json", '{"hello": 1}', "JSON, but not a transcript"),
        ("a.json", "3", "JSON, but not a transcript"),
        ("a.json", '{"v1": {"text": [], "start": [], "end": []}}', "several videos"),
        ("a.csv", "from,to,text\n1,2,a\n", "no column start or end (columns: from, to, text)"),
        ("a.csv", "", "no column start or end or text (columns: none)"),
        ("a.csv", "start,end,text\n1,2," + "a" * (1 << 24) + "a", "not CSV"),
    ],
)
def test_what_is_no_transcript_is_refused_by_name(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, name, content)
    assert str(tmp_path / name) in str(error.value)
    assert said in str(error.value)
    assert ".vtt" in str(error.value.hint)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.vtt: No such file"):
        read_transcript(tmp_path / "gone.vtt")


def test_times_that_cannot_be_read_do_not_join_the_cue_before(tmp_path: Path) -> None:
    srt = """1
00:00:01,000 --> 00:00:02,000
one
2
00:00:0x,000 --> 00:00:03,000
two

-00:00:01,000 --> 00:00:03,000
three
"""
    transcript = read(tmp_path, "a.srt", srt)
    assert rows(transcript) == [(1.0, 2.0, "one")]
    assert transcript.dropped == 2


def test_a_folder_is_no_transcript(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Is a directory"):
        read_transcript(tmp_path)
