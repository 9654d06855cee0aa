"""Files of captions, whatever holds them: a table, a JSON document, or lines of an id and a text.

The content says which, not the name. What its columns or keys mean is for the readers of
references and of predictions.
"""

from __future__ import annotations

import codecs
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pseudolabel.errors import InputError
from pseudolabel.records import Span
from pseudolabel.speech.encodings import decode
from pseudolabel.speech.table_transcripts import table_cells

# In order of preference, in lower case: in COCO's annotations `id` is that of the annotation.
ID_COLUMNS: tuple[str, ...] = ("video_id", "videoid", "image_id", "video", "image", "clip_name")
ID_COLUMNS += ("clip_id", "id", "key", "name", "file", "file_name", "filename", "path")
CAPTION_COLUMNS: tuple[str, ...] = ("encap", "captions", "caption", "references", "reference")
CAPTION_COLUMNS += ("sentences", "sentence", "text", "descriptions", "description")
_STARTS, _ENDS = ("start_s", "start"), ("end_s", "end")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with named cells: CSV, TSV, JSON lines, a JSON list of objects, or Parquet."""

    path: str
    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, Any]]

    def column(self, names: Iterable[str]) -> str | None:
        """The first of these that the table has, in its own spelling; case does not count."""
        by_lower = {name.strip().lower(): name for name in reversed(self.columns)}
        return next((by_lower[name] for name in names if name in by_lower), None)

    def captioned(self) -> list[CaptionRow]:
        """Its rows, read.

        Raises:
            InputError: If it has no column of ids or none of captions, or a row has no such cell.
        """
        id_column, caption_column = self.column(ID_COLUMNS), self.column(CAPTION_COLUMNS)
        if id_column is None or caption_column is None:
            missing, known = ("captions", CAPTION_COLUMNS) if id_column else ("ids", ID_COLUMNS)
            raise InputError(
                f"{self.path}: no column of {missing} (columns: {', '.join(self.columns)})",
                hint=f"such a column is one of: {', '.join(known)}",
            )
        index, start, end = (self.column(n) for n in (("clip_index",), _STARTS, _ENDS))
        found = []
        for number, row in enumerate(self.rows, 1):
            where = f"{self.path}: row {number}"
            found.append(
                CaptionRow(
                    read_id(row.get(id_column), f"{where}, {id_column}"),
                    read_texts(row.get(caption_column), f"{where}, {caption_column}"),
                    _clip_index(row.get(index), where) if index else None,
                    _span(row.get(start), row.get(end)) if start and end else None,
                )
            )
        return found


@dataclass(frozen=True, slots=True)
class CaptionRow:
    """A row of a table: an id and what was said of it."""

    video_id: str
    texts: tuple[str, ...]
    clip_index: int | None
    span: Span | None


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON document that is no list of objects."""

    path: str
    data: Any


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of text, each an id, white space and a caption; comments and empty lines left out."""

    path: str
    texts: Sequence[tuple[str, str]]


def read_file(path: str) -> Table | Document | Lines:
    """Read a file of captions. Text is UTF-8, or UTF with a mark; other bytes are Windows-1252.

    Raises:
        InputError: If it cannot be read, or is nothing of the kind.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", hint="check the path") from None
    if raw.startswith(b"PAR1"):
        return _parquet(path, raw)
    if b"\0" in raw[:4096] and not raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{path}: is no text", hint="JSON, JSON lines, CSV, TSV, text or Parquet")
    text = decode(raw)
    if not text.strip():
        raise InputError(f"{path}: is empty")
    return _json(path, text) if text.lstrip()[0] in "{[" else _plain(path, text)


def read_id(value: Any, where: str) -> str:
    """An id as text.

    Raises:
        InputError: If it is none.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of whole numbers with a gap in it
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise InputError(f"{where}: {value!r} is no id")


def read_texts(value: Any, where: str) -> tuple[str, ...]:
    """Captions: a text, a list of texts, or a list of `{"caption": text}`.

    Raises:
        InputError: If it is nothing of these.
    """
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):
        given = [text.get("caption") if isinstance(text, dict) else text for text in value]
        texts = [text for text in given if isinstance(text, str)]
        if len(texts) == len(given):
            return tuple(texts)
    raise InputError(f"{where}: {str(value)[:60]!r} is no caption and no list of captions")


def _clip_index(value: Any, where: str) -> int:
    try:
        index = float(value)  # "1.0" as well: a column of whole numbers with a gap in it
        if index.is_integer() and index >= 0:
            return int(index)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{where}: clip_index {str(value)[:60]!r} is no whole number, 0 or more")


def _span(start: Any, end: Any) -> Span | None:
    """None: this row has no times that can be used."""
    try:
        start_s, end_s = sorted((float(start), float(end)))  # some annotators swapped them
    except (TypeError, ValueError, OverflowError):
        return None
    usable = math.isfinite(start_s) and math.isfinite(end_s) and start_s < end_s
    return Span(start_s, end_s) if usable else None


def span_of(times: Any) -> Span | None:
    """A stretch of time given as `[start, end]`; None: it is none."""
    if not isinstance(times, list) or len(times) != 2:
        return None
    return _span(*times)


def _parquet(path: str, raw: bytes) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = {*ID_COLUMNS, *CAPTION_COLUMNS, "clip_index", *_STARTS, *_ENDS}
    try:
        file = pq.ParquetFile(io.BytesIO(raw))
        names = file.schema_arrow.names
        read = file.read(columns=[name for name in names if name.lower() in wanted])
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: not readable as Parquet: {error}") from None
    return Table(path, tuple(names), read.to_pylist())


def _json(path: str, text: str) -> Table | Document:
    once = partial(_each_once, path)
    try:
        data = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        rows = _json_lines(text, once)
        if rows is None:
            raise InputError(f"{path}: not JSON: {error}") from None
        return _objects(path, rows)
    if isinstance(data, list):
        return _objects(path, data)
    one = _objects(path, [data])
    id_column, caption_column = one.column(ID_COLUMNS), one.column(CAPTION_COLUMNS)
    if id_column and caption_column and isinstance(data[id_column], str | int):
        return one  # JSON lines, of which there is only one
    return Document(path, data)


def _each_once(path: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; JSON's reader would keep the last of two captions with one id, and say nothing."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(
            name for name, count in Counter(name for name, _ in pairs).items() if count > 1
        )
        raise InputError(
            f"{path}: {twice!r} stands twice in one object",
            hint='each once; several captions of one id are a list: {"a": ["x", "y"]}',
        )
    return found


def _json_lines(text: str, once: Callable[[list[tuple[str, Any]]], Any]) -> list[Any] | None:
    try:
        lines = (line for line in text.split("\n") if line.strip())
        return [json.loads(line, object_pairs_hook=once) for line in lines]
    except (ValueError, RecursionError):
        return None


def _objects(path: str, rows: Sequence[Any]) -> Table:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise InputError(
                f"{path}: row {number} is no object: {str(row)[:60]!r}",
                hint='as in {"video_id": "video7010", "caption": "a man sings"}',
            )
    columns = dict.fromkeys(name for row in rows for name in row)
    return Table(path, tuple(columns), rows)


def _plain(path: str, text: str) -> Table | Lines:
    first = text.lstrip().partition("\n")[0]
    for delimiter in ("\t", ","):
        head = Table(path, tuple(name.strip(' "\r') for name in first.split(delimiter)), ())
        if head.column(ID_COLUMNS) and head.column(CAPTION_COLUMNS):
            return _delimited(path, text, delimiter)
    lines = [line.strip() for line in text.split("\n")]
    pairs = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    short = next((pair[0] for pair in pairs if len(pair) < 2), None)
    if short is not None:
        raise InputError(
            f"{path}: {short[:60]!r} is a line without a caption",
            hint="a table has a header with a column of ids and one of captions; without one, "
            "each line is an id, a space or tab, and a caption",
        )
    return Lines(path, [(pair[0], pair[1]) for pair in pairs])


def _delimited(path: str, text: str, delimiter: str) -> Table:
    try:
        lines = table_cells(io.StringIO(text.lstrip(), newline=""), delimiter, strict=True)
        columns = [name.strip() for name in next(lines)]
        rows = [cells for cells in lines if any(cells)]
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    for number, cells in enumerate(rows, 1):
        if len(cells) != len(columns):
            raise InputError(
                f"{path}: row {number} has {len(cells)} cells, the header {len(columns)}",
                hint='a cell with a comma in it stands in quotes: "a man sings, then dances"',
            )
    return Table(path, tuple(columns), [dict(zip(columns, row, strict=True)) for row in rows])
