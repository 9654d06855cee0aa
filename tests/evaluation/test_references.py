"""Human captions in the shapes of datasets, told apart by what is in the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pseudolabel.errors import InputError
from pseudolabel.evaluation.metrics.references import Segment, read_references
from pseudolabel.records import Span

TWO = {"video1": ("a man sings", "someone sings"), "video2": ("a dog",)}
FLAT = [(key, text) for key, texts in TWO.items() for text in texts]

MSR_VTT = {
    "info": {"year": "2016"},
    "videos": [{"video_id": "video1", "split": "test", "start time": 1.0}],
    "sentences": [
        {"caption": text, "video_id": key, "sen_id": number}
        for number, (key, text) in enumerate(FLAT)
    ],
}
VATEX = [{"videoID": k, "enCap": list(t), "chCap": ["\u4e00"] * len(t)} for k, t in TWO.items()]
JSONL = "\n".join(json.dumps({"clip_name": k, "caption": list(t)}) for k, t in TWO.items())
GROUND_TRUTHS = {k: [{"caption": text} for text in texts] for k, texts in TWO.items()}


MSVD = "# MSVD\n\nvideo1 a man sings\nvideo1\tsomeone sings\r\nvideo2 a dog\n"
MIXED_JSONL = JSONL.partition("\n")[0] + '\n{"clip_name": "video2", "caption": "a dog"}'
RECORDS = [
    {"video": "video1", "caption": ["a man sings", "someone sings"]},
    {"video": "video2", "caption": "a dog"},
]
CSV = """key,vid_key,video_id,sentence
r0,msr1,video1,"a man sings"
r1,msr1,video1,someone sings
r2,msr2,video2,a dog
"""
TSV = "\ufeffVideo_ID\tCaption\n" + "".join(f"{key}\t{text}\n\n" for key, text in FLAT)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (json.dumps(MSR_VTT), "MSR-VTT"),
        (MSVD, "text, as of MSVD"),
        (json.dumps(VATEX), "VATEX"),
        (json.dumps(TWO), "JSON by id"),
        (json.dumps(GROUND_TRUTHS), "JSON by id"),
        (JSONL, "a table"),
        (MIXED_JSONL, "a table"),
        (json.dumps(RECORDS), "a table"),
        (CSV, "a table"),
        (TSV, "a table"),
    ],
)
def test_shapes(tmp_path: Path, text: str, shape: str) -> None:
    """The file's name says nothing."""
    path = tmp_path / "references"
    path.write_text(text, encoding="utf-8")
    found = read_references(str(path))
    assert (dict(found.captions), found.shape) == (TWO, shape)


def test_encodings(tmp_path: Path) -> None:
    path = tmp_path / "references.txt"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        path.write_text("video1 a caf\u00e9\n", encoding=encoding)
        assert read_references(str(path)).captions == {"video1": ("a caf\u00e9",)}


def test_coco_is_found_by_file_name_too(tmp_path: Path) -> None:
    path = tmp_path / "captions_val2014.json"
    images = [{"id": 42, "file_name": "COCO_val2014_000000000042.jpg"}]
    annotations = [{"image_id": 42, "id": n, "caption": text} for n, text in enumerate(("a", "b"))]
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    found = read_references(str(path))
    assert found.captions == {"42": ("a", "b")}
    assert found.aliases == {"COCO_val2014_000000000042": "42"}


def test_activity_net_has_stretches(tmp_path: Path) -> None:
    path = tmp_path / "val_1.json"
    # The second is the wrong way round, the others after it are none.
    times = [[0.5, 4.0], [9.0, 4.0], [1.0, 1.0], [0, 10**400]]
    video = {"duration": 10.0, "timestamps": times, "sentences": ["one", " two", "three", "four"]}
    path.write_text(json.dumps({"v_x": video}))
    found = read_references(str(path))
    texts = ("one", " two", "three", "four")
    assert found.captions == {f"v_x#{number}": (text,) for number, text in enumerate(texts)}
    assert found.segments == {
        "v_x#0": Segment("v_x", Span(0.5, 4.0)),
        "v_x#1": Segment("v_x", Span(4.0, 9.0)),
    }


def test_tables_of_clips_and_of_stretches(tmp_path: Path) -> None:
    path = tmp_path / "references.parquet"
    columns: dict[str, Any] = {"video_id": ["a", "a", "a"], "caption": ["x", "y", "z"]}
    pq.write_table(pa.table({**columns, "clip_index": [3, 3, 4]}), path)
    assert read_references(str(path)).captions == {"a#3": ("x", "y"), "a#4": ("z",)}
    pq.write_table(pa.table({**columns, "start_s": [0, 0, 8.0], "end_s": [8, 8, 9.0]}), path)
    found = read_references(str(path))
    assert found.captions == {"a#0": ("x", "y"), "a#1": ("z",)}
    assert found.segments["a#1"] == Segment("a", Span(8, 9))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"a": 1, "b": 2}', "no known shape: an object of 'a', 'b'"),
        ('{"annotations": [{"image_id": 1, "bbox": []}]}', "no known shape"),
        ('{"sentences": []}', "holds no captions|no known shape"),
        ("{}", "no known shape"),
        ("[]", "no column of ids"),
        ("[1, 2]", "row 1 is no object"),
        ('{"a": ["x", null]}', "'a'.* is no caption"),
        ('{"video_id": null, "caption": "x"}\n{"video_id": "b", "caption": "y"}', "None is no id"),
        ('[{"video_id": "a", "caption": NaN}]', "row 1, caption: 'nan' is no caption"),
        ('[{"video_id": "a", "words": "x"}]', r"of captions \(columns: video_id, words\)"),
        ("video_id,caption\na,one, two\n", "row 1 has 3 cells, the header 2"),
        ('video_id,caption\na,"one\nb,two\n', "not CSV"),
        ("oneword\n", "'oneword' is a line without a caption"),
        ("a\0b", "is no text"),
        ("PAR1", "not readable as Parquet"),
        ('{"v": {"timestamps": [[0, 1]], "sentences": []}}', "as many timestamps as sentences"),
    ],
)
def test_what_is_no_reference_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "references.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_references(str(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_references(str(tmp_path / "gone.json"))
    with pytest.raises(InputError, match="directory"):
        read_references(str(tmp_path))


def test_a_quote_in_a_tab_separated_file_swallows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "references.tsv"
    path.write_text('video_id\tcaption\na\t"hi" says a man\nb\t"open\nc\t"a ""cat"""\n')
    assert read_references(str(path)).captions == {
        "a": ('"hi" says a man',),
        "b": ('"open',),
        "c": ('a "cat"',),
    }
