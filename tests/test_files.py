"""Files that appear whole or not at all, locks, and checksums."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from pseudolabel.errors import ReleaseError, RunError
from pseudolabel.files import explained, hash_file, hash_files, replacing, take_lock, write_whole

BUSY = RunError("it is busy", hint="wait")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- whole or not at all --------------------------------------------------------------------------


@pytest.mark.parametrize("locked", [False, True])
def test_the_name_is_there_when_the_block_has_ended(tmp_path: Path, locked: bool) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with replacing(path, locked=locked) as file:
        file.write(b"af")
        file.flush()
        assert path.read_text() == "before"
        file.write(b"ter")
    assert path.read_text() == "after"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_what_was_there(
    tmp_path: Path, error: type[BaseException]
) -> None:
    (tmp_path / "a.txt").write_text("before")
    with pytest.raises(error), replacing(tmp_path / "a.txt") as file:
        file.write(b"half")
        raise error
    assert (tmp_path / "a.txt").read_text() == "before"
    assert names(tmp_path) == ["a.txt"]


def test_it_is_on_disk_before_it_has_its_name_and_its_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what is synced, in order: the file under its temporary name, then the folder."""
    synced: list[tuple[str, list[str]]] = []
    sync = os.fsync

    def noting(handle: int) -> None:
        sync(handle)
        synced.append((Path(f"/proc/self/fd/{handle}").readlink().name, names(tmp_path)))

    monkeypatch.setattr(os, "fsync", noting)
    write_whole(tmp_path / "a", b"x", locked=True)
    assert synced == [("a.tmp", ["a.tmp"]), (tmp_path.name, ["a"])]


def test_writers_without_a_lock_do_not_share_a_temporary_file(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from pseudolabel.files import write_whole\n"
        "write_whole(Path(sys.argv[1]), b'theirs')"
    )
    with replacing(tmp_path / "a") as file:
        file.write(b"mi")
        subprocess.run([sys.executable, "-c", program, tmp_path / "a"], check=True)
        assert (tmp_path / "a").read_bytes() == b"theirs"
        file.write(b"ne")
    assert (tmp_path / "a").read_bytes() == b"mine"
    assert names(tmp_path) == ["a"]


def test_under_a_lock_what_a_killed_writer_left_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.tmp").write_bytes(b"half of something longer")
    write_whole(tmp_path / "a", b"whole", locked=True)
    assert (tmp_path / "a").read_bytes() == b"whole"
    assert names(tmp_path) == ["a"]


# -- errors ---------------------------------------------------------------------------------------


def test_errors_of_the_block_are_not_explained(tmp_path: Path) -> None:
    told = partial(explained, "out", RunError)
    nowhere = replacing(tmp_path / "nowhere" / "a", explained=told)
    with pytest.raises(RunError, match=r"^out: cannot be written: No such file") as caught, nowhere:
        raise AssertionError("not reached")
    assert caught.value.hint == "choose another --out"
    (tmp_path / "folder").mkdir()
    folder = replacing(tmp_path / "folder", explained=told)
    with pytest.raises(RunError, match="cannot be written: Is a directory"), folder as file:
        file.write(b"x")
    with pytest.raises(PermissionError), replacing(tmp_path / "a", explained=told):
        raise PermissionError("of another file")
    assert names(tmp_path) == ["folder"]


def test_a_full_disk_has_words_of_its_own_where_they_are_given(tmp_path: Path) -> None:
    (tmp_path / "a.tmp").symlink_to("/dev/full")  # the kernel says that no space is left
    told = partial(explained, "out", ReleaseError, when_full=("it is full", "make room"))
    with pytest.raises(ReleaseError, match=r"^out: it is full$") as caught, told():
        write_whole(tmp_path / "a", b"x", locked=True)
    assert caught.value.hint == "make room"
    assert isinstance(caught.value.__cause__, OSError)
    assert names(tmp_path) == []
    with pytest.raises(ReleaseError, match="it is full"), told():
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
    with pytest.raises(ReleaseError, match="cannot be written: Permission") as caught, told():
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    plain = explained("out", ReleaseError, hint=None)
    with pytest.raises(ReleaseError, match="cannot be written: No space left") as caught, plain:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.hint is None


# -- locks ----------------------------------------------------------------------------------------


def test_one_process_has_a_lock_until_it_closes_the_file(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from pseudolabel.errors import RunError; from pseudolabel.files import take_lock\n"
        "try: take_lock(Path(sys.argv[1]), busy=RunError('busy')).close()\n"
        "except RunError as error: print(error)"
    )
    other = [sys.executable, "-c", program, str(tmp_path / ".lock")]
    with take_lock(tmp_path / ".lock", busy=BUSY):
        with pytest.raises(RunError, match="it is busy"):
            take_lock(tmp_path / ".lock", busy=BUSY)
        assert subprocess.run(other, capture_output=True, check=True).stdout == b"busy\n"
    assert subprocess.run(other, capture_output=True, check=True).stdout == b""


def test_what_a_killed_process_had_forked_does_not_keep_its_lock(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path\n"
        "from pseudolabel.errors import RunError; from pseudolabel.files import take_lock\n"
        "lock = take_lock(Path(sys.argv[1]), busy=RunError('busy'))\n"
        "if os.fork() == 0: print('forked', flush=True)\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / ".lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"forked\n"
        with pytest.raises(RunError, match="it is busy"):
            take_lock(tmp_path / ".lock", busy=BUSY)
        process.kill()
        process.wait()
        take_lock(tmp_path / ".lock", busy=BUSY).close()


def test_a_lock_that_cannot_be_made_is_not_busy(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        take_lock(tmp_path / "nowhere" / ".lock", busy=BUSY)


# -- checksums ------------------------------------------------------------------------------------


def test_the_hash_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 1_000_000)
    assert hash_file(tmp_path / "a") == hashlib.sha256(b"abc" * 1_000_000).hexdigest()


def test_the_hash_of_files_is_of_names_and_contents_with_these_suffixes(tmp_path: Path) -> None:
    def found() -> str:
        return hash_files(tmp_path, (".json", ".bin"))

    (tmp_path / "b.bin").write_bytes(b"b")
    (tmp_path / "a.json").write_bytes(b"a")
    digests = (hashlib.sha256(data).digest() for data in (b"a", b"b"))
    expected = hashlib.sha256(b"a.json\0" + next(digests) + b"b.bin\0" + next(digests))
    assert (first := found()) == f"sha256:{expected.hexdigest()[:16]}"
    (tmp_path / "README.md").write_text("says nothing")
    (tmp_path / "folder.json").mkdir()
    assert found() == first
    (tmp_path / "b.bin").write_bytes(b"c")
    assert (second := found()) != first
    (tmp_path / "b.bin").rename(tmp_path / "c.bin")
    assert found() not in (first, second)
