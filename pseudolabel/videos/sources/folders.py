"""Local folders and globs: walked in order, one folder's names in memory at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from pseudolabel.errors import InputError
from pseudolabel.records import Skipped
from pseudolabel.videos.sources.entries import (
    VIDEO_SUFFIXES,
    Entry,
    failed_entry,
    local_entry,
    valid_id,
)
from pseudolabel.videos.sources.patterns import Pattern

_EVERY_VIDEO = Pattern()


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder being walked."""

    path: str
    names: tuple[str, ...]  # its path below the one that was given
    inside: Iterator[str]  # names in order; a folder's ends in "/"
    above: frozenset[tuple[int, int]]  # device and inode of it and the folders around it


def glob_entries(pattern: str) -> Iterator[Entry]:
    """The videos that a local glob matches, in order.

    Raises:
        InputError: If it matches nothing.
    """
    root, below = Pattern.split(pattern)
    empty = True
    if os.path.isdir(root or "."):  # noqa: PTH112
        for entry in walk(root, below):
            empty = False
            yield entry
    if empty:
        suffixes = " ".join(VIDEO_SUFFIXES)
        raise InputError(
            f"{pattern}: matches no video",
            hint=f"spell another suffix out, as in 'clips/*.bin', or use one of: {suffixes}",
        )


def walk(root: str, pattern: Pattern = _EVERY_VIDEO, *, prefix: str = "") -> Iterator[Entry]:
    """The wanted files below a folder, in the order of their paths.

    Links are followed, but not into a folder that is being walked already. A folder that cannot
    be read is a `Skipped`.

    Args:
        root: The folder; "" is the current one.
        pattern: Which files are wanted.
        prefix: What their ids begin with.
    """
    opened = _open(root, (), frozenset(), prefix)
    stack: list[_Folder] = []
    while opened is not None or stack:
        if isinstance(opened, Skipped):
            yield opened
        elif opened is not None:
            stack.append(opened)
        opened = None
        if not stack:
            return
        folder = stack[-1]
        name = next(folder.inside, None)
        if name is None:
            stack.pop()
            continue
        names = (*folder.names, name.rstrip("/"))
        path = os.path.join(folder.path, names[-1])  # noqa: PTH118
        if not name.endswith("/"):
            if pattern.takes(names):
                yield local_entry(path, prefix + "/".join(names))
        elif pattern.enters(names):
            opened = _open(path, names, folder.above, prefix)


def _open(
    path: str, names: tuple[str, ...], above: frozenset[tuple[int, int]], prefix: str
) -> _Folder | Skipped | None:
    """The folder to walk; a Skipped where it cannot be read; None where it is walked already."""
    try:
        status = os.stat(path or ".")  # noqa: PTH116
        key = (status.st_dev, status.st_ino)
        if key in above:
            return None
        with os.scandir(path or ".") as found:
            inside = sorted(entry.name + "/" * _is_folder(entry) for entry in found)
    except OSError as error:
        return failed_entry(path, valid_id(prefix + "/".join(names)) or valid_id(path), error)
    return _Folder(path, names, iter(inside), above | {key})


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: whoever opens it will say so
        return False
