"""Two releases are compared by what they hold; what cannot be compared is named."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pseudolabel.errors import ReleaseError
from pseudolabel.release.comparison.diff import diff
from pseudolabel.release.rows import arrow_schema
from pseudolabel.release.version import Bump
from release_factory import (
    Row,
    clip_row,
    clip_rows,
    skipped_row,
    source_run,
    write_release,
)

OTHER_RUN = "f" * 16


def base_rows() -> list[Row]:
    return clip_rows(4, 3)


def base_skipped() -> list[Row]:
    return [skipped_row("broken.mp4"), skipped_row("world-00.mp4", 7, reason="truncated")]


def test_rows_that_name_another_captioner_are_made_another_way(tmp_path: Path) -> None:
    """Even where both releases draw on the same two runs."""
    runs = [source_run(clips=6), source_run(OTHER_RUN, clips=6, model="blip")]
    before = write_release(tmp_path / "a", base_rows(), runs=runs)
    rows = base_rows()
    rows[0] |= {"model": "blip", "run": OTHER_RUN}
    after = write_release(tmp_path / "b", rows, runs=runs)
    found = diff(before, after)
    assert found.bump is Bump.MINOR
    assert "captions were made another way" in [reason.text for reason in found.reasons]


def test_a_run_without_a_clip_in_the_release_changes_nothing(tmp_path: Path) -> None:
    before = write_release(tmp_path / "a", base_rows())
    runs = [source_run(clips=12), source_run(OTHER_RUN, clips=0, model="blip")]
    assert diff(before, write_release(tmp_path / "b", base_rows(), runs=runs)).bump is Bump.NONE


def test_fewer_ways_of_captioning_are_no_new_way(tmp_path: Path) -> None:
    runs = [source_run(clips=6), source_run(OTHER_RUN, clips=6, model="blip")]
    before = write_release(tmp_path / "a", base_rows(), runs=runs)
    found = diff(before, write_release(tmp_path / "b", base_rows(), runs=runs[:1]))
    assert [r.text for r in found.reasons] == ["the manifest says otherwise: model"]
    assert "model: blip, demo -> demo" in found.lines()


def test_a_video_that_goes_from_skipped_to_another_split_has_moved(tmp_path: Path) -> None:
    skipped = [skipped_row("world-09.mp4")]
    before = write_release(tmp_path / "a", base_rows(), skipped=skipped)
    rows = [*base_rows(), clip_row("world-09.mp4")]
    after = write_release(tmp_path / "b", rows, placed={"world-09.mp4": "test"})
    (moved,) = diff(before, after).splits.moved_examples
    assert (moved.video_id, moved.before, moved.after) == ("world-09.mp4", ("train",), ("test",))


def test_an_empty_release(tmp_path: Path) -> None:
    empty = write_release(tmp_path / "a", [])
    full = write_release(tmp_path / "b", base_rows())
    found = diff(empty, full)
    assert (found.rows["clips"].added, found.clips.videos_added) == (12, 4)
    assert diff(full, empty).rows["clips"].removed == 12
    assert diff(empty, empty).bump is Bump.NONE


def test_a_config_of_its_own_is_compared_by_rows(tmp_path: Path) -> None:
    before, after = (
        write_release(
            tmp_path / name,
            base_rows(),
            more={"scores": [{"video_id": "a", "score": score} for score in scores]},
        )
        for name, scores in (("a", [1.0, 2.0, 2.0]), ("b", [2.0, 2.0, 3.0, 4.0]))
    )
    rows = diff(before, after).rows["scores"]
    assert (rows.before, rows.after, rows.added, rows.removed, rows.changed) == (3, 4, 1, 0, 1)


def test_examples_are_few_and_the_rest_is_counted(tmp_path: Path) -> None:
    before = write_release(tmp_path / "a", base_rows())
    after = write_release(tmp_path / "b", base_rows() + clip_rows(3, 3, first=50))
    found = diff(before, after, examples=2)
    assert len(found.clips.added) == 2
    lines = found.lines()
    assert "  and 7 more" in lines
    assert "videos 4 -> 7 (3 added)" in lines


def test_lines_hold_no_character_that_a_terminal_acts_on(tmp_path: Path) -> None:
    before = write_release(tmp_path / "a", base_rows())
    row = clip_row("evil\x1b[2J\n.mp4", caption="one\ntwo\x1b]0;\u202e" + "x" * 1000)
    lines = diff(before, write_release(tmp_path / "b", [*base_rows(), row])).lines()
    assert all(line.isprintable() and len(line) < 250 for line in lines)


def test_a_folder_that_is_no_release(tmp_path: Path) -> None:
    release = write_release(tmp_path / "a", base_rows())
    (tmp_path / "empty").mkdir()
    for pair in ((release, tmp_path / "empty"), (tmp_path / "none", release)):
        with pytest.raises(ReleaseError, match="not a release"):
            diff(*pair)


@pytest.mark.parametrize("damage", ["cut", "noise", "gone"])
def test_a_file_that_cannot_be_read_is_named(damage: str, tmp_path: Path) -> None:
    release = write_release(tmp_path / "a", base_rows())
    broken = write_release(tmp_path / "b", base_rows())
    file = broken / "data/frames/train-00000-of-00001.parquet"
    data = file.read_bytes()
    if damage == "cut":
        file.write_bytes(data[: len(data) // 2])
    elif damage == "noise":
        middle = len(data) // 3
        noise = random.Random(0).randbytes(middle)
        file.write_bytes(data[:100] + noise + data[100 + middle :])
    else:
        file.unlink()
    with pytest.raises(ReleaseError, match=r"data/frames/train-00000-of-00001\.parquet"):
        diff(release, broken)


def test_a_text_that_is_no_text(tmp_path: Path) -> None:
    release = write_release(tmp_path / "a", base_rows())
    broken = write_release(tmp_path / "b", base_rows(), skipped=base_skipped())
    file = broken / "data/skipped/train-00000-of-00001.parquet"
    skipped = pq.read_table(file)
    at = skipped.schema.get_field_index("reason")
    reasons = pa.array([b"\xff", b"\xfe"]).view(pa.string())
    pq.write_table(skipped.set_column(at, skipped.schema.field(at), reasons), file)
    with pytest.raises(ReleaseError, match=r"data/skipped/.*\.parquet: cannot be read"):
        diff(release, broken)


def test_a_clip_that_stands_there_twice(tmp_path: Path) -> None:
    release = write_release(tmp_path / "a", base_rows())
    twice = write_release(tmp_path / "b", [*base_rows(), base_rows()[4]], frames=[])
    with pytest.raises(ReleaseError, match=r"b: clips has two rows with video_id 'world-01\.mp4'"):
        diff(release, twice)


def test_a_file_that_lacks_a_column_of_the_others(tmp_path: Path) -> None:
    release = write_release(tmp_path / "a", base_rows())
    mixed = write_release(tmp_path / "b", base_rows(), rows_per_file=6)
    schema = arrow_schema("clips")
    short = schema.remove(schema.get_field_index("caption"))
    other = write_release(tmp_path / "c", base_rows(), schemas={"clips": short}, rows_per_file=6)
    name = "data/clips/train-00001-of-00002.parquet"
    (mixed / name).write_bytes((other / name).read_bytes())
    with pytest.raises(ReleaseError, match=r"00001-of-00002\.parquet: has no column caption"):
        diff(release, mixed)
