"""Rows against their published JSON Schema, a column at a time.

The rules are read from the schema file itself, so rows written here and rows checked by another
JSON Schema validator are held to the same words. Only the keywords that the row schemas use are
known; another one is an error, not a rule passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pseudolabel.contract import load_schema
from pseudolabel.release.manifest import ROW_SCHEMAS
from pseudolabel.release.rows import KEYS, UNIQUE

if TYPE_CHECKING:
    import pyarrow as pa

_TOLERANCE_S = 1e-6  # of times that were added up
_NOT_RULES = {"$schema", "$id", "title", "description", "required", "type", "additionalProperties"}


@dataclass(frozen=True, slots=True)
class WrongRow:
    """A row that breaks a rule."""

    row: int  # in the table that was checked, from 0
    message: str


def wrong_rows(config: str, rows: pa.Table) -> Iterator[WrongRow]:
    """Every rule that a row of a config breaks.

    Args:
        config: "clips", "frames" or "skipped".
        rows: Has the columns of `rows.arrow_schema(config)`; more may stand beside them.
    """
    properties = load_schema(ROW_SCHEMAS[config])["properties"]
    for name, rule in properties.items():
        yield from _column(name, rows[name].combine_chunks(), rule)
    if config == "clips":
        yield from _clip_times(rows)
    if config in UNIQUE:
        yield from _repeated(rows, KEYS[config])


def _column(name: str, values: pa.Array, rule: Mapping[str, Any]) -> Iterator[WrongRow]:
    """What is wrong with a column; an item of a list is told by its row."""
    for keyword, limit in rule.items():
        if keyword in ("items", "properties"):
            continue
        if keyword not in _NOT_RULES:
            yield from _told(name, values, _RULES[keyword](values, limit), f"{keyword} {limit}")
    if not _is_nullable(rule):
        yield from _told(name, values, np.asarray(values.is_null()), "must not be null")
    yield from _not_finite(name, values)
    if "items" in rule:
        yield from _items(name, values, rule["items"])
    for field, inner in rule.get("properties", {}).items():
        import pyarrow.compute as pc

        yield from _column(f"{name}.{field}", pc.struct_field(values, field), inner)


def _items(name: str, lists: pa.Array, rule: Mapping[str, Any]) -> Iterator[WrongRow]:
    import pyarrow.compute as pc

    parents = None
    for wrong in _column(f"{name}[]", pc.list_flatten(lists), rule):
        if parents is None:
            parents = pc.list_parent_indices(lists)
        yield WrongRow(parents[wrong.row].as_py(), wrong.message)


def _told(name: str, values: pa.Array, is_wrong: Any, rule: str) -> Iterator[WrongRow]:
    for row in np.flatnonzero(is_wrong):
        yield WrongRow(int(row), f"{name} is {_shown(values[int(row)].as_py())}: {rule}")


def _shown(value: object) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def _is_nullable(rule: Mapping[str, Any]) -> bool:
    return "null" in rule.get("type", ())


def _not_finite(name: str, values: pa.Array) -> Iterator[WrongRow]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(values.type):
        is_wrong = pc.invert(pc.is_finite(values)).fill_null(False)
        yield from _told(name, values, np.asarray(is_wrong), "must be a finite number")


def _is_true(values: Any) -> Any:
    return np.asarray(values.fill_null(False))


def _under(values: pa.Array, limit: float) -> Any:
    import pyarrow.compute as pc

    return _is_true(pc.less(values, limit))


def _over(values: pa.Array, limit: float) -> Any:
    import pyarrow.compute as pc

    return _is_true(pc.greater(values, limit))


def _too_short(values: pa.Array, limit: int) -> Any:
    import pyarrow.compute as pc

    return _is_true(pc.less(pc.utf8_length(values), limit))


def _too_few(lists: pa.Array, limit: int) -> Any:
    import pyarrow.compute as pc

    return _is_true(pc.less(pc.list_value_length(lists), limit))


def _other_form(values: pa.Array, pattern: str) -> Any:
    import pyarrow.compute as pc

    return _is_true(pc.invert(pc.match_substring_regex(values, pattern)))


def _not_among(values: pa.Array, allowed: list[Any]) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pc.is_in(values, value_set=pa.array(allowed, values.type))
    return np.asarray(pc.and_(pc.invert(known), values.is_valid()))


_RULES: dict[str, Callable[[pa.Array, Any], Any]] = {
    "minimum": _under,
    "maximum": _over,
    "minLength": _too_short,
    "minItems": _too_few,
    "pattern": _other_form,
    "enum": _not_among,
}


def _clip_times(clips: pa.Table) -> Iterator[WrongRow]:
    """A clip is not empty, and lies inside its video."""
    start, end, video_end = (np.asarray(clips[n]) for n in ("start_s", "end_s", "video_end_s"))
    wrong = {
        "ends before it starts": ~(end > start),
        "starts before the video": start < 0,
        "ends after the video": end > video_end + _TOLERANCE_S,
    }
    for what, is_wrong in wrong.items():
        for row in np.flatnonzero(is_wrong):
            times = f"{start[row]:g}..{end[row]:g} s of a video of {video_end[row]:g} s"
            yield WrongRow(int(row), f"clip {times} {what}")


def _repeated(rows: pa.Table, key: tuple[str, ...]) -> Iterator[WrongRow]:
    """Rows whose key stands in the table before."""
    if not rows.num_rows:
        return
    codes = [np.asarray(rows["video_id"].combine_chunks().dictionary_encode().indices)]
    codes += [np.asarray(rows[name]) for name in key[1:]]
    order = np.lexsort(codes[::-1])
    ordered = [code[order] for code in codes]
    same = np.logical_and.reduce([code[1:] == code[:-1] for code in ordered])
    for at in order[1:][same]:
        told = ", ".join(f"{name} {_shown(rows[name][int(at)].as_py())}" for name in key)
        yield WrongRow(int(at), f"stands there twice: {told}")
