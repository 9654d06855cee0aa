"""The clips of a run or a release, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pseudolabel.errors import InputError
from pseudolabel.release.hub import local_release
from pseudolabel.release.manifest import MANIFEST, read_manifest
from pseudolabel.runs.storage.folder import RunFolder

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMNS = ("video_id", "clip_index", "start_s", "end_s", "caption", "frame_time_s")


@dataclass(frozen=True, slots=True)
class Clips:
    """Captioned clips, sorted by video and time; all columns have one length."""

    video_ids: tuple[str, ...]  # of the videos, each once
    video: NDArray[np.int64]  # (clips,): the video of each, an index into video_ids
    clip_index: NDArray[np.int64]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    frame_time_s: NDArray[np.float64]
    captions: tuple[str, ...]
    sources: tuple[str | None, ...]  # of the videos: a path or URL, where known

    def __len__(self) -> int:
        return len(self.captions)

    def of_video(self, video: int) -> slice:
        """Where the clips of one video stand."""
        first, end = np.searchsorted(self.video, [video, video + 1])
        return slice(int(first), int(end))

    def key(self, clip: int) -> str:
        """The name of a clip, which no other clip has."""
        return f"{self.video_ids[self.video[clip]]}#{self.clip_index[clip]}"


def read_clips(where: str) -> Clips:
    """Read the clips of a run folder or of a release, here or on the Hub.

    Raises:
        InputError: If it is neither, or holds no clip.
        RunError, ReleaseError, HubError: If it cannot be read.
    """
    import pyarrow as pa

    tables = list(_release_tables(where) if is_release(where) else _run_tables(where))
    rows = pa.concat_tables(tables) if tables else None
    if rows is None or not rows.num_rows:
        raise InputError(f"{where}: holds no captioned clip", hint="pseudolabel show lists them")
    rows = rows.sort_by([("video_id", "ascending"), ("start_s", "ascending")])
    ids = rows["video_id"].combine_chunks().dictionary_encode()
    video = np.asarray(ids.indices).astype(np.int64)
    first = np.unique(video, return_index=True)[1]
    return Clips(
        video_ids=tuple(ids.dictionary.to_pylist()),
        video=video,
        clip_index=np.asarray(rows["clip_index"]).astype(np.int64),
        start_s=np.asarray(rows["start_s"]),
        end_s=np.asarray(rows["end_s"]),
        frame_time_s=np.asarray(rows["frame_time_s"]),
        captions=tuple(rows["caption"].to_pylist()),
        sources=tuple(rows["source"].take(pa.array(first)).to_pylist()),
    )


def is_release(where: str) -> bool:
    """Whether this names a release, here or on the Hub, rather than a run."""
    folder = Path(where)
    return (folder / MANIFEST).is_file() or not (folder.exists() or "://" in where)


def _run_tables(where: str) -> Sequence[pa.Table]:
    folder = RunFolder(where)
    folder.manifest()  # says so if this is no run
    return [table.select([*_COLUMNS, "source"]) for table in folder.rows()]


def _release_tables(where: str) -> Sequence[pa.Table]:
    import pyarrow.parquet as pq

    release = local_release(where)
    files = [file.path for file in read_manifest(release).files if file.config == "clips"]
    tables = [pq.read_table(release / path, columns=[*_COLUMNS, "url"]) for path in files]
    return [table.rename_columns([*_COLUMNS, "source"]) for table in tables]
