"""Files with the transcripts of many videos, streamed."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from pseudolabel.errors import InputError
from pseudolabel.speech.json_stream import iter_members
from pseudolabel.speech.many_videos import is_of_many_videos, iter_howto100m, iter_table
from pseudolabel.speech.transcripts import Transcript

Said = dict[str, list[tuple[float, float, str]]]


def said(found: Iterator[tuple[str, Transcript]]) -> Said:
    return {name: spans(transcript) for name, transcript in found}


def spans(transcript: Transcript) -> list[tuple[float, float, str]]:
    return [(s.span.start_s, s.span.end_s, s.text) for s in transcript.segments]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def howto(*videos: tuple[str, str]) -> dict[str, dict[str, list[object]]]:
    return {name: {"text": [text], "start": [0.5], "end": [2]} for name, text in videos}


def members(text: str, step: int) -> list[tuple[str, object]]:
    at = 0

    def read(_: int) -> str:
        nonlocal at
        at += step
        return text[at - step : at]

    return list(iter_members(read))


def test_howto100m_all_and_wanted(tmp_path: Path) -> None:
    path = write(tmp_path / "caption.json", json.dumps(howto(("a", "mix"), ("b", "the eggs"))))
    assert said(iter_howto100m(path)) == {"a": [(0.5, 2, "mix")], "b": [(0.5, 2, "the eggs")]}
    assert said(iter_howto100m(path, {"b", "c"})) == {"b": [(0.5, 2, "the eggs")]}


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_members_are_the_same_wherever_the_stream_is_cut(step: int) -> None:
    document = {
        "a": {"x": [1, 2.5, -1e-7, True, None, '\u00e9\U0001f600\\ " \n']},
        "\u00e9\t": [],
        "n": -12345,
        "e": {},
        "t": True,
    }
    for indent in (None, 2):
        text = json.dumps(document, indent=indent)
        assert members(text, step) == list(document.items())
    assert members(" {\t} \n", step) == []
    assert members('{"n": [NaN, -Infinity]}', step)[0][0] == "n"


@pytest.mark.parametrize(
    ("text", "given", "where"),
    [
        ("", [], "character 0: expected an object"),
        ("[1]", [], "character 0: expected an object"),
        ('{"a": 1, "b": {"x": [1, 2', ["a"], "the file ends here"),
        ('{"a": 1, "b": "x', ["a"], "Unterminated string"),
        ('{"a": 1, "b" 2}', ["a"], "character 13: expected ':'"),
        ('{"a": 1 "b": 2}', ["a"], "character 8: expected ',' or '}'"),
        ('{"a": 1, }', ["a"], "character 9: expected the name"),
        ('{"a": 1, b: 2}', ["a"], "character 9: expected the name"),
        ('{"a": 1, "b": [1 2], "c": 3}', ["a"], "character 17"),
        ('{"a": 1} {"b": 2}', ["a"], "character 9: something follows"),
        ('{"a": 1', ["a"], "the file ends here"),
    ],
)
@pytest.mark.parametrize("step", [1, 5, 1000])
def test_what_comes_before_damage_is_given(
    text: str, given: list[str], where: str, step: int
) -> None:
    at, found = 0, []

    def read(_: int) -> str:
        nonlocal at
        at += step
        return text[at - step : at]

    with pytest.raises(ValueError, match="broken JSON") as error:
        for name, _ in iter_members(read):
            found.append(name)
    assert where in str(error.value)
    assert found == given


def test_broken_json_names_the_file_the_place_and_the_video_before(tmp_path: Path) -> None:
    whole = json.dumps(howto(("a", "mix"), ("b", "eggs")))
    path = write(tmp_path / "raw_caption.json", whole[:-20])
    stream = iter_howto100m(path)
    assert next(stream)[0] == "a"
    with pytest.raises(
        InputError, match=r"raw_caption\.json: broken JSON .*ends here.*after .*'a'"
    ):
        next(stream)


def test_damage_in_the_middle_is_not_waited_out() -> None:
    """The rest of a file of gigabytes is not read to find that a comma is missing."""
    asked = 0

    def read(size: int) -> str:
        nonlocal asked
        asked += 1
        return ('{"a": [1 2], ' if asked == 1 else "") + " " * (size - 20)

    with pytest.raises(ValueError, match="Expecting ','"):
        list(iter_members(read))
    assert asked == 1


def test_values_that_are_no_transcript_count_as_dropped(tmp_path: Path) -> None:
    document = {"a": None, "b": [1, 2], "c": {"text": "x"}, "d": 3, **howto(("e", "mix"))}
    path = write(tmp_path / "caption.json", json.dumps(document))
    found = dict(iter_howto100m(path))
    assert {name: transcript.dropped for name, transcript in found.items()} == {
        **dict.fromkeys("abcd", 1),
        "e": 0,
    }


def test_nan_bad_bytes_and_a_repeated_video_stop_nothing(tmp_path: Path) -> None:
    raw = (
        b'{"a": {"text": ["x", "caf\xe9"], "start": [NaN, 1], "end": [1, 2]},'
        b' "a": {"text": ["again"], "start": [1], "end": [1e999]}, "b": {"text": ["\\ud800y"],'
        b' "start": [0], "end": [3], "end": [4]}}'
    )
    found = list(iter_howto100m(write(tmp_path / "caption.json", raw)))
    assert [(name, spans(transcript), transcript.dropped) for name, transcript in found] == [
        ("a", [(1, 2, "caf\u00e9")], 1),
        ("a", [], 1),
        ("b", [(0, 4, "\ufffdy")], 0),
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    text = json.dumps(howto(("a", "\u00e9\u4e2d")), ensure_ascii=False)
    path = write(tmp_path / "caption.json", text.encode(encoding))
    assert said(iter_howto100m(path)) == {"a": [(0.5, 2, "\u00e9\u4e2d")]}


def test_too_deep_and_too_long_are_refused(tmp_path: Path) -> None:
    deep = write(tmp_path / "deep.json", '{"a": ' + "[" * 100_000)
    with pytest.raises(InputError, match="recursion"):
        list(iter_howto100m(deep))
    with pytest.raises(InputError, match="No such file"):
        list(iter_howto100m(tmp_path / "gone.json"))


def test_memory_is_that_of_one_video(tmp_path: Path) -> None:
    one = json.dumps({"text": ["word " * 1_000] * 4, "start": [0, 1, 2, 3], "end": [1, 2, 3, 4]})
    path = tmp_path / "caption.json"
    with path.open("w") as file:
        file.write("{" + ", ".join(f'"v{i}": {one}' for i in range(1_000)) + "}")
    assert path.stat().st_size > 20_000_000
    tracemalloc.start()
    try:
        found = [name for name, _ in iter_howto100m(path, {"v0", "v500", "v999"})]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == ["v0", "v500", "v999"]
    assert peak < 8_000_000


SCATTERED = """video_id,start,end,text
a,0,1,one
b,0,1,"x, y"
a,1,2,two
c,5,,open
b,3,2,backwards
a,2,3,three
"""


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_table_is_grouped_wherever_its_rows_stand(tmp_path: Path, suffix: str) -> None:
    text = SCATTERED if suffix == ".csv" else SCATTERED.replace(",", "\t").replace("x\t", "x,")
    path = write(tmp_path / f"all{suffix}", text)
    found = list(iter_table(path))
    assert [name for name, _ in found] == ["c", "b", "a"]  # each when its last row has come
    assert {name: (spans(t), t.dropped) for name, t in found} == {
        "a": ([(0, 1, "one"), (1, 2, "two"), (2, 3, "three")], 0),
        "b": ([(0, 1, "x, y")], 1),
        "c": ([(5, 5.4, "open")], 0),
    }
    assert list(said(iter_table(path, {"b"}))) == ["b"]


def test_the_unit_of_a_table_is_that_of_all_its_rows(tmp_path: Path) -> None:
    rows = "".join(f"v{i}\t{i}000\t{i}900\tword\n" for i in range(1, 9)) + "w\t50\t60\tshort\n"
    found = said(iter_table(write(tmp_path / "a.tsv", "video_id\tstart\tend\ttext\n" + rows)))
    assert found["v2"] == [(2.0, 2.9, "word")]
    assert found["w"] == [(0.05, 0.06, "short")]


def test_what_stands_before_damage_in_a_table_is_given(tmp_path: Path) -> None:
    rows = "video,start,end,text\na,0,1,x\nb,0,1," + "y" * ((1 << 24) + 1) + "\nc,0,1,z\n"
    stream = iter_table(write(tmp_path / "a.csv", rows))
    assert next(stream)[0] == "a"
    with pytest.raises(InputError, match=r"a\.csv: not CSV: field larger"):
        next(stream)


@pytest.mark.parametrize(
    ("name", "content", "is_many"),
    [
        ("a.json", json.dumps({"x": None, **howto(("a", "mix"))}), True),
        ("a.json", json.dumps(howto(("a", "mix"), ("b", "eggs")))[:-20], True),
        ("a.json", json.dumps(howto(("a", "mix"))["a"]), False),
        ("a.json", '{"text": "x", "segments": []}', False),
        ("a.json", "[]", False),
        ("a.json", "", False),
        ("a.csv", SCATTERED, True),
        ("a.csv", "start,end,text\n1,2,a\n", False),
        ("a.csv", "", False),
        ("a.vtt", "WEBVTT\n", False),
    ],
)
def test_a_look_tells_files_of_many_videos(
    tmp_path: Path, name: str, content: str, is_many: bool
) -> None:
    assert is_of_many_videos(write(tmp_path / name, content)) is is_many


def test_a_table_of_many_videos_is_no_transcript_of_one(tmp_path: Path) -> None:
    from pseudolabel.speech.transcripts import read_transcript

    with pytest.raises(InputError, match="several videos"):
        read_transcript(write(tmp_path / "a.csv", SCATTERED))
    one = read_transcript(write(tmp_path / "b.csv", "video_id,start,end,text\na,0,1,x\n"))
    assert spans(one) == [(0, 1, "x")]


def test_a_table_without_videos_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "start,end,text\n1,2,a\n")
    with pytest.raises(InputError, match=r"no column video_id \(columns: start, end, text\)"):
        list(iter_table(path))
