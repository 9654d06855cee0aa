"""Tables of videos: CSV, TSV, JSON lines, Parquet."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import IO, Any

from pseudolabel.errors import InputError
from pseudolabel.videos.sources.entries import Entry, folder_of
from pseudolabel.videos.sources.remote import open_source
from pseudolabel.videos.sources.rows import COLUMNS, Row, check_columns, read_row, row_entries

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def is_table(source: str) -> bool:
    """Whether a path or URL ends like a table's."""
    return source.partition("::")[0].partition("?")[0].lower().endswith(TABLE_SUFFIXES)


def table_entries(source: str) -> Iterator[Entry]:
    """The videos of a table: a column `video`, and optionally the other `COLUMNS`.

    Paths are from the table's folder. Several rows of one video are its spans, wherever they
    stand; `row_entries` says what that costs.

    Args:
        source: Path or URL of the table.

    Raises:
        InputError: If it cannot be read, has no `video` column, or a span in it is none.
    """
    suffix = source.partition("::")[0].partition("?")[0].lower().rpartition(".")[2]
    # Paths that are not UTF-8 survive as the surrogate escapes that os.fsdecode gives.
    with (
        open_source(source) as handle,
        io.TextIOWrapper(handle, "utf-8-sig", "surrogateescape", newline="") as text,
    ):
        try:
            if suffix == "parquet":
                names, rows = _parquet(handle, source)
            elif suffix == "jsonl":
                names, rows = _jsonl(text, source)
            else:
                names, rows = _csv(text, source, "," if suffix == "csv" else "\t")
            check_columns(source, names)
            yield from row_entries(
                rows, table=source, folder=folder_of(source), has_spans="start_s" in names
            )
        except (csv.Error, ValueError, OSError) as error:  # Arrow's errors are ValueError, OSError
            why = str(error).partition("\n")[0]
            raise InputError(f"{source}: not readable as .{suffix}: {why}") from None


def _csv(text: Iterable[str], table: str, delimiter: str) -> tuple[list[str], Iterator[Row]]:
    reader = csv.DictReader(text, delimiter=delimiter)
    names = reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
    return names, (read_row(table, number, cells) for number, cells in enumerate(reader, 1))


def _jsonl(text: Iterable[str], table: str) -> tuple[list[str], Iterator[Row]]:
    """Any line may hold any column: spans are looked for throughout, names come from the first."""
    lines = enumerate((line for line in text if line.strip()), 1)
    documents = ((number, _document(table, number, line)) for number, line in lines)
    first = next(documents, None)
    if first is None:
        return [], iter(())
    every = itertools.chain([first], documents)
    return [*first[1], "start_s", "end_s"], (read_row(table, *document) for document in every)


def _document(table: str, number: int, line: str) -> dict[str, object]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{table}: row {number} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise InputError(f"{table}: row {number} is no object", hint='as in {"video": "a.mp4"}')
    return document


def _parquet(handle: IO[bytes], table: str) -> tuple[list[str], Iterator[Row]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file: Any = pq.ParquetFile(handle)
    names = list(file.schema_arrow.names)
    wanted = [name for name in COLUMNS if name in names]
    # A Video feature holds bytes beside the path, possibly whole videos.
    if "video" in names and pa.types.is_struct(file.schema_arrow.field("video").type):
        wanted[0] = "video.path"

    def rows() -> Iterator[Row]:
        batches = file.iter_batches(columns=wanted)
        every = (cells for batch in batches for cells in batch.to_pylist())
        for number, cells in enumerate(every, 1):
            yield read_row(table, number, cells)

    return names, rows()
