"""Lists: a text file with one input a line."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator

from pseudolabel.videos.sources.entries import (
    Entry,
    folder_of,
    is_url,
    local_path,
    named_entry,
    written_id,
)
from pseudolabel.videos.sources.folders import walk
from pseudolabel.videos.sources.remote import open_source


def list_entries(source: str) -> Iterator[Entry]:
    """The videos that a list names: a path or a URL a line, taken literally.

    Paths are from the list's folder, so that a list can be used from anywhere; a folder is
    walked. Empty lines and lines that begin with # are passed over. Only a line's end is cut off:
    names may begin and end with spaces, and be no UTF-8.

    Args:
        source: Path or URL of the list.

    Raises:
        InputError: If the list cannot be read.
    """
    folder = folder_of(source)
    with open_source(source) as lines:
        for number, line in enumerate(lines):
            raw = line.removeprefix(codecs.BOM_UTF8) if number == 0 else line
            raw = raw.removesuffix(b"\n").removesuffix(b"\r")
            if raw.strip() and not raw.startswith(b"#"):
                yield from _line_entries(os.fsdecode(raw), folder)


def _line_entries(name: str, folder: str) -> Iterator[Entry]:
    path = os.path.join(folder, local_path(name))  # noqa: PTH118
    if not is_url(path) and not is_url(local_path(name)) and os.path.isdir(path):  # noqa: PTH112
        yield from walk(path, prefix=_folder_prefix(local_path(name), folder))
    else:
        yield named_entry(name, folder)


def _folder_prefix(name: str, folder: str) -> str:
    inner = written_id(name, folder)
    return "" if inner == "." else inner + "/"
