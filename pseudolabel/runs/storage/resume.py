"""Going on where a run stopped: which videos are done, and whether the options are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pseudolabel.errors import RunError
from pseudolabel.records import Skipped, Video
from pseudolabel.runs.storage.ahead import ahead
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.videos.opening import VideoSkippedError, hash_content

if TYPE_CHECKING:
    import pyarrow as pa

_NEVER = -1  # no text has this hash
_CUT = " cut:"  # in `Video.listed`, before a hash of the clips that a table gives


class DoneVideos:
    """The videos whose rows are in committed parts; 32 bytes each.

    A video is done if its content, as it was listed, is what it was then, and so are the clips
    that a table gives it. Where size and modification time (or the ETag) say otherwise, a hash of
    the file's ends decides: a file that was copied or touched is still the same video. One that
    cannot be listed any more keeps the captions that it has: a disk may be gone for a while.

    Of an id two hashes of 64 bits are kept: that any two of a billion videos are taken for one
    has a chance of 1 in 10^20.

    Args:
        folder: The run.
        retry_skipped: Whether videos that only have skipped rows count as not done.
    """

    def __init__(self, folder: RunFolder, *, retry_skipped: bool = False) -> None:
        none = np.zeros((0, 4), np.int64)  # two hashes of the id, of `listed`, of the content
        self._rows = _newest([none, *_listed_videos(folder, retry_skipped=retry_skipped)])
        self._keys = np.ascontiguousarray(self._rows[:, 0])

    def __contains__(self, video: Video | Skipped) -> bool:
        key, other = _two_hashes(video.video_id)
        at = int(np.searchsorted(self._keys, key))
        while at < len(self._keys) and self._keys[at] == key:
            _, found, listed, content = self._rows[at].tolist()
            if found == other:
                if isinstance(video, Skipped) and content != hash(""):
                    return True
                return bool(listed == hash(video.listed)) or _is_same(content, video)
            at += 1
        return False


def _listed_videos(folder: RunFolder, *, retry_skipped: bool) -> Iterator[NDArray[np.int64]]:
    """What `DoneVideos` keeps, oldest part first; of a part what was skipped, then its clips."""
    with_skipped = folder.parts_with("skipped")
    reads = []
    for part in folder.parts():
        read = partial(folder.rows_of, part)
        if part in with_skipped:
            # Those to try again count as well: they are newer than clips of an older part.
            columns = ["video_id"] if retry_skipped else ["video_id", "listed"]
            reads.append(partial(read, "skipped", columns=columns))
        reads.append(partial(read, "clips", columns=["video_id", "listed", "content_hash"]))
    return map(_hashes, ahead((1, read) for read in reads))


def _hashes(rows: pa.Table) -> NDArray[np.int64]:
    """`(videos, 4)`: a row for each video, all of whose rows say the same."""
    columns = [rows[name].to_pylist() for name in rows.column_names]
    videos = {row[0]: row[1:] for row in zip(*columns, strict=True)}
    hashes = [(*_two_hashes(video_id), *_state(*said)) for video_id, said in videos.items()]
    return np.array(hashes, np.int64).reshape(-1, 4)


def _state(listed: str | None = None, content: str = "") -> tuple[int, int]:
    """Hashes of a video as it was listed, and of its content; without any it is never the same."""
    if listed is None:
        return _NEVER, hash("")
    return hash(listed), _hash_of(content, listed)


def _hash_of(content: str, listed: str) -> int:
    """Of a video's content, and of the clips that are asked of it."""
    return hash(content and content + listed.partition(_CUT)[2])


def _two_hashes(video_id: str) -> tuple[int, int]:
    return hash(video_id), hash(f"{video_id}\0")


def _newest(tables: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Of each video the last row, in the order of the ids' hashes."""
    rows = np.concatenate(tables)[::-1]
    order = np.lexsort((rows[:, 1], rows[:, 0]))  # stable: of equal ones the newest comes first
    ordered = rows[order]
    is_first = np.ones(len(rows), bool)
    is_first[1:] = (ordered[1:, :2] != ordered[:-1, :2]).any(axis=1)
    return ordered[is_first]


def _is_same(content: int, video: Video | Skipped) -> bool:
    """Whether a file has the content with this hash; what was skipped has none."""
    return content != hash("") and content == _hash_of(_content_hash(video.source), video.listed)


def _content_hash(source: str) -> str:
    try:
        return hash_content(source)
    except VideoSkippedError:
        return ""  # decoding it will say what is wrong


def with_its_clips(video: Video | Skipped) -> Video | Skipped:
    """The video; what was listed of it then says which clips a table gives it, if one does."""
    if isinstance(video, Skipped) or video.spans is None:
        return video
    clips = ",".join(f"{span.start_s!r}-{span.end_s!r}" for span in video.spans)
    cut = hashlib.blake2b(clips.encode(), digest_size=8).hexdigest()
    return replace(video, listed=f"{video.listed}{_CUT}{cut}")


def check_same_options(path: str, made_with: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse to go on with other options than the run was made with.

    Raises:
        RunError: Naming every option that differs, with both values.
    """
    names = [*made_with, *(name for name in asked if name not in made_with)]
    differing = [
        f"{name} was {made_with.get(name)!r}, now {asked.get(name)!r}"
        for name in names
        if made_with.get(name) != asked.get(name)
    ]
    if differing:
        raise RunError(
            f"{path}: this run was made with other options: {'; '.join(differing)}",
            hint="repeat the options it was made with, or choose another --out",
        )
