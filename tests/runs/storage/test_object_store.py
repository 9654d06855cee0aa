"""Runs in an object store: a real S3-compatible server, with processes that are really killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from object_store import Answer, ObjectStore, Request
from pseudolabel.captions.options import ConsolidateOptions
from pseudolabel.errors import RunError
from pseudolabel.release.export import export
from pseudolabel.release.options import ReleaseOptions
from pseudolabel.runs.compact import compact
from pseudolabel.runs.consolidate import consolidate
from pseudolabel.runs.floor import Pair
from pseudolabel.runs.options import RayOptions, RunOptions, Share
from pseudolabel.runs.show import find_rows
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.runs.storage.writer import PartWriter, RunWriter
from pseudolabel.videos.opening import RemoteFile
from pseudolabel.videos.options import ClipOptions
from pseudolabel.videos.sources.listing import list_videos
from run_factory import video_rows, write_run
from runs.storage.large_part import MIB, large
from runs.storage.store_runs import at, beside, key, rows, run, video_ids, write_parts

RUNS = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def local(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The run on a disk."""
    path = str(tmp_path_factory.mktemp("local") / "run")
    run(str(videos), path)
    return path


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, RUNS / script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(RUNS.parent)},
        stdout=subprocess.PIPE,
        text=True,
    )


def released_rows(runs: list[str], folder: Path) -> pa.Table:
    """The clips of a release of these runs."""
    export(runs, str(folder), ReleaseOptions(version="1.0.0", license="cc-by-4.0", name="me/x"))
    by = [("video_id", "ascending"), ("clip_index", "ascending")]
    return pq.read_table(folder / "data" / "clips").sort_by(by)


# -- the same rows as on a disk -----------------------------------------------------------------


def test_a_run_is_what_it_is_on_a_disk(videos: Path, local: str, out: str) -> None:
    tally = run(str(videos), out)
    assert rows(out) == rows(local)
    assert rows(out, "skipped") == rows(local, "skipped")
    assert len(RunFolder(out).parts()) > 1, "committed as it went"
    again = run(str(videos), out)
    assert (tally.videos, again.already_done, again.clips) == (4, 4, 0)
    assert len(rows(out)) == 20
    with pytest.raises(RunError, match=r"--clips was 'fixed:0\.4', now 'whole'"):
        run(str(videos), out, clips=ClipOptions(mode="whole"))


def test_videos_in_the_store(store: ObjectStore, videos: Path, local: str, out: str) -> None:
    inputs = beside(out, "videos")
    fsspec.filesystem("s3").put(str(videos), inputs, recursive=True)
    tally = run(inputs, out)
    told = [(row["video_id"], row["clip_index"], row["caption"]) for row in rows(out)]
    assert told == [(row["video_id"], row["clip_index"], row["caption"]) for row in rows(local)]
    assert {row["source"] for row in rows(out)} >= {f"{inputs}/more/a.mp4"}
    assert tally.skipped_videos == 0
    fsspec.filesystem("s3").put(str(videos / "a.mp4"), f"{inputs}/z.mp4")
    again = run(inputs, out)
    assert (again.already_done, again.videos) == (4, 1)


def test_of_a_large_video_only_some_is_read(store: ObjectStore, out: str) -> None:
    fsspec.filesystem("s3").pipe_file(f"{out}.mp4", bytes(48 * MIB))
    video = RemoteFile(f"{out}.mp4")
    for place in (0, 20 * MIB, 40 * MIB):
        video.seek(place)
        assert video.read(1000) == bytes(1000)
    read = [request for request in store.requests if request.method == "GET"]
    assert sum(request.asked_bytes() for request in read) < 8 * MIB


def test_all_that_is_done_with_a_run(videos: Path, local: str, out: str, tmp_path: Path) -> None:
    run(str(videos), out)
    before = rows(out)
    tally = compact(out)
    assert (tally.parts_before > 1, tally.parts_after) == (True, 1)
    assert rows(out) == before
    assert len(list(find_rows(out, video="more/*", text="FRAME"))) == 5
    consolidate(out, f"{out}-2", ConsolidateOptions(strategy="timeline"))
    assert [row["caption"] for row in rows(f"{out}-2")] == [row["caption"] for row in before]
    released = [released_rows([path], tmp_path / str(n)) for n, path in enumerate((out, local))]
    assert released[0].num_rows == 20
    differing = [n for n in released[0].column_names if released[0][n] != released[1][n]]
    assert differing == ["run"], "which names the run"


@pytest.mark.timeout(120)
def test_ray(videos: Path, local: str, out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(RUNS.parent))
    tally = run(str(videos), out, run=RunOptions(ray=RayOptions(workers=1)))
    assert tally.clips == 20
    assert rows(out) == rows(local)


# -- several writers -----------------------------------------------------------------------------


def test_shares_at_the_same_time(videos: Path, local: str, out: str) -> None:
    processes = [start("shared_run.py", videos, out, share) for share in ("1/3", "3/3")]
    run(str(videos), out, run=RunOptions(workers=1, commit_every_s=0, share=Share(2, 3)))
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0]
    assert rows(out) == rows(local)
    assert {part % 3 for part in RunFolder(out).parts()} == {0, 1, 2}
    assert run(str(videos), out).already_done == 4


def test_one_of_many_makes_the_manifest(store: ObjectStore, out: str) -> None:
    shares = 8
    together = threading.Barrier(shares)
    made: list[bool] = []

    def create(number: int) -> None:
        folder = RunFolder(out)
        together.wait()
        made.append(folder.create("run.json", b"%d" % number))

    threads = [threading.Thread(target=create, args=(n,)) for n in range(shares)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * (shares - 1) + [True]
    assert RunFolder(out).create("run.json", b"late") is False
    assert RunFolder(out).read("run.json") != b"late"


@pytest.mark.parametrize(
    ("answer", "is_there", "made"),
    [
        ((412, "PreconditionFailed"), True, False),  # of a store that does not say which
        ((409, "ConditionalRequestConflict"), True, False),
        ((501, "NotImplemented"), False, True),
    ],
)
def test_stores_that_answer_in_another_way(
    store: ObjectStore, out: str, answer: Answer, is_there: bool, made: bool
) -> None:
    if is_there:
        RunFolder(out).create("run.json", b"first")
    store.on_request = at("PUT", "run.json", lambda _: answer)
    assert RunFolder(out).create("run.json", b"second") is made
    assert RunFolder(out).read("run.json") == (b"second" if made else b"first")


def test_a_folder_that_was_made_on_the_web_page(store: ObjectStore, out: str) -> None:
    """It is an object without bytes, whose name ends in a slash."""
    bucket, _, folder = key(out).partition("/")
    fsspec.filesystem("s3").call_s3("put_object", Bucket=bucket, Key=f"{folder}/", Body=b"")
    write_parts(out, "a")
    assert video_ids(out) == {"a"}
    assert compact(out).parts_before == 1


def test_what_others_wrote_is_seen(store: ObjectStore, out: str, tmp_path: Path) -> None:
    """fsspec's driver remembers a listing as long as this process lives."""
    fs, folder = fsspec.filesystem("s3"), RunFolder(out)
    above = key(beside(out, "")).rstrip("/")
    fs.pipe_file(f"{above}/a.mp4", b"1")
    assert fs.ls(above, detail=False) == [f"{above}/a.mp4"]  # as listing inputs does

    other = fsspec.filesystem("s3", skip_instance_cache=True)  # as another process has it
    made = write_run(tmp_path / "made", [video_rows("a")], [video_rows("b")])
    for name in ("run.json", "clips-000000.parquet", "clips-000001.parquet"):
        other.put_file(f"{made}/{name}", key(out, name))
    assert folder.exists()
    assert folder.parts() == [0, 1]
    assert set(folder.sizes()) == {"run.json", "clips-000000.parquet", "clips-000001.parquet"}

    other.pipe_file(key(out, "skipped-000002.parquet"), b"")
    other.pipe_file(key(out, "clips-000002.parquet"), b"")
    assert folder.parts() == [0, 1, 2]
    assert folder.parts_with("skipped") == {2}

    other.rm_file(key(out, "clips-000002.parquet"))
    other.pipe_file(key(out, ".crew"), b"7")
    with RunWriter(out) as writer:
        assert writer.folder.parts() == [0, 1]
        assert writer.commit([]) == 10_007, "above what another crew may write"


def test_what_parts_keep_for_the_floor_is_asked_for_together(store: ObjectStore, out: str) -> None:
    pair = Pair("a", 0, np.ones(2, np.float32), np.ones(2, np.float32))
    with RunWriter(out) as writer:
        for number in range(4):
            writer.commit([replace(video_rows("a"), pairs=(replace(pair, clip_index=number),))])
    together = threading.Barrier(4)
    waited: list[int] = []

    def wait_for_the_others(request: Request) -> None:
        if request.method == "GET" and "/floor-" in request.key:
            waited.append(together.wait(10))

    store.on_request = wait_for_the_others
    assert RunFolder(out).floor()["clip_index"].to_pylist() == [0, 1, 2, 3]
    assert sorted(waited) == [0, 1, 2, 3]


def test_new_videos_in_the_store_are_seen(store: ObjectStore, out: str) -> None:
    videos = beside(out, "videos")
    other = fsspec.filesystem("s3", skip_instance_cache=True)
    for names in (["a.mp4"], ["a.mp4", "b.mp4"]):
        other.pipe_file(f"{videos}/{names[-1]}", b"1")
        for inputs in (videos, f"{videos}/*.mp4"):
            assert [listed.video_id for listed in list_videos([inputs])] == names


def test_writers_of_a_whole_run_do_not_overwrite_each_other(store: ObjectStore, out: str) -> None:
    """There is no lock; but a name can only be taken once."""
    busy = pytest.raises(RunError, match="another process is writing to this run")
    with RunWriter(out) as one, RunWriter(out) as two:
        one.write_manifest({"format_version": 1, "options": {}})
        with busy:
            two.write_manifest({"format_version": 1, "options": {"--frames": 3}})
        assert one.commit([video_rows("a")]) == 0
        with busy:
            two.commit([video_rows("b")])
    assert RunFolder(out).manifest()["options"] == {}
    assert video_ids(out) == {"a"}
    fsspec.filesystem("s3").pipe_file(key(out, "skipped-000005.parquet"), b"half a commit")
    with RunWriter(out) as writer:
        assert writer.commit([video_rows("b")]) == 6
    assert video_ids(out) == {"a", "b"}


# -- whole or not at all -------------------------------------------------------------------------


def test_two_crews_have_numbers_of_their_own(
    store: ObjectStore, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunWriter(out) as writer:
        writer.write_manifest({})
    monkeypatch.setattr(PartWriter, "first_free", lambda _: 0)  # both look before either begins
    assert [PartWriter(out).begin_crew() for _ in range(3)] == [0, 10_000, 20_000]


def test_killed_between_parts(store: ObjectStore, videos: Path, local: str, out: str) -> None:
    process = start("killed_run.py", videos, out)
    at_second = at("PUT", "clips-000001.parquet", lambda _: process.kill())
    store.on_request = at_second
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    kept = rows(out)
    assert len(kept) % 5 == 0
    assert 0 < len(kept) < 20
    tally = run(str(videos), out)
    assert tally.already_done == len(kept) / 5
    assert rows(out) == rows(local)


@pytest.mark.parametrize(
    ("size", "unfinished"),
    [(24 * MIB, 0), (104 * MIB, 1)],
    ids=["at once", "in several parts"],
)
def test_killed_while_a_part_is_sent(
    store: ObjectStore, out: str, size: int, unfinished: int
) -> None:
    write_parts(out, "a")
    process = start("storage/large_part.py", out, 1, size)

    def kill(request: Request) -> None:
        def now() -> None:
            process.kill()
            process.wait()

        request.before_byte(MIB, now)

    store.on_request = at("PUT", "clips-000001.parquet", kill)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert store.names(key(out)) == ["clips-000000.parquet", "run.json"]
    assert store.unfinished_uploads("bucket") == unfinished
    assert video_ids(out) == {"a"}
    store.requests.clear()
    tables = large(size)
    PartWriter(out).write_rows(1, *tables)
    sent = [r for r in store.requests if "uploadId" in r.query]
    assert len(sent) == (size // (50 * MIB) + 2 if unfinished else 0), "and that they are all"
    assert RunFolder(out).rows_of(1, "clips").equals(tables[0])


def test_columns_of_a_large_part(store: ObjectStore, out: str) -> None:
    """Of a part of many megabytes, a resumed run reads the ids."""
    clips, *others = large(24 * MIB)
    PartWriter(out).write_rows(0, clips, *others)
    assert RunFolder(out).rows_of(0, "clips", columns=["video_id"]).equals(clips.select([0]))
    read = [
        r for r in store.requests if r.method == "GET" and r.key == key(out, "clips-000000.parquet")
    ]
    assert 0 < sum(r.asked_bytes() for r in read) < 5 * MIB
    assert RunFolder(out).rows_of(0, "clips").equals(clips)
