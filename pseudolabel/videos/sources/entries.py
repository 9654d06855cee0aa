r"""An entry: one file that an input names, with its id; and how ids are made.

An id is the path of a video within its input, so that it is short, the same on every machine,
and the same whether or not other videos are added:

    an input                          the id of a video in it
    file                              the file's name
    folder                            the path within it: "a/b.mp4"
    glob                              the path below the folder before the first wildcard
    line of a list, row of a table    `video_id` where the table has one, else the path as
    or of a dataset                   written; an absolute path inside the list's folder is taken
                                      from there, another one whole: "data/a/b.mp4"
    folder in a list                  that line's id, then the path within the folder
    URL                               all of it but scheme, password and fragment, and without the
                                      query (often a signature) where the path names a video file

The suffix stays: `a.mp4` and `a.webm` are two videos. Bytes that are not UTF-8 are written `\xNN`.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from pseudolabel.drivers import check_driver
from pseudolabel.errors import InputError
from pseudolabel.records import Skipped, SkipReason, Span, Video

# fsspec chains URLs: "simplecache::s3://bucket/a.mp4".
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?:://|::.*://)", re.DOTALL)

VIDEO_SUFFIXES = (
    *(".3g2", ".3gp", ".amv", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".h264"),
    *(".h265", ".hevc", ".ivf", ".m1v", ".m2ts", ".m2v", ".m4v", ".mj2", ".mkv", ".mov", ".mp4"),
    *(".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogm", ".ogv", ".rm", ".rmvb", ".ts", ".vob"),
    *(".webm", ".wmv", ".wtv", ".y4m"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """A video that an input names."""

    video: Video
    identity: str  # what tells its file from others: device and inode, or URL


Entry: TypeAlias = Found | Skipped


@dataclass(frozen=True, slots=True)
class Details:
    """What a table tells of a video beside where it is."""

    video_id: str | None = None
    spans: tuple[Span, ...] | None = None
    url: str | None = None
    license: str | None = None


def is_url(text: str) -> bool:
    """Whether it names something through fsspec, rather than a local path."""
    return _URL.match(text) is not None


def has_video_suffix(name: str) -> bool:
    """Whether a name ends like a video's."""
    return posixpath.splitext(name)[1].lower() in VIDEO_SUFFIXES


def valid_id(text: str) -> str:
    """Text as valid Unicode: undecodable bytes and lone surrogates become visible escapes."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a surrogate that stands for no byte: JSON can hold it
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")


def url_id(url: str) -> str:
    """The id of a video named by its URL alone."""
    head, chain, rest = url.partition("::")
    parts = urlsplit(head)
    text = parts.netloc.rpartition("@")[2] + parts.path
    if parts.query and not has_video_suffix(parts.path):
        text += f"?{parts.query}"
    return valid_id((text.lstrip("/") or head) + chain + rest)


def written_id(name: str, folder: str) -> str:
    """The id of a video named by a path or URL in a list or table that lies in `folder`."""
    if is_url(folder) and name.startswith(folder.rstrip("/") + "/"):
        name = name[len(folder.rstrip("/")) + 1 :]
    if is_url(name):
        return url_id(name)
    if name.startswith("/") and not is_url(folder):
        home = os.path.abspath(folder).rstrip("/") + "/"  # noqa: PTH100  # Path drops raw bytes' form
        name = name.removeprefix(home)
    return valid_id(posixpath.normpath(name).lstrip("/") or name)


def local_entry(path: str, video_id: str, details: Details | None = None) -> Entry:
    """The video at a local path: looked at, not opened."""
    details = details or Details()
    video_id = valid_id(details.video_id or video_id)
    try:
        status = os.stat(path)  # noqa: PTH116  # ten million of these: no Path objects
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return failed_entry(path, video_id, error)
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, socket or device"
        return Skipped(video_id, path, "list", SkipReason.UNREADABLE, f"{what}, not a file")
    video = Video(
        video_id=video_id,
        source=path,
        listed=f"{status.st_size}-{status.st_mtime_ns}",
        size_bytes=status.st_size,
        spans=details.spans,
        url=details.url,
        license=details.license,
    )
    return Found(video, identity=f"{status.st_dev}:{status.st_ino}")


def failed_entry(path: str, video_id: str, error: Exception) -> Skipped:
    """A file or folder that could not be listed."""
    gone = isinstance(error, (FileNotFoundError, NotADirectoryError, ValueError))
    reason = SkipReason.NOT_FOUND if gone else SkipReason.UNREADABLE
    detail = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return Skipped(video_id, path, "list", reason, detail)


def named_entry(name: str, folder: str, details: Details | None = None) -> Entry:
    """The video that a list or table in `folder` names: a path from there, or a URL.

    URLs are not asked after: that would be one request each, for every run and every resume.

    Raises:
        PseudolabelError: If what opens such URLs is not installed.
    """
    details = details or Details()
    name = local_path(name)
    if is_url(folder) and not is_url(name) and not name.startswith("/"):
        name = url_in(folder, name)
    video_id = written_id(name, folder)
    if not is_url(name):
        return local_entry(os.path.join(folder, name), video_id, details)  # noqa: PTH118
    check_driver(name, InputError)
    video = Video(
        video_id=valid_id(details.video_id or video_id),
        source=name,
        spans=details.spans,
        url=details.url,
        license=details.license,
    )
    return Found(video, identity=name)


def local_path(text: str) -> str:
    """The path in a `file://` URL; anything else as it is."""
    for scheme in ("file://", "local://"):
        if text.startswith(scheme):
            return text.removeprefix(scheme)
    return text


def folder_of(source: str) -> str:
    """The folder, path or URL, in which a list or a table lies."""
    if not is_url(source):
        return posixpath.dirname(source)
    head, chain, rest = source.partition("::")
    return posixpath.dirname(head.partition("?")[0]) + chain + rest


def url_in(folder: str, name: str) -> str:
    """The URL of `name` in the folder with the URL `folder`."""
    head, chain, rest = folder.partition("::")
    return f"{head.rstrip('/')}/{posixpath.normpath(name)}{chain}{rest}"
