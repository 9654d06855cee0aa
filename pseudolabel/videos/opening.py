"""Opening a source with FFmpeg, and saying in one word why it cannot be captioned.

Nothing here trusts the file: it may not open other files or addresses, and a text or a picture
that FFmpeg would play as a video is refused.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import IO, TYPE_CHECKING, Any, TypeVar

from pseudolabel.drivers import is_unreachable, said
from pseudolabel.records import SkipReason
from pseudolabel.videos.signals import VideoSkippedError, one_line

if TYPE_CHECKING:
    from av.container import InputContainer

T = TypeVar("T")

__all__ = ["VideoSkippedError", "hash_content", "open_container"]

_HASHED_BYTES = 1 << 16  # of each end of the file
# Beyond what is asked for, in one request. Drivers' own choice may be 50 MB, most of which is
# thrown away where frames lie far apart; much less, and time goes into requests.
_READ_AHEAD_BYTES = 1 << 21
# A store may be away for a moment, and with it every video; a worker may be silent for a minute.
_WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 12.0)

# Demuxers that open what a file names (local files, other hosts), or that turn any text into
# pictures; none of them holds a video of its own.
_REFUSED_FORMATS = frozenset(
    {"hls", "concat", "dash", "imf", "sdp", "rtsp", "rtp", "lavfi", "smoothstreaming"}
    | {"webm_dash_manifest", "ffmetadata", "image2pipe", "vapoursynth", "avisynth", "mpjpeg"}
    | {"tty", "bin", "xbin", "adf", "idf", "rawvideo", "bitpacked", "vobsub", "mcc", "scc"}
)
_STILL_FORMATS = frozenset({"image2", "ico", "fits", "alias_pix", "brender_pix"})
_STILL_BRANDS = frozenset({"avif", "heic", "heix", "mif1", "miaf"})  # HEIF: a picture in an MP4


class RemoteFile:
    """A file behind a URL, for FFmpeg to read: every failure of its library is an `OSError`."""

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs

        # A web address that does not answer may be gone for good, and is one of many.
        self._waits_s = () if url.startswith(("http://", "https://")) else _WAITS_S

        def open_it() -> IO[bytes]:
            driver, path = url_to_fs(url)
            opened: IO[bytes] = driver.open(path, "rb", block_size=_READ_AHEAD_BYTES)
            return opened

        self._file = self._ask(open_it)

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes from the current position."""
        return self._ask(lambda: self._file.read(size))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; gives the new position in bytes."""
        return self._ask(lambda: self._file.seek(offset, whence))

    def tell(self) -> int:
        """The position in bytes."""
        return self._file.tell()

    def close(self) -> None:
        """Close; a failure to do so has no consequence."""
        try:
            self._file.close()
        except Exception:
            return

    def _ask(self, question: Callable[[], T]) -> T:
        """Ask the driver; again after a while, where a store does not answer."""
        began_s, waits_s = monotonic(), iter(self._waits_s)
        while True:
            try:
                return question()
            except FileNotFoundError:
                raise
            except Exception as error:  # each protocol's library has its own exceptions
                wait_s = next(waits_s, None)
                is_late = monotonic() - began_s > sum(self._waits_s)  # the library tries again, too
                if wait_s is None or is_late or not is_unreachable(error):
                    raise OSError(said(error)) from error
                sleep(wait_s)


@contextmanager
def open_container(source: str) -> Iterator[tuple[InputContainer, str, int]]:
    """Open a path or URL.

    Yields:
        The container, closed on exit; what `hash_content` says; and the size in bytes.

    Raises:
        VideoSkippedError: If it is missing, unreadable, empty, a picture, or no video at all.
    """
    file = _open_bytes(source)
    try:
        size, content_hash = _fingerprint(file)
        if size == 0:
            raise VideoSkippedError("open", SkipReason.EMPTY_FILE, "the file has no bytes")
        container = _open_format(file, size)
        try:
            _refuse_pictures(container)
            yield container, content_hash, size
        finally:
            container.close()
    finally:
        file.close()


def hash_content(source: str) -> str:
    """The content hash of a path or URL, as `open_container` gives it, without opening a video.

    Raises:
        VideoSkippedError: If it cannot be read.
    """
    file = _open_bytes(source)
    try:
        return _fingerprint(file)[1]
    finally:
        file.close()


def _open_bytes(source: str) -> RemoteFile | IO[bytes]:
    try:
        if "://" in source:
            return RemoteFile(source)
        if not stat.S_ISREG(os.stat(source).st_mode):  # noqa: PTH116  # surrogate escapes stay
            kind = "a directory" if Path(source).is_dir() else "not a regular file"
            raise VideoSkippedError("open", SkipReason.UNREADABLE, kind)
        return open(source, "rb")  # noqa: PTH123  # closed by open_container
    except FileNotFoundError as error:
        raise VideoSkippedError("open", SkipReason.NOT_FOUND, one_line(error)) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise VideoSkippedError("open", SkipReason.UNREADABLE, one_line(error)) from None


def _fingerprint(file: RemoteFile | IO[bytes]) -> tuple[int, str]:
    try:
        size = file.seek(0, os.SEEK_END)
        digest = hashlib.sha256(str(size).encode())
        for start in (0, max(0, size - _HASHED_BYTES)):
            file.seek(start)
            digest.update(file.read(_HASHED_BYTES))
        file.seek(0)
    except OSError as error:
        raise VideoSkippedError("open", SkipReason.UNREADABLE, one_line(error)) from None
    return size, digest.hexdigest()


def _open_format(file: RemoteFile | IO[bytes], size: int) -> InputContainer:
    import av

    av.logging.set_level(None)  # FFmpeg's remarks on broken files belong on nobody's terminal
    # FFmpeg gets the open file and may open no other: what a playlist in it names stays closed,
    # and no part of a path can be taken for a protocol or a pattern.
    target: Any = file
    options = {"protocol_whitelist": "fd"}
    if not isinstance(file, RemoteFile):
        target, options["fd"] = "fd:", str(file.fileno())
    try:
        container: InputContainer = av.open(target, options=options, metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
        if _is_mp4_without_index(file, size):
            detail = "an MP4 cut short: it ends before its index (moov)"
            raise VideoSkippedError("open", SkipReason.TRUNCATED, detail) from None
        # FFmpeg calls damage an "Input/output error", too; but this file could be read, unless
        # it is the remote file itself that says no.
        is_damage = isinstance(error, av.FFmpegError)
        reason = SkipReason.NOT_A_VIDEO if is_damage else SkipReason.UNREADABLE
        raise VideoSkippedError("open", reason, one_line(error)) from None
    return container


def _is_mp4_without_index(file: RemoteFile | IO[bytes], size: int) -> bool:
    """Whether the boxes of an MP4 run past the end of the file before its index came."""
    position = 0
    try:
        while position + 16 <= size:
            file.seek(position)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if kind == b"moov" or (position == 0 and kind != b"ftyp"):
                return False
            if length < 8:  # 0: up to the end, so never finished
                return kind == b"mdat"
            position += length
    except OSError:
        return False
    return position > size


def _refuse_pictures(container: InputContainer) -> None:
    names = set(container.format.name.split(","))
    if names & _REFUSED_FORMATS:
        detail = f"FFmpeg reads it as {container.format.name}, which holds no video of its own"
        raise VideoSkippedError("open", SkipReason.NOT_A_VIDEO, detail)
    brand = container.metadata.get("major_brand", "").strip()
    if container.format.name.endswith("_pipe") or names & _STILL_FORMATS or brand in _STILL_BRANDS:
        kind = brand if brand in _STILL_BRANDS else container.format.name.removesuffix("_pipe")
        raise VideoSkippedError("open", SkipReason.STILL_IMAGE, f"a picture ({kind})")
