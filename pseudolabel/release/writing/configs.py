"""One config of a release: its rows checked, split by video, and written to shards."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pseudolabel.errors import ReleaseError
from pseudolabel.release.checks import wrong_rows
from pseudolabel.release.manifest import ReleaseFile, SplitCounts
from pseudolabel.release.splits import split_rows
from pseudolabel.release.writing.shards import ParquetShards
from pseudolabel.runs.findings.findings import Hashes, hashed

if TYPE_CHECKING:
    import pyarrow as pa

_NO_VIDEO: Hashes = np.zeros(0, np.uint64)


class ConfigWriter:
    """Writes the rows of one config, in a thread of its own.

    Args:
        release: The release's folder.
        config: "clips", "frames" or "skipped".
        schema: Of the rows.
        shares: The splits.
        max_bytes: How large a shard may be.
        group_rows: Rows of a row group.
    """

    def __init__(
        self,
        release: Path,
        config: str,
        schema: pa.Schema,
        shares: Mapping[str, float],
        max_bytes: int,
        group_rows: int,
    ) -> None:
        self.config = config
        self._folder = release / "data" / config
        self._folder.mkdir(parents=True)
        self._shares = shares
        self._shards = {
            split: ParquetShards(self._folder, split, schema, max_bytes, group_rows)
            for split in shares
        }
        # 8 bytes each: what several filters left out of a video does not come in one piece.
        self._videos: dict[str, list[Hashes]] = {split: [] for split in shares}
        self._thread = ThreadPoolExecutor(1, f"write-{config}")
        self._last: Future[None] | None = None

    def write(self, rows: pa.Table) -> None:
        """Add rows.

        One call is in work while the caller goes on; what went wrong in it is raised by the next.

        Raises:
            ReleaseError: If a row breaks its schema.
            OSError: If the disk is full, or the folder cannot be written.
        """
        self._wait()
        self._last = self._thread.submit(self._write, rows)

    def close(self) -> tuple[dict[str, SplitCounts], list[ReleaseFile]]:
        """Finish the shards: what each split holds, and the files, by path in the release."""
        self._wait()
        counts, files = {}, []
        for split, shards in self._shards.items():
            written = shards.close()
            videos = len(np.unique(np.concatenate([_NO_VIDEO, *self._videos[split]])))
            counts[split] = SplitCounts(shards.rows, videos, shards.memory_bytes)
            files += [replace(f, path=f"data/{self.config}/{f.path}") for f in written]
        self._thread.shutdown()
        return counts, files

    def abort(self) -> None:
        """Let go of thread and files, whatever state they are in."""
        self._thread.shutdown(cancel_futures=True)
        for shards in self._shards.values():
            shards.abort()

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()

    def _write(self, rows: pa.Table) -> None:
        wrong = next(wrong_rows(self.config, rows), None)
        if wrong is not None:
            row = rows.slice(wrong.row, 1).select(["video_id", "clip_index", "run"]).to_pylist()[0]
            raise ReleaseError(
                f"run {row['run']}, video {row['video_id']!r}, clip {row['clip_index']}: "
                f"{wrong.message}",
                hint="caption this video again into a new run, or leave the row out with --where",
            )
        for split, part in split_rows(rows, self._shares):
            self._shards[split].write(part)
            self._videos[split].append(np.unique(hashed(part["video_id"])))
