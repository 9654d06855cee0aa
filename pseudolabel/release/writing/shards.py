"""Parquet shards, written as a stream: `split-00000-of-000NN.parquet`."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pseudolabel.errors import OptionError
from pseudolabel.release.manifest import ReleaseFile

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROWS_PER_GROUP = 32_768  # what is held in memory; a reader's smallest piece
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
SMALLEST_BYTES = 10_000


def parse_size(text: str) -> int:
    """Bytes from a text such as `500MB` or `1GiB`.

    Raises:
        OptionError: If it is no size, or less than 10 KB.
    """
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    unit = _UNITS.get(match[2].upper()) if match else None
    size = int(float(match[1]) * unit) if match and unit else 0
    if size < SMALLEST_BYTES:
        raise OptionError(
            f"--max-shard-size {text}: not a size of 10KB or more", hint="such as 500MB or 1GiB"
        )
    return size


class HashingFile:
    """A file that is written from its beginning to its end, and hashed on the way."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("wb")
        self._hash = hashlib.sha256()
        self.bytes = 0

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._file.closed

    def write(self, data: bytes) -> int:
        """Write a piece."""
        self._hash.update(data)
        self.bytes += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        """Bytes written."""
        return self.bytes

    def flush(self) -> None:
        """Hand over what is buffered."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def sha256(self) -> str:
        """Of what was written, in hex."""
        return self._hash.hexdigest()


class ParquetShards:
    """Writes the rows of one split of one config.

    A shard is closed before a row group that would probably make it larger than asked for. Row
    groups have the same rows however the rows arrive, so the bytes are a function of the rows.

    Args:
        folder: Where the shards go, under temporary names until `close`.
        split: The split's name.
        schema: Of the rows.
        max_bytes: How large a shard may be; one row group always fits.
        group_rows: Rows of a row group, which is what is held in memory.
    """

    def __init__(
        self,
        folder: Path,
        split: str,
        schema: pa.Schema,
        max_bytes: int,
        group_rows: int = ROWS_PER_GROUP,
    ) -> None:
        self._folder = folder
        self._split = split
        self._schema = schema
        self._max_bytes = max_bytes
        self._group_rows = group_rows
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._files: list[tuple[Path, HashingFile, int]] = []  # with their rows
        self._writer: pq.ParquetWriter | None = None
        self._largest_group = 0
        self.rows = 0
        self.memory_bytes = 0

    def write(self, rows: pa.Table) -> None:
        """Add rows; full row groups are written at once."""
        if not rows.num_rows:
            return
        self._waiting.append(rows)
        self._waiting_rows += rows.num_rows
        while self._waiting_rows >= self._group_rows:
            self._write_group(self._group_rows)

    def close(self) -> list[ReleaseFile]:
        """Write what waits, and give the shards their names.

        Without rows there is one shard without a row group: `datasets` loads that as a split of
        no rows, and stumbles over an empty row group or a missing file.
        """
        if self._waiting_rows:
            self._write_group(self._waiting_rows)
        elif not self._files:
            self._shard_with_room()
        self._close_shard()
        done = []
        for index, (path, file, rows) in enumerate(self._files):
            name = f"{self._split}-{index:05d}-of-{len(self._files):05d}.parquet"
            path.replace(self._folder / name)
            done.append(ReleaseFile(name, file.bytes, file.sha256, rows))
        return done

    def abort(self) -> None:
        """Let go of the open file, whatever state it is in."""
        if self._files:
            self._files[-1][1].close()

    def _write_group(self, count: int) -> None:
        import pyarrow as pa

        joined = pa.concat_tables(self._waiting)
        rest = joined.slice(count)
        self._waiting, self._waiting_rows = ([rest] if len(rest) else []), len(rest)
        group = joined.slice(0, count).combine_chunks()  # pages must not follow the input's chunks
        writer = self._shard_with_room()
        path, file, rows = self._files[-1]
        before = file.bytes
        writer.write_table(group, row_group_size=count)
        self._largest_group = max(self._largest_group, file.bytes - before)
        self._files[-1] = path, file, rows + count
        self.rows += count
        self.memory_bytes += group.nbytes

    def _shard_with_room(self) -> pq.ParquetWriter:
        import pyarrow.parquet as pq

        if self._files and self._files[-1][1].bytes + self._largest_group > self._max_bytes:
            self._close_shard()
        if self._writer is None:
            path = self._folder / f".{self._split}-{len(self._files):05d}"
            self._files.append((path, HashingFile(path), 0))
            self._writer = pq.ParquetWriter(
                self._files[-1][1],
                self._schema,
                compression="zstd",
                write_page_index=True,
                use_content_defined_chunking=True,
            )
        return self._writer

    def _close_shard(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._files[-1][1].close()
            self._writer = None
