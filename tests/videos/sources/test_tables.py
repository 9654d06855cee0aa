"""Listing tables and Hugging Face datasets."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from pseudolabel.errors import InputError
from pseudolabel.records import Skipped, Span, Video
from pseudolabel.videos.sources.listing import list_videos

Cells = dict[str, Any]
Writer = Callable[[str, Sequence[Cells]], str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of every test, with three videos in `t`."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "b.mp4", "sub/c d.mp4"):
        path = tmp_path / "t" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"xyz")
    return tmp_path


def write_csv(name: str, rows: Sequence[Cells]) -> str:
    pa.csv.write_csv(pa.Table.from_pylist(list(rows)), f"{name}.csv")
    return f"{name}.csv"


def write_tsv(name: str, rows: Sequence[Cells]) -> str:
    table = pa.Table.from_pylist(list(rows))
    pa.csv.write_csv(table, f"{name}.tsv", pa.csv.WriteOptions(delimiter="\t"))
    return f"{name}.tsv"


def write_jsonl(name: str, rows: Sequence[Cells]) -> str:
    Path(f"{name}.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    return f"{name}.jsonl"


def write_parquet(name: str, rows: Sequence[Cells]) -> str:
    pq.write_table(pa.Table.from_pylist(list(rows)), f"{name}.parquet")
    return f"{name}.parquet"


def write_dataset(name: str, rows: Sequence[Cells]) -> str:
    return "hf:" + write_parquet(name, rows)


EVERY_FORM = pytest.mark.parametrize(
    "write", [write_csv, write_tsv, write_jsonl, write_parquet, write_dataset]
)


def videos(*inputs: str) -> list[Video]:
    return [entry for entry in list_videos(inputs) if isinstance(entry, Video)]


def refused(*inputs: str) -> InputError:
    with pytest.raises(InputError) as error:
        list(list_videos(inputs))
    return error.value


@EVERY_FORM
def test_rows_of_one_video_are_its_spans_wherever_they_stand(write: Writer) -> None:
    rows: list[Cells] = [
        {"video": "b.mp4", "start_s": 5.0, "end_s": 6.5, "url": "http://x/b", "license": "cc0"},
        {"video": "a.mp4", "start_s": 0, "end_s": 8, "url": None, "license": None},
        {"video": "b.mp4", "start_s": 1, "end_s": 2, "url": None, "license": None},
    ]
    found = videos(write("t/list", rows))
    assert [(v.video_id, v.source, v.spans) for v in found] == [
        ("b.mp4", "t/b.mp4", (Span(5, 6.5), Span(1, 2))),
        ("a.mp4", "t/a.mp4", (Span(0, 8),)),
    ]
    assert (found[0].url, found[0].license, found[0].size_bytes) == ("http://x/b", "cc0", 3)
    assert found[0].listed.startswith("3-")
    assert (found[1].url, found[1].license) == (None, None)


@EVERY_FORM
def test_rows_without_spans_ids_as_given_and_strange_columns(write: Writer, home: Path) -> None:
    rows: list[Cells] = [
        {"note": "x", "video_id": "007", "video": "a.mp4"},
        {"note": "y", "video_id": "two", "video": "https://h.org/p?v=1"},
        {"note": "z", "video_id": None, "video": str(home / "t/sub/c d.mp4")},
    ]
    found = videos(write("t/list", rows))
    assert [(v.video_id, v.source, v.spans) for v in found] == [
        ("007", "t/a.mp4", None),
        ("two", "https://h.org/p?v=1", None),
        ("sub/c d.mp4", str(home / "t/sub/c d.mp4"), None),
    ]


@EVERY_FORM
def test_rows_that_name_nothing_are_skipped(write: Writer) -> None:
    rows: list[Cells] = [
        {"video": "gone.mp4", "x": 1},
        {"video": None, "x": 1},
        {"video": "a.mp4", "x": 1},
    ]
    source = write("t/list", rows)
    gone, none, found = list(list_videos([source]))
    assert isinstance(gone, Skipped)
    assert (gone.video_id, gone.reason) == ("gone.mp4", "not_found")
    assert isinstance(none, Skipped)
    assert (none.video_id, none.detail) == (f"{source}:2", "row 2 names no video")
    assert found.video_id == "a.mp4"


@EVERY_FORM
@pytest.mark.parametrize(
    ("start_s", "end_s", "said"),
    [
        (2.0, 1.0, "end after it starts, got 2.0..1.0"),
        (1.0, 1.0, "end after it starts"),
        (0.0, float("nan"), "finite"),
        (0.0, None, "needs both"),
        (None, 3.0, "needs both"),
    ],
)
def test_a_span_that_is_none_is_refused_by_row(
    write: Writer, start_s: float | None, end_s: float | None, said: str
) -> None:
    good = {"video": "a.mp4", "start_s": 0.0, "end_s": 1.0}
    source = write("t/list", [good, {"video": "b.mp4", "start_s": start_s, "end_s": end_s}])
    error = refused(source)
    assert f"{source}: row 2: " in str(error)
    assert said in str(error)


@EVERY_FORM
def test_a_table_without_a_video_column_names_its_columns(write: Writer) -> None:
    source = write("t/list", [{"path": "no video", "other": "x"}])
    with pytest.raises(InputError, match=r"no column 'video' \(columns: path, other"):
        list_videos([source])


def test_half_a_span_a_mixed_video_and_a_word_for_a_time_are_refused() -> None:
    assert "start_s, end_s" not in str(refused(write_csv("h", [{"video": "a", "start_s": 1}])))
    mixed = write_jsonl("m", [{"video": "a"}, {"video": "a", "start_s": 1, "end_s": 2}])
    assert "row 1: a has no span here" in str(refused(mixed))
    word = write_csv("w", [{"video": "a", "start_s": "one", "end_s": "two"}])
    assert "row 1: could not convert string to float: 'one'" in str(refused(word))


def test_one_id_for_two_files_is_refused_and_one_file_may_have_two_ids() -> None:
    rows = [{"video": "a.mp4", "video_id": "x"}, {"video": "b.mp4", "video_id": "x"}]
    assert "'x': t/a.mp4 and t/b.mp4" in str(refused(write_csv("t/list", rows)))
    rows = [{"video": "a.mp4", "video_id": "x"}, {"video": "a.mp4", "video_id": "y"}]
    assert [v.video_id for v in videos(write_csv("t/list", rows))] == ["x", "y"]


def test_a_video_with_and_without_clips_is_refused() -> None:
    source = write_csv("t/list", [{"video": "a.mp4", "start_s": 0, "end_s": 1}])
    assert "t/a.mp4: listed twice as 'a.mp4', with different clips" in str(refused("t", source))
    assert len(videos(source, source)) == 1


def test_many_spans_keep_their_order_across_chunks() -> None:
    count = 70_000  # more than one chunk of rows
    rows = [{"video": f"http://h/{n % 7}.mp4", "start_s": n, "end_s": n + 1} for n in range(count)]
    found = videos(write_parquet("t/list", rows))
    assert [v.video_id for v in found] == [f"h/{n}.mp4" for n in range(7)]
    for n, video in enumerate(found):
        assert video.spans == tuple(Span(m, m + 1) for m in range(n, count, 7))


def test_paths_that_are_not_utf8_or_have_newlines_survive_in_text_tables(home: Path) -> None:
    (home / "t" / "two\nlines.mp4").write_bytes(b"x")
    Path(os.fsdecode(b"t/caf\xe9.mp4")).write_bytes(b"x")
    Path("t/list.csv").write_bytes(b'\xef\xbb\xbfvideo\n"two\nlines.mp4"\ncaf\xe9.mp4\n')
    assert [v.video_id for v in videos("t/list.csv")] == ["two\nlines.mp4", r"caf\xe9.mp4"]


def test_strings_that_no_file_can_have(home: Path) -> None:
    Path("t/list.jsonl").write_text('{"video": "a\\ud800.mp4"}\n{"video": "a\\u0000.mp4"}\n')
    assert "no video found" in str(refused("t/list.jsonl"))
    stream = list_videos(["t/list.jsonl"])
    assert [next(stream).video_id for _ in range(2)] == [r"a\xed\xa0\x80.mp4", "a\0.mp4"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", "", "no column 'video' (columns: none)"),
        ("x.jsonl", "", "no column 'video'"),
        ("x.jsonl", '{"video": "a"}\nnope\n', "row 2 is not JSON"),
        ("x.jsonl", "[1]\n", "row 1 is no object"),
        ("x.parquet", "no parquet", "not readable as .parquet"),
        ("x.csv", "video\n" + "a" * 200_000, "not readable as .csv"),
    ],
)
def test_a_table_that_is_none(name: str, content: str, said: str) -> None:
    Path(name).write_text(content)
    error = refused(name)
    assert str(error).startswith(f"{name}: ")
    assert said in str(error)


def test_a_dataset_folder_with_splits_and_another_column_name() -> None:
    data = Path("t/data")
    data.mkdir()
    for split, name in (("train", "a.mp4"), ("test", "sub/c d.mp4")):
        table = pa.table({"title": ["a title"], "clip": [name], "start_s": [1.0], "end_s": [2.0]})
        pq.write_table(table, data / f"{split}-00000-of-00001.parquet")
    (train,) = videos("hf:t")
    assert (train.video_id, train.source, train.spans) == ("a.mp4", "t/a.mp4", (Span(1, 2),))
    (test,) = videos("hf:t:test")
    assert test.video_id == "sub/c d.mp4"
    assert "hf:t: Bad split: nope" in str(refused("hf:t:nope"))


def test_a_dataset_of_video_files_is_not_decoded(home: Path) -> None:
    found = videos(f"hf:{home}/t")
    assert sorted(v.video_id for v in found) == ["a.mp4", "b.mp4", "sub/c d.mp4"]
    assert found[0].size_bytes == 3


def test_a_dataset_of_bytes_is_refused_and_a_table_of_them_never_reads_them(home: Path) -> None:
    from datasets import Features, Video

    path = str(home / "t/a.mp4")
    rows = [{"path": path, "bytes": b"all of it"}, {"path": path, "bytes": None}]
    schema = Features({"video": Video()}).arrow_schema
    pq.write_table(pa.Table.from_pylist([{"video": row} for row in rows], schema), "t/v.parquet")
    assert "row 1: column 'video' holds the video's bytes" in str(refused("hf:t/v.parquet"))
    assert [v.video_id for v in videos("t/v.parquet")] == ["a.mp4"]


def test_a_dataset_that_is_not_there() -> None:
    error = refused("hf:nobody/nothing")
    assert str(error).startswith("hf:nobody/nothing: ")
    assert "NAME_OR_PATH" in str(error.hint)
