"""The folder of frames that `pseudolabel frames` writes.

    DIR/
      frames.json            what the frames are, and of which clips; written first
      frames-000000.tar      WebDataset: `000000017.0.jpg` ... `000000017.7.jpg`, `000000017.json`
      frames-000000.parquet  where they lie in the tar, by clip; and why some have none

A tar is done when its table is there, which is written last. Both are there whole or not at all.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pseudolabel.errors import RunError

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST = "frames.json"
FORMAT_VERSION = 1


def frame_schema() -> pa.Schema:
    """The Arrow schema of a row of the table beside a tar: one clip."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("video_id", pa.string(), nullable=False),
            pa.field("clip_index", pa.int32(), nullable=False),
            pa.field("start_s", pa.float64(), nullable=False),
            pa.field("end_s", pa.float64(), nullable=False),
            pa.field("offset", pa.int64()),  # of the first JPEG's bytes; null: there are no frames
            pa.field("sizes", pa.list_(pa.int32())),  # of the JPEGs, which follow each other
            pa.field("reason", pa.string()),  # why there are no frames
            pa.field("detail", pa.string()),
        ]
    )


def tar_name(number: int) -> str:
    """The name of a tar."""
    return f"frames-{number:06d}.tar"


def table_path(folder: Path, number: int) -> Path:
    """The table beside a tar."""
    return (folder / tar_name(number)).with_suffix(".parquet")


def is_frame_folder(where: str) -> bool:
    """Whether this is a folder that `pseudolabel frames` has written."""
    return (Path(where) / MANIFEST).is_file()


def read_frame_manifest(folder: Path) -> Mapping[str, Any]:
    """What `frames.json` says.

    Raises:
        RunError: If it cannot be read, or a newer version of this package wrote it.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        version = manifest["format_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{folder / MANIFEST}: cannot be read: {error!r}") from None
    if version > FORMAT_VERSION:
        raise RunError(
            f"{folder}: written in format {version}; this version reads up to {FORMAT_VERSION}",
            hint="upgrade pseudolabel",
        )
    return manifest


def finished_tars(folder: Path) -> list[int]:
    """The numbers of the tars that are done, ascending."""
    return sorted(int(path.stem.rpartition("-")[2]) for path in folder.glob("frames-*.parquet"))


def reasons_of(folder: Path, number: int) -> Counter[str]:
    """Why clips of a tar that is done have no frames.

    Raises:
        RunError: If its table cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = table_path(folder, number)
    try:
        reasons = pq.read_table(path, columns=["reason"])["reason"]
    except (OSError, pa.ArrowException) as error:
        raise unreadable_table(path, error) from None
    return Counter(reasons.drop_null().to_pylist())


def unreadable_table(path: Path, error: Exception) -> RunError:
    """What to say of a table that does not open."""
    return RunError(
        f"{path}: cannot be read: {str(error).splitlines()[0]}",
        hint="delete it; the same `pseudolabel frames` makes it again",
    )
