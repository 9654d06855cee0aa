"""Compacting: fewer parts, the same rows, at any moment."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pytest

from pseudolabel.captions.options import ConsolidateOptions
from pseudolabel.contract import clip_schema
from pseudolabel.errors import RunError
from pseudolabel.runs import compact as module
from pseudolabel.runs.compact import compact
from pseudolabel.runs.consolidate import consolidate
from pseudolabel.runs.findings.findings import find_in_run
from pseudolabel.runs.floor import KEPT, Floor, Pair
from pseudolabel.runs.show import find_rows
from pseudolabel.runs.storage.ahead import AT_ONCE
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.runs.storage.writer import PartWriter, RunWriter, VideoRows
from run_factory import skipped_video, video_rows, write_run

PARTS = 6


def pairs(video_id: str, seed: int, count: int = 3) -> tuple[Pair, ...]:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, 2, 8)).astype(np.float32)
    return tuple(Pair(video_id, at, *vectors[at]) for at in range(count))


def many_parts(path: Path) -> str:
    """Six parts with repeats, skipped videos and a floor; one video's rows are in three parts."""
    parts: list[list[VideoRows]] = []
    for part in range(PARTS):
        videos = [video_rows(f"{part}-{at}", [f"text {part} {at}", "the same"]) for at in range(3)]
        videos = [
            VideoRows(v.clips, (), pairs(f"{part}-{at}", part)) for at, v in enumerate(videos)
        ]
        if part in (0, 2, 5):
            again = video_rows("again", [f"try {part}"])
            videos.append(VideoRows(again.clips, (), pairs("again", part, 1)))
        if part in (3, 4):
            videos.append(VideoRows((), (skipped_video("bad.mp4", f"try {part}"),)))
        parts.append(videos)
    parts.append([VideoRows((), (skipped_video("1-0", "now it is broken"),))])
    return write_run(path, *parts)


def contents(run: str) -> dict[str, Any]:
    """All that a run says, in no order."""
    folder = RunFolder(run)
    findings, floor = find_in_run(folder)
    found: dict[str, Any] = {
        kind: sorted(map(repr, rows(folder, kind))) for kind in ("clips", "skipped")
    }
    reading = findings.reading()
    added = [reading.add_to(table, floor) for table in folder.rows()]
    found["findings"] = sorted(repr(row) for table in added for row in table.to_pylist())
    return {**found, "summary": findings.summary, "floor": floor.chances.tolist()}


def rows(folder: RunFolder, kind: Any = "clips") -> list[dict[str, Any]]:
    return [row for table in folder.rows(kind) for row in table.to_pylist()]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of at most 14 rows, so that a few are made."""
    monkeypatch.setattr(module, "MOST_ROWS", 14)


def test_rows_and_their_order_stay(tmp_path: Path) -> None:
    run = many_parts(tmp_path / "run")
    folder = RunFolder(run)
    before, ordered = contents(run), pa.concat_tables(folder.rows())
    skipped = rows(folder, "skipped")
    told: list[int] = []
    tally = compact(run, on_progress=lambda tally: told.append(tally.joined))
    assert (tally.parts_before, tally.parts_after, tally.joined) == (PARTS + 1, 1, PARTS + 1)
    assert told == [PARTS + 1]
    assert tally.clips == ordered.num_rows
    assert contents(run) == before
    (joined,) = folder.rows()
    assert joined.equals(ordered.combine_chunks())
    assert joined.schema.equals(clip_schema())
    assert rows(folder, "skipped") == skipped
    assert tally.bytes_after == sum(f.stat().st_size for f in Path(run).iterdir())


@pytest.mark.usefixtures("small")
def test_parts_have_a_bound_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    run = many_parts(tmp_path / "run")
    ordered = pa.concat_tables(RunFolder(run).rows())
    tally = compact(run)
    assert 1 < tally.parts_after < PARTS
    assert tally.parts_after == len(RunFolder(run).parts())
    assert max(len(table) for table in RunFolder(run).rows()) <= 14
    assert pa.concat_tables(RunFolder(run).rows()).equals(ordered)
    names = sorted(path.name for path in Path(run).iterdir())
    again = compact(run)
    assert (again.joined, again.parts_after) == (0, tally.parts_after)
    assert sorted(path.name for path in Path(run).iterdir()) == names


def test_bytes_bound_a_part_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = many_parts(tmp_path / "run")
    monkeypatch.setattr(module, "MOST_BYTES", 1)
    assert compact(run).joined == 0


class Killed(BaseException):
    """What a process that was killed does not see."""


@pytest.mark.usefixtures("small")
def test_stopped_between_any_two_steps_it_reads_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = many_parts(tmp_path / "whole")
    before = contents(whole)
    left = 0
    write, remove = PartWriter._write, PartWriter.remove

    def step() -> None:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1

    def writing(self: PartWriter, name: str, data: bytes) -> None:
        step()
        write(self, name, data)

    def removing(self: PartWriter, name: str) -> None:
        if self.folder.fs.exists(self.folder.at(name)):
            step()
        remove(self, name)

    for steps in range(200):
        run = str(shutil.copytree(whole, tmp_path / str(steps)))
        left = steps
        with monkeypatch.context() as patched:
            patched.setattr(PartWriter, "_write", writing)
            patched.setattr(PartWriter, "remove", removing)
            try:
                compact(run)
                break
            except Killed:
                pass
        assert contents(run) == before, f"after {steps} steps"
        with RunWriter(run) as writer:  # captioning may go on
            writer.commit([])
        compact(run)
        assert contents(run) == before, f"after {steps} steps, and to the end"
    assert 15 < steps < 199


def test_killed_by_a_signal(tmp_path: Path) -> None:
    run = many_parts(tmp_path / "run")
    before = contents(run)
    program = (
        "import os, signal, sys\n"
        "from pseudolabel.runs import compact as c\n"
        "from pseudolabel.runs.storage.writer import PartWriter\n"
        "left, remove = 4, PartWriter.remove\n"
        "def until_killed(self, name):\n"
        "    global left; left -= 1\n"
        "    if not left: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    remove(self, name)\n"
        "PartWriter.remove = until_killed\n"
        "c.compact(sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, run], env={**os.environ})
    assert done.returncode == -signal.SIGKILL
    assert 0 < len(RunFolder(run).parts()) < PARTS + 2
    assert contents(run) == before
    compact(run)
    assert contents(run) == before
    assert len(RunFolder(run).parts()) == 1


def test_of_the_floor_the_smallest_places_are_kept(tmp_path: Path) -> None:
    parts = [
        [VideoRows(video_rows(f"v{part}").clips, (), pairs(f"v{part}", part, 40))]
        for part in range(20)
    ]
    run = write_run(tmp_path / "run", *parts)
    before = Floor(RunFolder(run).floor()).chances
    compact(run)
    kept = RunFolder(run).floor()
    assert kept.num_rows == KEPT
    assert np.array_equal(Floor(kept).chances, before)


def test_a_run_in_work_and_what_is_no_run_are_refused(tmp_path: Path) -> None:
    run = many_parts(tmp_path / "run")
    with RunWriter(run), pytest.raises(RunError, match="another process is writing"):
        compact(run)
    with pytest.raises(RunError, match="not a run folder"):
        compact(str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_a_consolidation_goes_on_when_both_runs_were_compacted(tmp_path: Path) -> None:
    run = many_parts(tmp_path / "run")
    options = ConsolidateOptions("medoid")
    consolidate(run, str(tmp_path / "whole"), options)
    consolidate(run, str(tmp_path / "half"), options)
    parts = RunFolder(str(tmp_path / "half")).parts()
    for part in parts[len(parts) // 2 :]:  # as if killed before them
        (tmp_path / "half" / f"clips-{part:06d}.parquet").unlink()
    compact(run)
    compact(str(tmp_path / "half"))
    consolidate(run, str(tmp_path / "half"), options)
    half, whole = (str(tmp_path / name) for name in ("half", "whole"))
    assert sorted(map(str, find_rows(half))) == sorted(map(str, find_rows(whole)))
    lost = [sorted(map(str, find_rows(run, kind="skipped"))) for run in (half, whole)]
    assert lost[0] == lost[1]


def test_one_who_reads_meanwhile_is_told(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", *([video_rows(f"{n}")] for n in range(AT_ONCE + 2)))
    reading = RunFolder(run).rows()
    next(reading)
    compact(run)
    with pytest.raises(RunError, match="compacted while it was read") as caught:
        list(reading)  # those that were read ahead are there
    assert "again" in str(caught.value.hint)
    newest_first = RunFolder(run).rows(newest_first=True)
    assert sum(map(len, newest_first)) == len(rows(RunFolder(run)))


def test_one_who_has_only_listed_lists_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = many_parts(tmp_path / "run")
    before = rows(RunFolder(run))
    stale = RunFolder._stale

    def after_compacting(folder: RunFolder, names: set[str], parts: list[int]) -> Any:
        monkeypatch.setattr(RunFolder, "_stale", stale)
        compact(run)
        return stale(folder, names, parts)

    monkeypatch.setattr(RunFolder, "_stale", after_compacting)
    assert rows(RunFolder(run)) == before


def test_a_run_at_a_url(tmp_path: Path) -> None:
    run = many_parts(tmp_path / "run")
    before = contents(run)
    files = fsspec.filesystem("memory")
    files.put(run, "/bucket/compacted", recursive=True)
    try:
        tally = compact("memory://bucket/compacted")
        assert (tally.parts_before, tally.parts_after) == (PARTS + 1, 1)
        assert contents("memory://bucket/compacted") == before
    finally:
        files.rm("/bucket", recursive=True)


def test_a_writer_at_a_url_that_nobody_knew_of_replaces_nothing(tmp_path: Path) -> None:
    files = fsspec.filesystem("memory")
    files.put(many_parts(tmp_path / "run"), "/bucket/written", recursive=True)
    run = "memory://bucket/written"
    try:
        with RunWriter(run) as writer:
            before = rows(RunFolder(run))
            compact(run)
            writer.commit([video_rows("meanwhile", ["new"])])
        found = rows(RunFolder(run))
        assert [row for row in found if row["video_id"] != "meanwhile"] == before
        assert len(found) == len(before) + 1
    finally:
        files.rm("/bucket", recursive=True)
