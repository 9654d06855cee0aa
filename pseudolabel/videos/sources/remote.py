"""What fsspec reaches: files, folders and globs by URL."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, TypeVar

from pseudolabel.drivers import find_driver, said
from pseudolabel.errors import InputError
from pseudolabel.records import Video
from pseudolabel.videos.sources.entries import Entry, Found, failed_entry, is_url, url_id, valid_id
from pseudolabel.videos.sources.patterns import Pattern, is_glob

T = TypeVar("T")

_EVERY_VIDEO = Pattern()
# Under these names fsspec's drivers tell what a file holds, or else when it was written.
_ETAGS = ("ETag", "etag", "blob_id", "md5Hash", "content_md5", "Content-MD5")
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "Last-Modified", "created")


@contextmanager
def open_source(source: str) -> Iterator[IO[bytes]]:
    """Open a list or a table, path or URL, to read its bytes.

    Raises:
        InputError: If it cannot be opened.
        MissingExtraError: If S3's driver is missing.
    """
    if is_url(source):
        file_system, path = find_driver(source, InputError)
        handle = _ask(source, lambda: file_system.open(path, "rb"))
    else:
        handle = _ask(source, lambda: Path(source).open("rb"))  # noqa: SIM115  # below
    with handle:
        yield handle


def remote_entries(url: str) -> Iterator[Entry]:
    """The videos at a URL: a file whatever its suffix, a folder or a glob.

    Over http there are only files: such a server does not list.

    Raises:
        InputError: If there is nothing, or the driver is missing or fails.
        MissingExtraError: If S3's driver is missing.
    """
    file_system, path = find_driver(url, InputError)
    file_system.invalidate_cache()  # what an earlier look has found may have changed
    lists = not url.split("::")[0].startswith(("http://", "https://"))
    info = _info(file_system, path, url, may_be_missing=lists and is_glob(path))
    chain = "".join(url.partition("::")[1:])
    if info is None:
        root, pattern = Pattern.split(path)
        found = _walk(file_system, root, pattern, chain)
        first = next(found, None)
        if first is None:
            raise InputError(f"{url}: matches no video", hint="check the wildcards")
        yield first
        yield from found
    elif info.get("type") == "directory" and lists:
        yield from _walk(file_system, path, _EVERY_VIDEO, chain)
    else:
        yield _found(info, url, url_id(url))


def _walk(file_system: Any, root: str, pattern: Pattern, chain: str) -> Iterator[Entry]:
    """Files below a remote folder, in the order of their paths; one request a folder."""
    todo: list[tuple[dict[str, Any], tuple[str, ...]]] = [({"name": root, "type": "directory"}, ())]
    while todo:
        info, names = todo.pop()
        url = file_system.unstrip_protocol(info["name"]) + chain
        if info["type"] != "directory":
            yield _found(info, url, "/".join(names))
            continue
        try:
            listing = file_system.ls(info["name"], detail=True)
        except Exception as error:  # drivers raise what their clients raise
            yield failed_entry(url, valid_id("/".join(names) or url), error)
            continue
        inside = []
        for item in listing:
            below = (*names, posixpath.basename(item["name"].rstrip("/")))
            is_self = item["name"].strip("/") == info["name"].strip("/")  # a store's folder mark
            wanted = pattern.enters if item["type"] == "directory" else pattern.takes
            if not is_self and wanted(below):
                inside.append((item, below))
        todo.extend(sorted(inside, key=lambda pair: pair[1], reverse=True))


def _found(info: dict[str, Any], url: str, video_id: str) -> Found:
    size = info.get("size")
    return Found(
        Video(valid_id(video_id), source=url, listed=_listed(info), size_bytes=size), identity=url
    )


def _listed(info: dict[str, Any]) -> str:
    """The content as listed: an ETag, else size and time of writing, else unknown."""
    etag = next((str(info[name]) for name in _ETAGS if info.get(name)), "")
    if etag:
        return etag.strip('"')
    written = next((info[name] for name in _TIMES if info.get(name)), None)
    if written is None or info.get("size") is None:
        return ""
    # Some drivers give a number in a listing and a datetime for the same file alone.
    stamp = written.timestamp() if isinstance(written, datetime) else written
    return f"{info['size']}-{stamp}"


def _info(file_system: Any, path: str, url: str, *, may_be_missing: bool) -> dict[str, Any] | None:
    def info() -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = file_system.info(path)
        except FileNotFoundError:
            if may_be_missing:
                return None
            raise
        return answer

    return _ask(url, info)


def _ask(source: str, question: Callable[[], T]) -> T:
    """Ask a driver. Its errors are its client library's own: any of them is the input's."""
    try:
        return question()
    except FileNotFoundError:
        raise InputError(f"{source}: not found", hint="check the path or the address") from None
    except OSError as error:
        raise InputError(f"{source}: {said(error)}") from error
    except Exception as error:
        raise InputError(f"{source}: {type(error).__name__}: {said(error)}") from error
