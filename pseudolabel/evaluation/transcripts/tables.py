"""Transcripts of many videos in Parquet."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

from pseudolabel.errors import InputError
from pseudolabel.speech.many_videos import iter_rows
from pseudolabel.speech.table_transcripts import TableRow, table_columns
from pseudolabel.speech.transcripts import Transcript

_COLUMNS = "columns video_id, start, end (seconds), text"


def iter_parquet(
    path: str, wanted: Container[str] | None = None
) -> Iterator[tuple[str, Transcript]]:
    """The transcripts in a Parquet file: a row a segment, as in `iter_table`.

    Args:
        path: A file with columns video_id, start, end, text.
        wanted: The video ids to give; all, if None.

    Raises:
        InputError: If the file cannot be read, or lacks a column.
    """
    try:
        yield from iter_rows(lambda: _rows(path), wanted)
    except (OSError, ValueError, NotImplementedError) as error:  # Arrow's are of these types
        why = str(getattr(error, "strerror", None) or error).partition("\n")[0]
        hint = f"transcripts in Parquet have {_COLUMNS}"
        raise InputError(f"{path}: not readable as .parquet: {why}", hint=hint) from None


def _rows(path: str) -> Iterator[TableRow]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        names = list(file.schema_arrow.names)
        places = table_columns(names, of_many=True)
        columns = [names[places[field]] for field in TableRow._fields]
        for batch in file.iter_batches(columns=columns):
            # By name: Parquet gives columns in the file's order.
            cells = [batch.column(name).to_pylist() for name in columns]
            for row in zip(*cells, strict=True):
                yield TableRow(*map(_text, row))


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell)
