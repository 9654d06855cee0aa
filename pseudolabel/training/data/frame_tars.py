"""Frames of clips written into a tar as WebDataset has it, and a table of where they lie."""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from pseudolabel.errors import RunError
from pseudolabel.files import explained, replacing
from pseudolabel.training.data.clips import Clips
from pseudolabel.training.data.frame_folder import frame_schema, table_path, tar_name
from pseudolabel.training.data.tars import BLOCK
from pseudolabel.videos.signals import VideoSkippedError

Taken = list[bytes] | VideoSkippedError  # a clip's frames as JPEGs, or why there are none
Row = dict[str, Any]


def write_tar(
    folder: Path, number: int, clips: Clips, rows: range, taken: Iterable[Taken]
) -> tuple[int, Counter[str]]:
    """Write a tar, and then the table that says what is in it; each whole or not at all.

    Args:
        folder: Held by its lock.
        number: Of the tar.
        clips: Of the data.
        rows: Which of them.
        taken: Their frames, in order.

    Returns:
        The bytes of the tar, and the reasons why clips have no frames.

    Raises:
        RunError: If it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table: list[Row] = []
    why = partial(explained, folder, RunError, hint="make room, and run the same command again")
    with why(), replacing(folder / tar_name(number), locked=True) as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for clip, jpegs in zip(rows, taken, strict=True):
                table.append(_place(clips, clip) | _added(tar, clips, clip, jpegs))
        size = file.tell()
    with why(), replacing(table_path(folder, number), locked=True) as file:
        target: Any = file
        pq.write_table(pa.Table.from_pylist(table, frame_schema()), target)
    return size, Counter(row["reason"] for row in table if "reason" in row)


def _place(clips: Clips, clip: int) -> Row:
    return {
        "video_id": clips.video_ids[clips.video[clip]],
        "clip_index": int(clips.clip_index[clip]),
        "start_s": float(clips.start_s[clip]),
        "end_s": float(clips.end_s[clip]),
    }


def _added(tar: tarfile.TarFile, clips: Clips, clip: int, jpegs: Taken) -> Row:
    """Add a clip as a sample, if it has frames; gives where they are, or why there are none."""
    if isinstance(jpegs, VideoSkippedError):
        return {"reason": jpegs.reason.value, "detail": jpegs.detail}
    offset = tar.offset + BLOCK
    for position, jpeg in enumerate(jpegs):
        _add_member(tar, f"{clip:09d}.{position}.jpg", jpeg)
    said = {**_place(clips, clip), "caption": clips.texts[clip].as_py()[0]}
    _add_member(tar, f"{clip:09d}.json", json.dumps(said, ensure_ascii=False).encode())
    return {"offset": offset, "sizes": [len(jpeg) for jpeg in jpegs]}


def _add_member(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
