"""Tar shards for those who train from tars: a `.json` beside the `.jpg` of the captioned frame.

The format is WebDataset's: files that belong together have one name up to the first dot. A clip's
name is a hash of its video's id, and its index, so it is the same in every release and never a
path that somebody else chose.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pseudolabel.release.manifest import ReleaseFile
from pseudolabel.release.writing.shards import HashingFile

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "webdataset"


class TarShards:
    """Writes one split's clips to `webdataset/split-00000-of-000NN.tar`.

    Args:
        release: The release's folder.
        split: The split's name.
        max_bytes: A shard is closed when it is as large.
    """

    def __init__(self, release: Path, split: str, max_bytes: int) -> None:
        self._folder = release / FOLDER
        self._folder.mkdir(exist_ok=True)
        self._split = split
        self._max_bytes = max_bytes
        self._files: list[tuple[Path, HashingFile, int]] = []  # with their clips
        self._tar: tarfile.TarFile | None = None

    def write(self, clips: pa.Table, images: pa.Array) -> None:
        """Add clips; one without an image is left out, its row in Parquet has its caption.

        Args:
            clips: Rows of the config `clips`, without images.
            images: JPEG, or null, one a clip.
        """
        for row, image in zip(clips.to_pylist(), images.to_pylist(), strict=True):
            if image is None:
                continue
            tar = self._tar_with_room()
            video = hashlib.sha256(row["video_id"].encode()).hexdigest()[:16]
            name = f"{video}-{row['clip_index']:06d}"
            _add(tar, f"{name}.jpg", image)
            _add(tar, f"{name}.json", json.dumps(row, ensure_ascii=False, sort_keys=True).encode())
            path, file, count = self._files[-1]
            self._files[-1] = path, file, count + 1

    def close(self) -> list[ReleaseFile]:
        """Finish the shards and give them their names; the paths are those in the release."""
        self._close_tar()
        done = []
        for index, (path, file, count) in enumerate(self._files):
            name = f"{self._split}-{index:05d}-of-{len(self._files):05d}.tar"
            path.replace(self._folder / name)
            done.append(ReleaseFile(f"{FOLDER}/{name}", file.bytes, file.sha256, count))
        return done

    def abort(self) -> None:
        """Let go of the open file, whatever state it is in."""
        if self._files:
            self._files[-1][1].close()

    def _tar_with_room(self) -> tarfile.TarFile:
        if self._files and self._files[-1][1].bytes >= self._max_bytes:
            self._close_tar()
        if self._tar is None:
            path = self._folder / f".{self._split}-{len(self._files):05d}"
            self._files.append((path, HashingFile(path), 0))
            out: Any = self._files[-1][1]
            self._tar = tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        return self._tar

    def _close_tar(self) -> None:
        if self._tar is not None:
            self._tar.close()
            self._files[-1][1].close()
            self._tar = None


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)  # no times and no owners: the bytes follow from the rows
    info.size = len(data)
    info.mode = 0o644
    tar.addfile(info, io.BytesIO(data))
