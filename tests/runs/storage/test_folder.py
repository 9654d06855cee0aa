"""The run folder: parts whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pseudolabel.contract import clip_schema, skipped_schema
from pseudolabel.errors import RunError
from pseudolabel.records import (
    Caption,
    CaptionedClip,
    ClipCaption,
    ClipPlan,
    FrameCaption,
    Part,
    Skipped,
    SkipReason,
    Span,
    Video,
    VideoInfo,
)
from pseudolabel.runs.options import Share
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.runs.storage.shared_writer import SharedWriter
from pseudolabel.runs.storage.writer import PartWriter, RunWriter, VideoRows

INFO = VideoInfo(640, 360, "h264", "yuv420p", 0, 25.0, 8.0, 0.0, 8.0, "hash")


def rows(video_id: str, text: str = "a text", *, skipped: bool = False) -> VideoRows:
    frame = FrameCaption(4.0, True, (Caption(text, -0.25, False),))
    video = Video(video_id, f"/videos/{video_id}", "10-20")
    captioned = CaptionedClip(video, INFO, ClipPlan(0, Span(0, 8), (4.0,)), (frame,))
    clip = ClipCaption(captioned, text, (Part(0, 0, 0),))
    lost = Skipped(video_id, video.source, "decode", SkipReason.DECODE_ERROR, "broken", Span(8, 16))
    return VideoRows((clip,), (lost,) if skipped else ())


def texts(folder: RunFolder) -> dict[str, str]:
    return {
        video_id: caption
        for table in folder.rows()
        for video_id, caption in zip(
            table["video_id"].to_pylist(), table["caption"].to_pylist(), strict=True
        )
    }


@pytest.mark.parametrize("text", ["[]", '"a run"', '{"name": "of another program"}'])
def test_a_manifest_of_something_else_is_no_run(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError, match=r"its run\.json is of something else"):
        RunFolder(str(tmp_path)).manifest()


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    nasty = "quotes \" ' newline \n emoji 🎬 rtl שלום --- <b>&amp;</b>"
    with RunWriter(str(tmp_path / "run")) as writer:
        writer.write_manifest({"format_version": 1})
        writer.commit([rows("a", nasty, skipped=True), rows("b")])
    folder = RunFolder(str(tmp_path / "run"))
    assert texts(folder) == {"a": nasty, "b": "a text"}
    (table,) = folder.rows()
    assert table.schema.equals(clip_schema())
    (skipped,) = folder.rows("skipped")
    assert skipped.schema.equals(skipped_schema())
    assert skipped.to_pylist()[0]["start_s"] == 8.0


def test_the_newer_part_holds_a_video(tmp_path: Path) -> None:
    with RunWriter(str(tmp_path)) as writer:
        writer.write_manifest({})
        writer.commit([rows("a", "old", skipped=True), rows("b", "kept")])
        writer.commit([rows("a", "new")])
    folder = RunFolder(str(tmp_path))
    assert texts(folder) == {"a": "new", "b": "kept"}
    assert sum(len(table) for table in folder.rows("skipped")) == 0


def test_half_a_commit_is_no_commit(tmp_path: Path) -> None:
    with RunWriter(str(tmp_path)) as writer:
        writer.write_manifest({})
        writer.commit([rows("a")])
        writer.commit([rows("b", skipped=True)])
    (tmp_path / "clips-000001.parquet").unlink()  # as if killed before its rename
    folder = RunFolder(str(tmp_path))
    assert texts(folder) == {"a": "a text"}
    assert sum(len(table) for table in folder.rows("skipped")) == 0
    with RunWriter(str(tmp_path)) as writer:
        writer.commit([rows("c")])
    assert sum(len(table) for table in folder.rows("skipped")) == 0
    assert texts(folder) == {"a": "a text", "c": "a text"}


def test_a_run_may_be_read_while_it_is_written(tmp_path: Path) -> None:
    with RunWriter(str(tmp_path)) as writer:
        writer.write_manifest({})
        writer.commit([rows("a")])
        reading = RunFolder(str(tmp_path)).rows()
        assert len(next(reading)) == 1
        writer.commit([rows("b")])
        assert not list(reading), "what was there when reading began"


def test_leftovers_of_a_killed_writer_are_removed(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "clips-000000.parquet.tmp").write_bytes(b"half")
    with RunWriter(str(tmp_path)):
        pass
    assert not list(tmp_path.glob("*.tmp"))


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with RunWriter(str(tmp_path)), pytest.raises(RunError, match="another process"):
        RunWriter(str(tmp_path))
    with RunWriter(str(tmp_path)):
        pass  # given back


def test_what_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no run\.json"):
        RunFolder(str(tmp_path)).manifest()


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"format_version": 99}))
    with pytest.raises(RunError, match="99"):
        RunFolder(str(tmp_path)).manifest()


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    with RunWriter(str(tmp_path)) as writer:
        writer.write_manifest({})
        writer.commit([rows("a")])
    (tmp_path / "clips-000000.parquet").write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"clips-000000\.parquet"):
        list(RunFolder(str(tmp_path)).rows())


def test_a_url_without_a_driver_is_one_line() -> None:
    with pytest.raises(RunError, match="nosuch"):
        RunFolder("nosuch://bucket/run")


def test_newest_first(tmp_path: Path) -> None:
    with RunWriter(str(tmp_path)) as writer:
        writer.write_manifest({})
        writer.commit([rows("a", "old"), rows("b", "oldest")])
        writer.commit([rows("a", "newer"), rows("c", "middle")])
        writer.commit([rows("d", "newest", skipped=True)])
        writer.commit([rows("a", "new")])
    found = [
        table["caption"].to_pylist() for table in RunFolder(str(tmp_path)).rows(newest_first=True)
    ]
    assert found == [["new"], ["newest"], ["middle"], ["oldest"]]
    skipped = [len(table) for table in RunFolder(str(tmp_path)).rows("skipped", newest_first=True)]
    assert skipped == [0, 1, 0, 0]


def test_the_newest_part_needs_no_other(tmp_path: Path) -> None:
    with RunWriter(str(tmp_path)) as writer:
        writer.write_manifest({})
        writer.commit([rows("a")])
        writer.commit([rows("b")])
    (tmp_path / "clips-000000.parquet").write_bytes(b"damaged")
    found = RunFolder(str(tmp_path)).rows(newest_first=True)
    assert next(found)["video_id"].to_pylist() == ["b"]
    with pytest.raises(RunError, match=r"clips-000000\.parquet"):
        next(found)


def test_parts_beyond_a_million_are_in_order(tmp_path: Path) -> None:
    writer = PartWriter(str(tmp_path))
    for part in (1_000_000, 999_999):
        writer.write(part, [rows(str(part))])
    assert writer.folder.parts() == [999_999, 1_000_000]
    assert list(texts(writer.folder)) == ["999999", "1000000"]


def test_after_a_crew_its_numbers_are_left_out(tmp_path: Path) -> None:
    """A process of a crew whose driver was killed may still write one of them."""
    path = str(tmp_path / "run")
    with RunWriter(path) as writer:
        writer.write_manifest({})
        assert writer.begin_crew() == 0
        writer.write(0, [rows("a")])
    orphan = PartWriter(path)
    with RunWriter(path) as writer:
        assert writer.begin_crew() > 100  # and is killed before it has any part
    with RunWriter(path) as writer:
        assert writer.begin_crew() > 20_000
    with RunWriter(path) as writer:
        assert writer.commit([rows("b", skipped=True)]) > 30_000
        orphan.write(1, [rows("c")])
    with SharedWriter(path, Share(2, 2)) as shared:
        assert shared.commit([rows("d")]) > 30_000
    folder = RunFolder(path)
    assert set(texts(folder)) == {"a", "b", "c", "d"}
    assert sum(table.num_rows for table in folder.rows("skipped")) == 1
