"""From the bytes of a transcript to its text, whatever wrote it."""

from __future__ import annotations

import codecs
import os
from typing import TextIO

# UTF-32 first: its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_HEAD_BYTES = 4096  # enough to tell an encoding by
_ERRORS = "pseudolabel.cp1252"


def decode(raw: bytes) -> str:
    """Text of a whole file: UTF with or without a mark; bytes that are not are Windows-1252."""
    encoding = _encoding_of(raw[:_HEAD_BYTES])
    return raw.decode(encoding, errors=_errors(encoding))


def open_text(path: str | os.PathLike[str]) -> TextIO:
    """A file to read as `decode` would, little by little, with its line ends as they are.

    Raises:
        OSError: If it cannot be opened.
    """
    with open(path, "rb") as file:  # noqa: PTH123
        encoding = _encoding_of(file.read(_HEAD_BYTES))
    return open(path, encoding=encoding, errors=_errors(encoding), newline="")  # noqa: PTH123


def _encoding_of(head: bytes) -> str:
    """The encoding that a file's first bytes tell: a UTF with or without a mark, else UTF-8.

    UTF-16 without a mark is known by its zero bytes: the digits, line ends and spaces of a
    transcript have one each, always on the same side, in whatever language it is.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) * 16 <= len(head) or min(even, odd) * 8 > max(even, odd):
        return "utf-8"
    return "utf-16-le" if odd > even else "utf-16-be"


def _errors(encoding: str) -> str:
    if not encoding.startswith("utf-8"):
        return "replace"
    codecs.register_error(_ERRORS, _as_cp1252)
    return _ERRORS


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    return bad.decode("cp1252", errors="replace"), error.end
