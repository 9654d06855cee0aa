"""A folder that appears under its name when all of it is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

from pseudolabel.errors import ReleaseError
from pseudolabel.files import explained, sync_folder, take_lock

_LOCK = ".lock"


def check_target(out: str) -> Path:
    """The path of a release that is to be made.

    Raises:
        ReleaseError: If something is there, or it is no local path or cannot be one.
    """
    if "://" in out:
        raise ReleaseError(
            f"{out}: a release is made in a local folder",
            hint="pseudolabel push sends it to the Hub",
        )
    target = Path(out)
    with _explained(target):
        is_there = target.exists() or target.is_symlink()
    if is_there:
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
    with _explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir(exist_ok=True)
        with _locked(partial, target):
            try:
                _clear(partial)
                yield partial
                _sync(partial)
                # Last, with no waiting in between: who finds no lock empties the folder.
                (partial / _LOCK).unlink()
                partial.rename(target)
                sync_folder(target)
                sync_folder(target.parent)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise


def _locked(partial: Path, target: Path) -> IO[bytes]:
    return take_lock(
        partial / _LOCK,
        busy=ReleaseError(
            f"{target}: another process is making it", hint="wait for it, or choose another --out"
        ),
    )


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
            sync_folder(path)
    sync_folder(folder)


def _explained(target: Path) -> AbstractContextManager[None]:
    full = "no space left to write to; nothing of it was kept"
    return explained(
        target, ReleaseError, when_full=(full, "make room, then run the same command again")
    )
