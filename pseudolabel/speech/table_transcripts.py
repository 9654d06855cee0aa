"""Transcripts as tables: CSV and TSV with a start, an end and a text in each row."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from pseudolabel.speech.cues import Cue, clean_text, number_s

_COLUMNS = {
    "video": "video_id",
    "video_id": "video_id",
    "start": "start",
    "start_s": "start",
    "end": "end",
    "end_s": "end",
    "text": "text",
}
_LONGEST_CELL = 1 << 24  # characters: 300 hours of speech; Python's own limit is 2 hours' worth


class TableRow(NamedTuple):
    """The cells of one row that matter, as they are; "" where there is none."""

    video_id: str
    start: str
    end: str
    text: str


def parse_table(text: str, *, delimiter: str) -> list[Cue]:
    """Cues of a table with a header, in file order.

    Times are seconds or clock times. Whisper's own TSV has whole milliseconds under the same
    names: whole numbers whose spans are typically 100 or longer are taken as that.

    Args:
        text: The file's text.
        delimiter: A comma or a tab.

    Raises:
        ValueError: If a column is missing, naming those found, the CSV is malformed, or the rows
            are of several videos.
    """
    rows = list(table_rows(io.StringIO(text, newline=""), delimiter=delimiter))
    if len({row.video_id for row in rows}) > 1:
        raise ValueError("holds the transcripts of several videos; one file a video is needed")
    return cues_of(rows, unit_s(rows))


def table_rows(
    lines: Iterable[str], *, delimiter: str, of_many: bool = False
) -> Iterator[TableRow]:
    """The rows of a table, one at a time; empty ones are left out.

    Args:
        lines: Of the file, their ends untouched.
        delimiter: A comma or a tab.
        of_many: Whether there must be a column of video ids.

    Raises:
        ValueError: If a column is missing, naming those found, or the CSV is malformed.
    """
    rows = table_cells(lines, delimiter)
    header = [name.strip() for name in next(rows, [])]
    index = table_columns(header, of_many=of_many)
    places = [index.get(name, len(header)) for name in TableRow._fields]
    for row in rows:
        if row:
            yield TableRow(*(row[place].strip() if place < len(row) else "" for place in places))


def table_columns(header: Sequence[str], *, of_many: bool) -> dict[str, int]:
    """Where the columns stand that matter, by the names of `TableRow`.

    Args:
        header: The names of all columns.
        of_many: Whether there must be one of video ids.

    Raises:
        ValueError: If one is missing, naming those found.
    """
    known = {name.lower(): place for place, name in reversed([*enumerate(header)])}
    index = {field: known[name] for name, field in _COLUMNS.items() if name in known}
    needed = TableRow._fields if of_many else TableRow._fields[1:]
    if missing := [name for name in needed if name not in index]:
        found = ", ".join(header) or "none"
        raise ValueError(f"no column {' or '.join(missing)} (columns: {found[:300]})")
    return index


def cues_of(rows: Iterable[TableRow], unit_s: float) -> list[Cue]:
    """The cues of rows, whose times are in units of `unit_s` seconds."""
    return [
        Cue(
            number_s(row.start) * unit_s,
            number_s(row.end) * unit_s if row.end else None,
            clean_text(row.text),
        )
        for row in rows
    ]


def unit_s(rows: Iterable[TableRow]) -> float:
    """Seconds a unit of time in these rows: 0.001 if they look like milliseconds, else 1."""
    times = [(row.start, row.end) for row in rows if row.start and row.end]
    if not times or not all(start.isdecimal() and end.isdecimal() for start, end in times):
        return 1.0
    typical = statistics.median(float(end) - float(start) for start, end in times)
    return 0.001 if typical >= 100 else 1.0


def table_cells(
    lines: Iterable[str], delimiter: str, *, strict: bool = False
) -> Iterator[list[str]]:
    """The cells of any table, a row at a time; those of an empty line are none.

    Args:
        lines: Of the file, their ends untouched.
        delimiter: A comma, or a tab: then a quote mark in a cell is one, and quotes none.
        strict: Refuse CSV whose quotes do not close, rather than make something of it.

    Raises:
        ValueError: If the CSV is malformed.
    """
    if delimiter == ",":
        yield from _csv_rows(lines, strict)
        return
    # Who writes tabs seldom quotes: a CSV reader would take a text's quote mark as one that
    # opens a cell, and swallow the rows up to the next.
    for line in lines:
        cells = line.rstrip("\r\n").split(delimiter)
        yield [_unquoted(cell) for cell in cells] if line.strip() else []


def _csv_rows(lines: Iterable[str], strict: bool) -> Iterator[list[str]]:
    reader = csv.reader(lines, strict=strict)
    while True:
        # The limit is the process's: other readers of tables keep their own.
        previous = csv.field_size_limit(_LONGEST_CELL)
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise ValueError(f"not CSV: {error}") from None
        finally:
            csv.field_size_limit(previous)
        if cells is None:
            return
        yield cells


def _unquoted(cell: str) -> str:
    whole = len(cell) > 1 and cell[0] == cell[-1] == '"' and cell.count('"') % 2 == 0
    return cell[1:-1].replace('""', '"') if whole else cell
