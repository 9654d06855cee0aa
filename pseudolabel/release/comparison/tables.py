"""The rows of a release as they lie in its Parquet files, a few columns and rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pseudolabel.errors import ReleaseError
from pseudolabel.release.manifest import Manifest

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

_BATCH_ROWS = 65_536
_BATCH_BYTES = 16 << 20  # aimed at; a column of images has fewer rows a batch


@dataclass(frozen=True, slots=True)
class StoredTable:
    """One config of a release; its rows are numbered from 0 through its files."""

    release: Path
    config: str
    files: tuple[tuple[str, Path], ...]  # split and path, in the manifest's order

    @classmethod
    def of(cls, release: Path, manifest: Manifest, config: str) -> StoredTable:
        """The files that the manifest lists for a config."""
        files = [
            (file.split, release / file.path)
            for file in manifest.files
            if file.config == config and file.split is not None
        ]
        return cls(release, config, tuple(files))

    def columns(self) -> dict[str, pa.DataType]:
        """The columns of the first file, with their types; none where there is no file.

        Raises:
            ReleaseError: If the file cannot be read.
        """
        if not self.files:
            return {}
        with _opened(self.files[0][1]) as parquet:
            return {field.name: field.type for field in parquet.schema_arrow}

    def count(self) -> int:
        """How many rows the files hold.

        Raises:
            ReleaseError: If a file cannot be read.
        """
        total = 0
        for _, path in self.files:
            with _opened(path) as parquet:
                total += parquet.metadata.num_rows
        return total

    def batches(self, columns: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
        """All rows in order, as pieces of bounded size, each with the split it is in.

        Columns of text come as dictionaries.

        Raises:
            ReleaseError: If a file cannot be read, or lacks a column.
        """
        for split, path in self.files:
            with _opened(path, columns) as parquet:
                size = _batch_rows(parquet, columns)
                for batch in parquet.iter_batches(size, columns=list(columns)):
                    batch.validate(full=True)  # the reader takes texts that are not UTF-8
                    yield split, batch

    def take(self, rows: NDArray[np.int64], columns: Sequence[str]) -> list[dict[str, Any]]:
        """A few rows, in the order asked for.

        Raises:
            ReleaseError: If a file cannot be read, or lacks a column.
        """
        found: dict[int, dict[str, Any]] = {}
        start = 0
        for _, path in self.files:
            with _opened(path, columns) as parquet:
                for group in range(parquet.num_row_groups):
                    end = start + parquet.metadata.row_group(group).num_rows
                    here = rows[(rows >= start) & (rows < end)]
                    if len(here):
                        read = parquet.read_row_group(group, columns=list(columns))
                        picked = read.take(here - start).to_pylist()
                        found.update(zip(here.tolist(), picked, strict=True))
                    start = end
        return [found[row] for row in rows.tolist()]


@contextmanager
def _opened(path: Path, columns: Sequence[str] = ()) -> Iterator[Any]:
    """A Parquet file; whatever goes wrong inside the block is told with the file's name.

    It is opened here, since Arrow takes a path such as `set:v1/data` for a URI.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as file:
            metadata = pq.read_metadata(file)
            schema = metadata.schema.to_arrow_schema()
            lacking = [name for name in columns if name not in schema.names]
            if lacking:
                raise ReleaseError(
                    f"{path}: has no column {lacking[0]}, which other files of "
                    f"{path.parent.name} have",
                    hint="pseudolabel validate lists all that is wrong",
                )
            texts = [name for name in columns if _is_text(schema.field(name).type)]
            yield pq.ParquetFile(
                file, metadata=metadata, read_dictionary=texts, buffer_size=1 << 20
            )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ReleaseError(
            f"{path}: cannot be read: {error}",
            hint="export the release again, or fetch it again if it was downloaded",
        ) from None


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _batch_rows(parquet: Any, columns: Sequence[str]) -> int:
    """Rows a batch, so that it holds about `_BATCH_BYTES`."""
    metadata = parquet.metadata
    total: int = 0
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(index)
            if chunk.path_in_schema.split(".")[0] in columns:
                total += chunk.total_uncompressed_size
    bytes_a_row: int = max(1, total // max(1, metadata.num_rows))
    return max(16, min(_BATCH_ROWS, _BATCH_BYTES // bytes_a_row))
