"""Tar files as WebDataset has them, read at random: where each member's bytes are.

The members of a sample share a name up to the first dot after the last slash: `00/17.jpg` and
`00/17.txt`. Tars are read where their members lie, so the order of examples is free, and going on
at some batch reads nothing of what came before.
"""

from __future__ import annotations

import os
import tarfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

BLOCK = 512  # bytes: files in a tar begin at multiples of it, behind a header of one
_OPEN_TARS = 64  # at once, in a process: systems allow 1,024 files


class Member(NamedTuple):
    """A file in a tar."""

    key: str  # what it shares with the others of its sample
    suffix: str  # the rest of its name, in lower case: "jpg", "seg.png"
    offset: int  # of its first byte in the tar
    size: int  # bytes


def members(tar: Path) -> Iterator[Member]:
    """The files in a tar that is not compressed, in its order.

    Several times as fast as `tarfile`, which matters where three million images are looked for at
    every start.

    Raises:
        TarError: If it cannot be read to its end; what comes before is given.
    """
    try:
        with tar.open("rb", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            for name, offset, length in _files(file.fileno(), size):
                folder, slash, last = name.rpartition("/")
                stem, _, suffix = last.partition(".")
                yield Member(folder + slash + stem, suffix.lower(), offset, length)
    except (OSError, ValueError) as error:  # ValueError: a number in a header is none
        raise tarfile.ReadError(getattr(error, "strerror", None) or str(error)) from None


def _files(file: int, end: int) -> Iterator[tuple[str, int, int]]:
    """Name, offset and size of each regular file in an open tar of `end` bytes."""
    at = 0
    said: dict[str, str] = {}  # by the header before, of the member that follows it
    while True:
        header = os.pread(file, BLOCK, at)
        if not header.strip(b"\0") and 0 < at <= end:  # zeros are the end; some tars lack them
            return
        _check(header, at)
        kind, size = header[156:157], int(said.get("size", _number(header[124:136])))
        at += BLOCK
        if size < 0:  # a pax header may claim it; it would lead back, and round and round
            raise tarfile.ReadError(f"there is a file of {size:,} bytes at byte {at:,}")
        if at + size > end:
            raise tarfile.ReadError(f"it ends at {end:,} bytes, within a file of it")
        if kind in (b"x", b"L"):
            data = os.pread(file, size, at)
            said |= _pax(data) if kind == b"x" else {"path": _text(data)}
        else:
            if kind in (b"0", b"\0"):
                yield said.get("path") or _name(header), at, size
            said = {} if kind not in (b"g", b"K") else said
        at += padded(size)


def _check(header: bytes, at: int) -> None:
    """Raises ReadError if this is no header: of an old form, if its sum is not that of its bytes.

    The field of the sum itself counts as spaces.
    """
    if len(header) == BLOCK and header[257:262] == b"ustar":
        return
    total = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    try:
        is_header = len(header) == BLOCK and _number(header[148:156]) == total
    except ValueError:
        is_header = False
    if not is_header:
        raise tarfile.ReadError(f"there is no file's header at byte {at:,}")


def _number(field: bytes) -> int:
    """A number in a header: octal digits, or bytes where those would not do."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    return int(field.strip(b" \0") or b"0", 8)


def _name(header: bytes) -> str:
    name, prefix = _text(header[:100]), _text(header[345:500])
    return f"{prefix}/{name}" if prefix and header[257:263] == b"ustar\0" else name


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _pax(data: bytes) -> dict[str, str]:
    """The records of a pax header, `LENGTH NAME=VALUE` and a line's end each."""
    found: dict[str, str] = {}
    while data.strip(b"\0"):
        length = int(data.partition(b" ")[0])
        record = data[:length].partition(b" ")[2].rstrip(b"\n")
        name, _, value = record.decode("utf-8", "surrogateescape").partition("=")
        found[name] = value
        data = data[max(1, length) :]
    return found


def padded(size: int) -> int:
    """How many bytes a file of so many takes in a tar, without its header."""
    return -(-size // BLOCK) * BLOCK


class TarBytes:
    """Bytes of some tars.

    Args:
        paths: Of the tars.
    """

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._open: OrderedDict[int, int] = OrderedDict()  # file descriptors, last used last

    def read(self, tar: int, offset: int, size: int) -> bytes:
        """Some bytes of one of the tars.

        Raises:
            OSError: If they are not there.
        """
        data = os.pread(self._descriptor(tar), size, offset)
        if len(data) < size:
            raise OSError(f"{self._paths[tar]} is shorter than it was")
        return data

    def _descriptor(self, tar: int) -> int:
        if tar not in self._open:
            self._open[tar] = os.open(self._paths[tar], os.O_RDONLY)
            if len(self._open) > _OPEN_TARS:
                os.close(self._open.popitem(last=False)[1])
        self._open.move_to_end(tar)
        return self._open[tar]

    def close(self) -> None:
        """Close the tars; another `read` opens them again."""
        while self._open:
            os.close(self._open.popitem()[1])

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_open": OrderedDict()}  # descriptors are this process's own

    def __del__(self) -> None:
        self.close()
