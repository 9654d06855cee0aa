"""An object store that fails: for a moment it is waited for, else there is one line."""

from __future__ import annotations

import threading
from pathlib import Path

import fsspec
import pytest

from object_store import SECRET, Answer, ObjectStore, Request
from pseudolabel.errors import PseudolabelError, RunError
from pseudolabel.runs.compact import compact
from pseudolabel.runs.options import RunOptions, Share
from pseudolabel.runs.show import find_rows
from pseudolabel.runs.storage import waiting
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.runs.storage.shared_writer import SharedWriter
from pseudolabel.runs.storage.writer import RunWriter
from pseudolabel.videos import opening
from pseudolabel.videos.opening import RemoteFile
from run_factory import video_rows
from runs.storage.store_runs import at, rows, run, video_ids, write_parts


def test_a_store_that_is_away_for_some_seconds(
    store: ObjectStore, videos: Path, out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    leaving = threading.Thread(target=store.stop)

    def leave(_: Request) -> Answer:
        leaving.start()
        return 503, "ServiceUnavailable"

    def back_soon(wait_s: float) -> None:
        leaving.join()
        if len(told) == 3:
            store.start()

    monkeypatch.setattr(waiting, "sleep", back_soon)
    store.on_request = at("PUT", "clips-000001.parquet", leave)
    tally = run(str(videos), out, on_wait=lambda why, _: told.append(why))
    assert tally.clips == 20
    run(str(videos), str(tmp_path / "undisturbed"))
    assert rows(out) == rows(str(tmp_path / "undisturbed"))
    assert len(told) == 3
    assert all("ServiceUnavailable" in why or "Could not connect" in why for why in told)
    assert "Could not connect to the endpoint" in told[-1]


def test_a_store_that_stays_away_is_one_line(
    store: ObjectStore, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(waiting, "sleep", waits.append)
    with RunWriter(out) as writer:
        writer.write_manifest({"format_version": 1, "options": {}})
        store.stop()
        with pytest.raises(
            RunError, match=f"{out}: cannot be written: Could not connect"
        ) as caught:
            writer.commit([video_rows("a")])
    assert "\n" not in str(caught.value)
    assert sum(waits) == 300
    store.start()
    write_parts(out, "a")
    assert video_ids(out) == {"a"}


def test_an_endpoint_that_refuses_is_one_line(store: ObjectStore, out: str) -> None:
    store.stop()
    for open_ in (RunWriter, lambda out: SharedWriter(out, Share(1, 2))):
        with pytest.raises(RunError, match=f"{out}: cannot be read: Could not connect") as caught:
            open_(out)
        assert "credentials" in str(caught.value.hint)
    with pytest.raises(RunError, match="Could not connect"):
        next(find_rows(out))
    with pytest.raises(PseudolabelError, match="Could not connect"):
        run(f"{out}/videos", out)


def test_a_bucket_is_never_made(store: ObjectStore, videos: Path) -> None:
    for share in (None, Share(1, 2)):
        with pytest.raises(RunError, match="there is no bucket 'typo'"):
            run(str(videos), "s3://typo/run", run=RunOptions(workers=1, share=share))
    with pytest.raises(RunError, match="s3://typo/run: not a run folder"):
        next(find_rows("s3://typo/run"))
    with pytest.raises(PseudolabelError, match="s3://typo/videos"):
        run("s3://typo/videos", "s3://bucket/run")
    assert "PUT" not in {request.method for request in store.requests if "typo" in request.key}


def test_access_denied_is_one_line_and_not_waited_for(
    store: ObjectStore, videos: Path, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(waiting, "sleep", waits.append)
    store.on_request = lambda _: (403, "AccessDenied")
    said = []
    for asked in (
        lambda: run(str(videos), out),
        lambda: next(find_rows(out)),
        lambda: compact(out),
    ):
        with pytest.raises(RunError, match=r"cannot be read: (Forbidden|AccessDenied)") as caught:
            asked()
        said.append(f"{caught.value} {caught.value.hint}")
    store.on_request = lambda r: (403, "AccessDenied") if r.method == "PUT" else None
    with pytest.raises(RunError, match="cannot be written: AccessDenied it is") as caught:
        run(str(videos), out)
    said.append(f"{caught.value} {caught.value.hint}")
    assert not any(SECRET in line for line in said)
    assert waits == []


def test_without_credentials_there_is_one_line(
    store: ObjectStore, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    try:
        with pytest.raises(RunError, match="cannot be read: Unable to locate credentials"):
            RunWriter(out)
    finally:
        fsspec.get_filesystem_class("s3").clear_instance_cache()


def test_a_manifest_is_waited_for(
    store: ObjectStore, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "sleep", lambda _: None)
    with SharedWriter(out, Share(1, 2)) as one, SharedWriter(out, Share(2, 2)) as two:
        store.on_request = at("PUT", "run.json", lambda _: (503, "ServiceUnavailable"))
        one.write_manifest({"id": "first", "options": {"--frames": 1}})
        two.write_manifest({"id": "second", "options": {"--frames": 1}})
        assert two.folder.manifest()["id"] == "first"
        with pytest.raises(RunError, match="--frames was 1, now 3"):
            two.write_manifest({"id": "third", "options": {"--frames": 3}})
        assert [one.commit([]), two.commit([]), two.commit([])] == [0, 1, 3]


def test_an_answer_that_is_lost(
    store: ObjectStore, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a client sends again was written the first time."""
    monkeypatch.setattr(waiting, "sleep", lambda _: None)
    store.on_request = at("PUT", "clips-000000.parquet", lambda r: store.lose_answer(r))
    write_parts(out, "a", "b")
    assert RunFolder(out).parts() == [0, 1]
    assert video_ids(out) == {"a", "b"}


def test_a_video_in_a_store_that_is_away_for_a_moment(
    store: ObjectStore, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def back_soon(wait_s: float) -> None:
        waits.append(wait_s)
        if len(waits) % 2 == 0:
            store.start()

    monkeypatch.setattr(opening, "sleep", back_soon)
    fsspec.filesystem("s3").pipe_file(f"{out}.mp4", bytes(range(256)))
    fsspec.filesystem("s3").invalidate_cache()
    store.stop()
    video = RemoteFile(f"{out}.mp4")
    store.stop()
    assert video.read(4) == bytes(range(4))
    assert waits == [0.5, 1.0] * 2
    monkeypatch.setattr(opening, "sleep", waits.append)
    store.stop()
    with pytest.raises(OSError, match="Could not connect"):
        RemoteFile(f"{out}2.mp4")
    assert sum(waits) < 30 + 3, "less than a decode worker may be silent for"
