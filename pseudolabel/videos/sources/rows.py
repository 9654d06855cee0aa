"""Rows of tables and datasets: read from cells, gathered into one video each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pseudolabel.errors import InputError
from pseudolabel.records import Skipped, SkipReason, Span
from pseudolabel.videos.sources.entries import Details, Entry, named_entry, valid_id

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

COLUMNS = ("video", "video_id", "start_s", "end_s", "url", "license")

_CHUNK_ROWS = 1 << 14


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a video, or a span of one."""

    number: int  # from 1, a header not counted
    video: str | None  # path or URL
    video_id: str | None = None
    span: Span | None = None
    url: str | None = None
    license: str | None = None


def check_columns(table: str, found: Iterable[str], video: str = "video") -> None:
    """Refuse a table without a video column, or with half a span.

    Raises:
        InputError: Naming the table and the columns found.
    """
    names = [name for name in found if name]
    listed = ", ".join(names) or "none"
    if video not in names:
        raise InputError(
            f"{table}: no column 'video' (columns: {listed})",
            hint="a table has a column 'video' of paths or URLs; optional: "
            + ", ".join(COLUMNS[1:]),
        )
    if ("start_s" in names) != ("end_s" in names):
        raise InputError(
            f"{table}: one of start_s and end_s without the other (columns: {listed})",
            hint="give both, in seconds, or none",
        )


def read_row(table: str, number: int, cells: Mapping[str, object]) -> Row:
    """The row in a mapping from column to cell; columns of other names are ignored.

    Raises:
        InputError: If the span is half given, not finite, or does not end after it starts.
    """
    return Row(
        number,
        video=_text(cells.get("video")),
        video_id=_text(cells.get("video_id")),
        span=_span(table, number, cells.get("start_s"), cells.get("end_s")),
        url=_text(cells.get("url")),
        license=_text(cells.get("license")),
    )


def _text(cell: object) -> str | None:
    if isinstance(cell, Mapping):  # a Video feature: its bytes were never asked for
        cell = cell.get("path")
    return None if cell is None or cell == "" else str(cell)


def _span(table: str, number: int, start: object, end: object) -> Span | None:
    start, end = (None if cell == "" else cell for cell in (start, end))
    if start is None and end is None:
        return None
    try:
        if start is None or end is None:
            raise ValueError(f"a span needs both times, got start_s {start} and end_s {end}")
        return Span(float(start), float(end))  # type: ignore[arg-type]  # whatever the cell holds
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{table}: row {number}: {error}",
            hint="start_s and end_s are seconds from the start of the video, end after start",
        ) from None


def row_entries(
    rows: Iterable[Row], *, table: str, folder: str, has_spans: bool
) -> Iterator[Entry]:
    """The videos of a table, in the order in which they first occur.

    Rows of one video (the same `video` and `video_id`) need not follow each other: where there
    are spans the whole table is read first, and held in memory in columns: 300 bytes a row at
    the peak, measured with paths of 30 characters. Without spans rows go through as they come.

    Args:
        rows: The rows.
        table: What messages call the table.
        folder: Where relative paths start.
        has_spans: Whether rows can be spans.

    Raises:
        InputError: If a video has rows with and without a span.
    """
    for group in gathered(rows) if has_spans else ([row] for row in rows):
        yield _entry(group, table, folder)


def _entry(rows: Sequence[Row], table: str, folder: str) -> Entry:
    first = rows[0]
    if first.video is None:
        video_id = valid_id(first.video_id or f"{table}:{first.number}")
        detail = f"row {first.number} names no video"
        return Skipped(video_id, table, "list", SkipReason.NOT_FOUND, detail)
    spans = tuple(row.span for row in rows if row.span)
    if spans and len(spans) < len(rows):
        bare = next(row.number for row in rows if not row.span)
        raise InputError(
            f"{table}: row {bare}: {first.video} has no span here, and one in another row",
            hint="give a span in every row of a video, or in none",
        )
    details = Details(
        video_id=first.video_id,
        spans=spans or None,
        url=next((row.url for row in rows if row.url), None),
        license=next((row.license for row in rows if row.license), None),
    )
    return named_entry(first.video, folder, details)


def gathered(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows by video, in the order in which videos first occur, each video's rows in order."""
    import numpy as np

    table = _table(rows)
    codes = table["key"].combine_chunks().dictionary_encode().indices.to_numpy()
    table = table.drop_columns("key").combine_chunks()
    order = np.argsort(codes, kind="stable")
    ordered = (
        pair
        for at in range(0, len(order), _CHUNK_ROWS)
        for pair in _pairs(codes, table, order[at : at + _CHUNK_ROWS])
    )
    for _, group in itertools.groupby(ordered, key=lambda pair: pair[0]):
        yield [row for _, row in group]


def _table(rows: Iterable[Row]) -> pa.Table:
    import pyarrow as pa

    stream = iter(rows)
    chunks = [_columns([])]
    while part := list(itertools.islice(stream, _CHUNK_ROWS)):
        chunks.append(_columns(part))
    return pa.concat_tables(chunks)


def _columns(rows: Sequence[Row]) -> pa.Table:
    import pyarrow as pa

    def packed(texts: Iterable[str | None]) -> pa.Array:
        values = [None if text is None else text.encode("utf-8", "surrogatepass") for text in texts]
        return pa.array(values, pa.large_binary())

    keys = (
        f"\0{row.number}" if row.video is None else f"{row.video_id or ''}\0{row.video}"
        for row in rows
    )
    starts = [row.span.start_s if row.span else math.nan for row in rows]
    ends = [row.span.end_s if row.span else math.nan for row in rows]
    return pa.table(
        {
            "key": packed(keys),
            "number": pa.array([row.number for row in rows], pa.int64()),
            "video": packed(row.video for row in rows),
            "video_id": packed(row.video_id for row in rows),
            "start_s": pa.array(starts, pa.float64()),
            "end_s": pa.array(ends, pa.float64()),
            "url": packed(row.url for row in rows),
            "license": packed(row.license for row in rows),
        }
    )


def _pairs(
    codes: NDArray[np.int32], table: pa.Table, positions: NDArray[np.int64]
) -> Iterator[tuple[int, Row]]:
    def text(packed: bytes | None) -> str | None:
        return None if packed is None else packed.decode("utf-8", "surrogatepass")

    part = table.take(positions).to_pylist()
    for code, cells in zip(codes[positions].tolist(), part, strict=True):
        has_span = not math.isnan(cells["start_s"])
        yield (
            code,
            Row(
                number=cells["number"],
                video=text(cells["video"]),
                video_id=text(cells["video_id"]),
                span=Span(cells["start_s"], cells["end_s"]) if has_span else None,
                url=text(cells["url"]),
                license=text(cells["license"]),
            ),
        )
