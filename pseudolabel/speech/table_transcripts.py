"""Transcripts as tables: CSV and TSV with a start, an end and a text in each row."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterator, Sequence

from pseudolabel.speech.cues import Cue, clean_text, number_s

_COLUMNS = {
    "start": "start",
    "start_s": "start",
    "end": "end",
    "end_s": "end",
    "text": "text",
}


def parse_table(text: str, *, delimiter: str) -> list[Cue]:
    """Cues of a table with a header, in file order.

    Times are seconds or clock times. Whisper's own TSV has whole milliseconds under the same
    names: whole numbers whose spans are typically 100 or longer are taken as that.

    Args:
        text: The file's text.
        delimiter: A comma or a tab.

    Raises:
        ValueError: If a column is missing, naming those found, or the CSV is malformed.
    """
    rows = _rows(text, delimiter)
    header = [name.strip() for name in next(rows, [])]
    index = {_COLUMNS[name.lower()]: i for i, name in enumerate(header) if name.lower() in _COLUMNS}
    if missing := [name for name in ("start", "end", "text") if name not in index]:
        found = ", ".join(header) or "none"
        raise ValueError(f"no column {' or '.join(missing)} (columns: {found})")
    wanted = (index["start"], index["end"], index["text"])
    cells = [[row[i].strip() if i < len(row) else "" for i in wanted] for row in rows if row]
    unit_s = 0.001 if _in_milliseconds(cells) else 1.0
    return [
        Cue(number_s(start) * unit_s, number_s(end) * unit_s if end else None, clean_text(said))
        for start, end, said in cells
    ]


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    if delimiter == ",":
        try:
            yield from csv.reader(io.StringIO(text, newline=""))
        except csv.Error as error:
            raise ValueError(f"not CSV: {error}") from None
        return
    # Whisper writes a quote mark as it is, which a CSV reader takes as an open quotation.
    for line in io.StringIO(text, newline=None):
        yield [_unquoted(cell) for cell in line.rstrip("\n").split(delimiter) if line.strip()]


def _unquoted(cell: str) -> str:
    whole = len(cell) > 1 and cell[0] == cell[-1] == '"' and cell.count('"') % 2 == 0
    return cell[1:-1].replace('""', '"') if whole else cell


def _in_milliseconds(cells: Sequence[Sequence[str]]) -> bool:
    times = [(start, end) for start, end, _ in cells if start and end]
    if not times or not all(start.isdecimal() and end.isdecimal() for start, end in times):
        return False
    return statistics.median(int(end) - int(start) for start, end in times) >= 100
