"""`validate`: everything that can be wrong with a release is found, and told by file and row."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pseudolabel.errors import ReleaseError
from pseudolabel.files import hash_file
from pseudolabel.release.export import export
from pseudolabel.release.manifest import CARD, MANIFEST, read_manifest
from pseudolabel.release.options import ReleaseOptions
from pseudolabel.release.validate import MOST_OF_A_FILE, Problem, validate_folder
from run_factory import video_rows, write_run

CLIPS = "data/clips/train-00000-of-00001.parquet"
FRAMES = "data/frames/train-00000-of-00001.parquet"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    videos = [video_rows(f"v{i:02}.mp4", ("a cat", "a dog")) for i in range(20)]
    run = write_run(folder / "run", videos)
    options = ReleaseOptions(version="1.0.0", license="cc-by-4.0", split="train=0.5,validation=0.5")
    export([run], str(folder / "release"), options)
    return folder / "release"


@pytest.fixture
def release(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "release"))


def told(release: Path) -> list[tuple[str, int | None, str]]:
    return [(p.file, p.row, p.message) for p in validate_folder(release)]


def rewrite(release: Path, file: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows of a file, and make the manifest agree with its new bytes."""
    table = change(pq.read_table(release / file))
    pq.write_table(table, release / file)
    agree(release, file, rows=table.num_rows)


def agree(release: Path, file: str, rows: int | None = None) -> None:
    manifest = read_manifest(release)
    path = release / file
    files = tuple(
        replace(f, bytes=path.stat().st_size, sha256=hash_file(path), rows=rows)
        if f.path == file
        else f
        for f in manifest.files
    )
    (release / MANIFEST).write_text(replace(manifest, files=files).to_json())


def with_values(column: str, values: dict[int, Any]) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(column)
        held = table[column].to_pylist()
        for row, value in values.items():
            held[row] = value
        field = table.schema.field(column)
        return table.set_column(at, field, pa.array(held, field.type))

    return change


def test_a_good_release_has_no_problem(release: Path) -> None:
    assert told(release) == []


def test_a_problem_reads_well() -> None:
    assert str(Problem("a.parquet", 3, "is wrong")) == "a.parquet, row 3: is wrong"
    assert str(Problem("a.parquet", None, "is wrong")) == "a.parquet: is wrong"


def test_a_changed_file(release: Path) -> None:
    path = release / CLIPS
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert told(release)[0] == (CLIPS, None, "has another checksum than its manifest says")


def test_a_cut_file(release: Path) -> None:
    size = (release / CLIPS).stat().st_size
    with (release / CLIPS).open("r+b") as file:
        file.truncate(100)
    assert told(release)[0] == (CLIPS, None, f"has 100 bytes, not {size}")


def test_a_file_that_is_missing_or_left_over(release: Path) -> None:
    (release / CLIPS).rename(release / "data/clips/other.parquet")
    found = told(release)
    assert found[:2] == [
        ("data/clips/other.parquet", None, f"is not listed in {MANIFEST}"),
        (CLIPS, None, "is missing"),
    ]


def test_a_manifest_that_lists_a_file_outside(release: Path) -> None:
    manifest = json.loads((release / MANIFEST).read_text())
    manifest["files"][0]["path"] = "../run/run.json"
    (release / MANIFEST).write_text(json.dumps(manifest))
    assert (MANIFEST, None, "lists '../run/run.json', which is outside the release") in told(
        release
    )


def test_a_manifest_of_another_shape(release: Path) -> None:
    manifest = json.loads((release / MANIFEST).read_text())
    manifest["version"] = "one"
    manifest["extra"] = 1
    (release / MANIFEST).write_text(json.dumps(manifest))
    messages = [message for file, _, message in told(release) if file == MANIFEST]
    assert len(messages) == 2
    assert any("$.version" in message for message in messages)
    assert any("'extra'" in message for message in messages)


@pytest.mark.parametrize(
    ("config", "what", "of"),
    [
        ("clips", "rows", "/train"),
        ("frames", "videos", "/validation"),
        ("clips", "clips", " of run"),
        ("skipped", "skipped", " of run"),
    ],
)
def test_a_manifest_that_counts_otherwise(release: Path, config: str, what: str, of: str) -> None:
    manifest = json.loads((release / MANIFEST).read_text())
    held = manifest["runs"][0] if of == " of run" else manifest["configs"][config][of[1:]]
    held[what] += 7
    (release / MANIFEST).write_text(json.dumps(manifest))
    messages = [message for file, _, message in told(release) if file == MANIFEST]
    assert len(messages) == 1
    assert f"says {held[what]} " in messages[0] and f"{config}{of}" in messages[0]
    assert messages[0].endswith(f"there are {held[what] - 7}")


@pytest.mark.parametrize("text", ["{", "[]", "null", "[" * 100_000, '{"schema_version": 99}'])
def test_what_is_no_manifest(release: Path, text: str) -> None:
    (release / MANIFEST).write_text(text)
    try:
        assert told(release)
    except ReleaseError as error:
        assert MANIFEST in str(error)


def test_no_release_at_all(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="not a release"):
        validate_folder(tmp_path)


def test_a_wrong_row_is_told_by_its_number(release: Path) -> None:
    rewrite(release, CLIPS, with_values("mean_logprob", {3: 0.5}))
    assert (CLIPS, 3, "mean_logprob is 0.5: maximum 0.001") in told(release)


def test_a_span_outside_its_video(release: Path) -> None:
    rewrite(release, CLIPS, with_values("end_s", {2: 99.0}))
    messages = [message for file, row, message in told(release) if (file, row) == (CLIPS, 2)]
    assert messages == ["clip 0..99 s of a video of 16 s ends after the video"]


def test_the_same_clip_twice(release: Path) -> None:
    rewrite(release, CLIPS, lambda table: pa.concat_tables([table, table.slice(1, 1)]))
    rows = pq.read_table(release / CLIPS).num_rows
    found = told(release)
    assert any(f == CLIPS and r == rows - 1 and "stands there twice" in m for f, r, m in found)
    assert any(f == MANIFEST and "rows of clips/train" in m for f, _, m in found)


def test_the_same_clip_in_two_files(release: Path) -> None:
    other = CLIPS.replace("train", "validation")
    first = pq.read_table(release / CLIPS).slice(0, 1)
    rewrite(release, other, lambda table: pa.concat_tables([table, first]))
    rows = pq.read_table(release / other).num_rows
    found = [(row, message) for file, row, message in told(release) if file == other]
    assert (rows - 1, "a row before has the same ids") in found
    assert (rows - 1, "belongs into the split train") in found


def test_clips_and_frames_that_do_not_belong_together(release: Path) -> None:
    rewrite(release, CLIPS, with_values("clip_index", {1: 7}))
    found = told(release)
    assert (CLIPS, 1, "its frames are not in the config frames") in found
    assert (FRAMES, 1, "its clip is not in the config clips") in found


def test_a_row_of_an_unknown_run(release: Path) -> None:
    rewrite(release, CLIPS, with_values("run", {0: "f" * 16}))
    assert (CLIPS, 0, f"is of run {'f' * 16}, which {MANIFEST} does not describe") in told(release)


@pytest.mark.parametrize("column", ["video_id", "run", "caption", "codec"])
def test_a_text_that_is_not_utf_8(release: Path, column: str) -> None:
    def cut(table: pa.Table) -> pa.Table:
        texts = [text.encode() for text in table[column].to_pylist()]
        texts[1] = "caf\xe9".encode("latin-1")
        held = pa.array(texts, pa.binary()).view(pa.string())
        at = table.schema.get_field_index(column)
        return table.set_column(at, table.schema.field(column), held)

    rewrite(release, CLIPS, cut)
    assert any(f == CLIPS and "UTF8" in message for f, _, message in told(release))


def test_a_card_that_is_not_utf_8(release: Path) -> None:
    card = release / CARD
    card.write_bytes(card.read_bytes() + b"\xff")
    agree(release, CARD)
    ((file, _, message),) = told(release)
    assert file == CARD and message.startswith("is not UTF-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["flags"]), "has no column flags"),
        (lambda t: t.append_column("more", t["caption"]), "has a column more"),
        (lambda t: t.set_column(1, "clip_index", t["clip_index"].cast(pa.int64())), "column clip_"),
        (lambda t: t.replace_schema_metadata(None), "its Hugging Face features are not"),
        (lambda t: t.select(list(reversed(t.column_names))), "has its columns in another order"),
    ],
)
def test_other_columns(release: Path, change: Callable[[pa.Table], pa.Table], message: str) -> None:
    rewrite(release, CLIPS, change)
    assert [(f, r) for f, r, m in told(release) if m.startswith(message)] == [(CLIPS, None)]


def test_a_file_that_is_no_parquet(release: Path) -> None:
    (release / CLIPS).write_text("no parquet")
    agree(release, CLIPS, rows=1)
    assert any(f == CLIPS and m.startswith("cannot be read") for f, _, m in told(release))


def test_many_wrong_rows_are_told_as_a_number(release: Path) -> None:
    rows = pq.read_table(release / CLIPS).num_rows
    rewrite(release, CLIPS, with_values("rotation_deg", dict.fromkeys(range(rows), 7)))
    found = [(row, message) for file, row, message in told(release) if file == CLIPS]
    if rows > MOST_OF_A_FILE:
        assert found[-1] == (None, f"{rows - MOST_OF_A_FILE} more problems")
    assert len(found) == min(rows, MOST_OF_A_FILE + 1)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("license: cc-by-4.0", "license: mit", "license"),
        ("num_examples: ", "num_examples: 1", "num_examples"),
        ("config_name: frames", "config_name: other", "configs"),
        ("1.0.0", "9.9.9", "does not say that this is version"),
    ],
)
def test_a_card_that_says_otherwise(release: Path, before: str, after: str, message: str) -> None:
    card = release / CARD
    text = card.read_text(encoding="utf-8")
    assert before in text
    card.write_text(text.replace(before, after), encoding="utf-8")
    agree(release, CARD)
    found = told(release)
    assert found and {file for file, _, _ in found} == {CARD}
    assert any(message in m for _, _, m in found)
