"""Files that appear whole or not at all, locks between processes, and checksums."""

from __future__ import annotations

import errno
import hashlib
import os
import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, BinaryIO

from pseudolabel.drivers import said, storage_error
from pseudolabel.errors import PseudolabelError


@contextmanager
def replacing(
    path: Path,
    *,
    locked: bool = False,
    explained: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[BinaryIO]:
    """A file that takes its name when the block ends well, and leaves nothing if it fails.

    A reader, or a machine that loses power, sees all of it or what was there before.

    Args:
        path: The name; its folder must exist.
        locked: A lock keeps other writers away. The temporary name then is `NAME.tmp`, so that the
            next writer overwrites what a killed one left; without, it has the process's number.
        explained: Put around what is done here, and not around the block.

    Raises:
        OSError: If the file cannot be written; `explained` may make something else of it.
    """
    ending = ".tmp" if locked else f".{os.getpid()}.tmp"
    temporary = path.with_name(path.name + ending)
    with explained():
        file = temporary.open("wb")
    try:
        with file:
            yield file
            with explained():
                file.flush()
                os.fsync(file.fileno())
        with explained():
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with explained():
        sync_folder(path.parent)


def write_whole(path: Path, data: bytes, *, locked: bool = False) -> None:
    """Write a file as `replacing` does.

    Raises:
        OSError: If it cannot be written.
    """
    with replacing(path, locked=locked) as file:
        file.write(data)


def sync_folder(path: Path) -> None:
    """Have the names in a folder on disk, as `fsync` has a file's content.

    Raises:
        OSError: If that fails.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def explained(
    path: str | Path,
    kind: type[PseudolabelError],
    *,
    hint: str | None = "choose another --out",
    when_full: tuple[str, str] | None = None,
) -> Iterator[None]:
    """Turn an `OSError` of writing, or what a driver raises for one, into an error for the user.

    Args:
        path: What is written, in the user's words.
        kind: Of the error.
        hint: What to do.
        when_full: Message and hint instead of those, where no space is left.
    """
    try:
        yield
    except Exception as error:
        failed = storage_error(error)
        if failed is None:
            raise
        message = f"cannot be written: {said(failed)}"
        if when_full is not None and failed.errno in (errno.ENOSPC, errno.EDQUOT):
            message, hint = when_full
        raise kind(f"{path}: {message}", hint=hint) from error


def take_lock(path: Path, *, busy: PseudolabelError, shared: bool = False) -> IO[bytes]:
    """Take the lock of a file, which is made if need be; closing the file gives the lock back.

    The system gives it back too when the process ends, however it ends; a process that was forked
    from it does not keep it.

    Args:
        path: The file.
        busy: Raised if another process has the lock.
        shared: Whether others may take it as well, if they share it too.

    Raises:
        OSError: If the file cannot be made.
    """
    import fcntl

    lock = path.open("ab")
    try:
        fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        if isinstance(error, BlockingIOError):
            raise busy from None
        raise
    held = weakref.ref(lock)
    os.register_at_fork(after_in_child=lambda: _close(held()))
    return lock


def _close(lock: IO[bytes] | None) -> None:
    if lock is not None:
        lock.close()


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_files(folder: Path, suffixes: Collection[str]) -> str:
    """`sha256:` and 16 hex digits over names and contents of the files with these suffixes.

    Those of subfolders do not count.
    """
    total = hashlib.sha256()
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.suffix in suffixes and path.is_file():
            digest = bytes.fromhex(hash_file(path))
            total.update(path.name.encode("utf-8", "surrogateescape") + b"\0" + digest)
    return f"sha256:{total.hexdigest()[:16]}"
