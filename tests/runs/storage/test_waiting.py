"""Storage that fails: for a moment it is waited for, else there is one line; nothing is lost."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from pseudolabel.errors import RunError
from pseudolabel.runs.storage import waiting
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.runs.storage.waiting import patiently
from pseudolabel.runs.storage.writer import RunWriter, VideoRows
from run_factory import skipped_video, video_rows

FIVE_MINUTES_S = 300.0
Waits = list[float]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    """Seconds that were asked for, and not waited."""
    asked: Waits = []
    monkeypatch.setattr(waiting, "sleep", asked.append)
    return asked


def videos(run: Path) -> set[str]:
    return {i for table in RunFolder(str(run)).rows() for i in table["video_id"].to_pylist()}


def test_a_folder_that_is_gone_for_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, away, told = tmp_path / "run", tmp_path / "away", []
    asked_s = 0.0

    def back_after_a_minute(wait_s: float) -> None:
        nonlocal asked_s
        asked_s += wait_s
        if asked_s >= 60 and away.exists():
            away.rename(run)

    monkeypatch.setattr(waiting, "sleep", back_after_a_minute)
    with RunWriter(str(run), on_wait=lambda why, s: told.append((why, s))) as writer:
        writer.write_manifest({"format_version": 1})
        writer.commit([video_rows("a")])
        run.rename(away)
        assert writer.commit([video_rows("b")]) == 1
    assert videos(run) == {"a", "b"}
    assert told[0] == ("No such file or directory", 1.0)
    assert 60 <= sum(s for _, s in told) <= 120


def test_half_a_commit_in_a_folder_that_was_gone_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, away = tmp_path / "run", tmp_path / "away"
    with RunWriter(str(run)) as writer:
        writer.write_manifest({"format_version": 1})
        writer.commit([VideoRows((), (skipped_video("lost"),))])
        (run / "clips-000000.parquet").unlink()  # as if killed before its rename
    with RunWriter(str(run)) as writer:
        run.rename(away)
        monkeypatch.setattr(waiting, "sleep", lambda _: away.rename(run))
        writer.commit([video_rows("a")])
    assert not sum(map(len, RunFolder(str(run)).rows("skipped")))


def test_a_folder_that_stays_away_is_one_line(tmp_path: Path, waits: Waits) -> None:
    run, away = tmp_path / "run", tmp_path / "away"
    with RunWriter(str(run)) as writer:
        writer.write_manifest({"format_version": 1})
        writer.commit([video_rows("a")])
        run.rename(away)
        with pytest.raises(RunError, match="cannot be written: No such file"):
            writer.commit([video_rows("b")])
        away.rename(run)
    assert sum(waits) == FIVE_MINUTES_S
    assert videos(run) == {"a"}
    with RunWriter(str(run)) as writer:
        assert writer.commit([video_rows("b")]) == 1


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(
    tmp_path: Path, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunWriter(str(tmp_path)) as writer:
        writer.write_manifest({"format_version": 1})
        writer.commit([video_rows("a")])
        fill(tmp_path, waits, monkeypatch)
        with pytest.raises(RunError, match="no space left") as caught:
            writer.commit([video_rows("b")])
        assert "make room" in str(caught.value.hint)
    assert waits == [1.0, 2.0, 5.0]
    committed = sorted(path.name for path in tmp_path.glob("*[!k]"))
    assert committed == ["clips-000000.parquet", "run.json"]
    with RunWriter(str(tmp_path)) as writer:
        assert writer.commit([video_rows("b")]) == 1


def fill(run: Path, waits: Waits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is written as part 1, the kernel says that there is no space left."""
    name = run / f"clips-000001.parquet.{os.getpid()}.tmp"
    name.symlink_to("/dev/full")

    def again(wait_s: float) -> None:
        waits.append(wait_s)
        name.symlink_to("/dev/full")  # the writer has removed it

    monkeypatch.setattr(waiting, "sleep", again)


def test_a_disk_that_has_room_again(tmp_path: Path, waits: Waits) -> None:
    with RunWriter(str(tmp_path)) as writer:
        writer.write_manifest({"format_version": 1})
        (tmp_path / f"clips-000000.parquet.{os.getpid()}.tmp").symlink_to("/dev/full")
        writer.commit([video_rows("a")])
    assert waits == [1.0]
    assert videos(tmp_path) == {"a"}


def test_a_limit_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    """A real limit of the operating system, in a process of its own."""
    program = (
        "import signal, sys\n"
        "from pseudolabel.errors import RunError\n"
        "from pseudolabel.runs.storage.writer import RunWriter\n"
        "from run_factory import video_rows\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "with RunWriter(sys.argv[1]) as writer:\n"
        "    writer.write_manifest({'format_version': 1})\n"
        "    try: writer.commit([video_rows('a')])\n"
        "    except RunError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "run"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{tmp_path / 'run'}: cannot be written: File too large\n"
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [".lock", "run.json"]


@pytest.mark.parametrize(
    ("error", "total_s"),
    [
        (OSError(errno.EIO, "I/O error"), FIVE_MINUTES_S),
        (OSError(errno.ESTALE, "Stale file handle"), FIVE_MINUTES_S),
        (OSError(errno.EROFS, "Read-only file system"), FIVE_MINUTES_S),
        (TimeoutError("the object store"), FIVE_MINUTES_S),
        (ConnectionResetError(errno.ECONNRESET, "reset"), FIVE_MINUTES_S),
        (OSError(errno.ENOSPC, "full"), 8.0),
        (PermissionError(errno.EACCES, "denied"), 0.0),
        (IsADirectoryError(errno.EISDIR, "a folder"), 0.0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, OSError) else None,
)
def test_how_long_is_waited(error: OSError, total_s: float, waits: Waits) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        patiently(fail)
    assert caught.value is error
    assert sum(waits) == total_s


def test_what_is_no_fault_of_storage_is_not_tried_again(waits: Waits) -> None:
    calls: list[int] = []

    def bug() -> None:
        calls.append(1)
        raise ValueError

    with pytest.raises(ValueError):
        patiently(bug)
    assert (len(calls), waits) == (1, [])
