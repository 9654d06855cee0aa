"""The pixels of clips that `pseudolabel frames` has taken out of the videos before."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pseudolabel.errors import OptionError
from pseudolabel.records import SkipReason
from pseudolabel.training.data.frame_folder import (
    finished_tars,
    read_frame_manifest,
    table_path,
    tar_name,
    unreadable_table,
)
from pseudolabel.training.data.tars import BLOCK, TarBytes, padded
from pseudolabel.videos.signals import VideoSkippedError

if TYPE_CHECKING:
    from pseudolabel.training.data.clips import Clips
    from pseudolabel.training.data.options import Fit

_SAME_S = 1e-6


class FrameFootage:
    """Frames in tars, in place of `VideoFootage`.

    Args:
        folder: What `pseudolabel frames` wrote; it may still be in work.
        clips: Of which frames are wanted; others with the same videos may be asked for, too.
        frames: How many of each clip.
        fit: How pictures are made square.

    Raises:
        OptionError: If the frames there are others.
        RunError: If the folder cannot be read.
    """

    def __init__(self, folder: Path, clips: Clips, *, frames: int, fit: Fit) -> None:
        held = read_frame_manifest(folder)["options"]
        for option, wanted in (("--frames", frames), ("--fit", fit)):
            if held[option] != wanted:
                raise OptionError(
                    f"{option} {wanted}: {folder} was made with {option} {held[option]}",
                    hint=f"{option} {held[option]}; or pseudolabel frames {option} {wanted}",
                )
        numbers = finished_tars(folder)
        self._tars = TarBytes([folder / tar_name(number) for number in numbers])
        self._read_tables([table_path(folder, number) for number in numbers], clips, frames)

    def has(self, clips: Clips) -> NDArray[np.bool_]:
        """See `Footage`: those with frames of just their times."""
        row = self._rows(clips.video, clips.clip_index)
        is_same = np.abs(self._span[row] - np.stack([clips.start_s, clips.end_s], 1)) < _SAME_S
        return np.asarray((row >= 0) & is_same.all(axis=1), np.bool_)

    def read(self, clips: Clips, clip: int) -> NDArray[np.uint8]:
        """See `Footage`."""
        from PIL import Image

        (row,) = self._rows(clips.video[clip : clip + 1], clips.clip_index[clip : clip + 1])
        if row < 0:
            raise VideoSkippedError("list", SkipReason.NOT_FOUND, "its frames are not there")
        sizes = [int(size) for size in self._sizes[row]]
        starts = np.cumsum([0, *(padded(size) + BLOCK for size in sizes[:-1])])
        try:
            data = self._tars.read(
                int(self._tar[row]), int(self._offset[row]), int(starts[-1]) + sizes[-1]
            )
            pictures = [
                np.asarray(Image.open(io.BytesIO(data[start : start + size])).convert("RGB"))
                for start, size in zip(starts, sizes, strict=True)
            ]
            return np.stack(pictures)
        except Exception as error:  # as of images: whatever makes Pillow stumble
            raise VideoSkippedError("decode", SkipReason.DECODE_ERROR, str(error)) from error

    def _rows(self, video: NDArray[np.int32], clip_index: NDArray[np.int32]) -> NDArray[np.int64]:
        """Where clips stand in the tables; -1 where they do not."""
        wanted = _keys(video, clip_index)
        if not len(self._key):
            return np.full(len(wanted), -1)
        row = np.minimum(np.searchsorted(self._key, wanted), len(self._key) - 1)
        return np.where(self._key[row] == wanted, row, -1)

    def _read_tables(self, paths: list[Path], clips: Clips, frames: int) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        columns = ["video_id", "clip_index", "start_s", "end_s", "offset", "sizes"]
        known = pa.array(clips.video_ids, pa.string())
        tables = []
        for tar, path in enumerate(paths):
            try:
                table = pq.read_table(path, columns=columns)
            except (OSError, pa.ArrowException) as error:
                raise unreadable_table(path, error) from None
            table = table.append_column("tar", pa.repeat(tar, table.num_rows))
            is_wanted = pc.and_(pc.is_in(table["video_id"], known), pc.is_valid(table["offset"]))
            tables.append(table.filter(is_wanted))
        empty = pa.table({name: [] for name in ("video", *columns[1:], "tar")})
        rows = pa.concat_tables(tables).combine_chunks() if tables else empty
        video = np.asarray(pc.index_in(rows["video_id"], known) if tables else rows["video"])
        keys = _keys(video.astype(np.int32), np.asarray(rows["clip_index"]).astype(np.int32))
        order = np.argsort(keys, kind="stable")
        self._key = keys[order]
        self._tar = np.asarray(rows["tar"]).astype(np.int32)[order]
        self._offset = np.asarray(rows["offset"]).astype(np.int64)[order]
        sizes = rows["sizes"].combine_chunks().flatten() if tables else pa.array([], pa.int32())
        self._sizes = np.asarray(sizes).astype(np.int32).reshape(-1, frames)[order]
        span = [np.asarray(rows[name]).astype(np.float64) for name in ("start_s", "end_s")]
        # The last row is for clips that are not there.
        self._span = np.concatenate([np.stack(span, 1)[order], [[np.nan, np.nan]]])


def _keys(video: NDArray[np.int32], clip_index: NDArray[np.int32]) -> NDArray[np.int64]:
    return video.astype(np.int64) << 32 | clip_index.astype(np.int64)
