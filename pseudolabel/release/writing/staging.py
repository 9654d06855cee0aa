"""A folder that appears under its name when all of it is there."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pseudolabel.errors import ReleaseError

_LOCK = ".lock"


def check_target(out: str) -> Path:
    """The path of a release that is to be made.

    Raises:
        ReleaseError: If something is there, or it is no local path.
    """
    if "://" in out:
        raise ReleaseError(
            f"{out}: a release is made in a local folder",
            hint="pseudolabel push sends it to the Hub",
        )
    target = Path(out)
    if target.exists() or target.is_symlink():
        raise ReleaseError(
            f"{out}: is there already, and a version never changes",
            hint="choose another --out, and a higher --version",
        )
    return target


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Gives a folder beside `target`; it is synced and renamed when the block ends well.

    What a killed process left of an earlier try is removed first.

    Raises:
        ReleaseError: If it cannot be written, the disk is full, or another process makes it.
    """
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir(exist_ok=True)
        with (partial / _LOCK).open("w") as lock:
            _take(lock.fileno(), target)
            try:
                _clear(partial)
                yield partial
                (partial / _LOCK).unlink()
                _sync(partial)
                partial.rename(target)
                _sync_folder(target.parent)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
    except OSError as error:
        raise _explained(target, error) from error


def _take(lock: int, target: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ReleaseError(
            f"{target}: another process is making it", hint="wait for it, or choose another --out"
        ) from None


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != _LOCK:
            path.unlink()


def _sync(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            _sync_folder(path)
    _sync_folder(folder)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _explained(target: Path, error: OSError) -> ReleaseError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ReleaseError(
            f"{target}: no space left to write to; nothing of it was kept",
            hint="make room, then run the same command again",
        )
    return ReleaseError(
        f"{target}: cannot be written: {error.strerror or error}", hint="choose another --out"
    )
