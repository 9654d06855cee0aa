"""`--where`: conditions on a clip's columns, read as text and evaluated in Arrow.

    mean_logprob > -1.5 and not truncated
    words >= 3 and not contains(caption, "watermark")
    not flagged(loop, repeated)
    license in ("cc-by-4.0", "cc0-1.0") or license is None

A condition is a Python expression of columns, numbers, texts, comparisons, `and`, `or`, `not`,
`in`, `is None`, and three words of its own: `words`, the number of words of the caption;
`contains(column, "text")`, in any case; `flagged(name, ...)`, whether a clip has one of the flags.
Nothing of it is run as Python. As in SQL, a comparison with a value that is not there is neither
true nor false, and a clip stays only where the whole condition is true.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pseudolabel.errors import OptionError
from pseudolabel.records import Flag
from pseudolabel.release.rows import arrow_schema
from pseudolabel.runs.findings.findings import has_any

if TYPE_CHECKING:
    import pyarrow as pa

_HINT = 'such as --where "mean_logprob > -1.5 and not truncated"'
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}
_MISFITS = (AttributeError, TypeError, ValueError, OverflowError, RecursionError)
Evaluate = Callable[["pa.Table"], Any]  # the values of every row, or one value for all


class Filter:
    """A condition that clips must meet.

    Args:
        where: The condition, as in the module's examples.

    Raises:
        OptionError: If it cannot be read, or names a column that clips do not have.
    """

    def __init__(self, where: str) -> None:
        import pyarrow as pa

        self.where = where
        self.removed = 0
        self.unknown = 0
        try:
            parsed = ast.parse(where.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise OptionError(
                f"--where {where!r}: cannot be read: {getattr(error, 'msg', error)}", hint=_HINT
            ) from None
        try:
            self._evaluate = _Reader(where).read(parsed)
            tried = self._evaluate(arrow_schema("clips").empty_table())
        # A number beyond 64 bits overflows, half a surrogate pair cannot be encoded.
        except (*_MISFITS, pa.ArrowException) as error:
            raise OptionError(f"--where {where!r}: does not fit: {error}", hint=_HINT) from None
        if tried.type != pa.bool_() or isinstance(tried, pa.Scalar):
            raise OptionError(f"--where {where!r}: is no condition on a clip", hint=_HINT)

    def stays(self, clips: pa.Table) -> pa.ChunkedArray:
        """Whether each clip meets the condition: bool, never null; those that do not are counted.

        Args:
            clips: Rows of the config `clips`.
        """
        import pyarrow.compute as pc

        met = self._evaluate(clips)
        stays = met.fill_null(False)
        self.unknown += met.null_count
        self.removed += len(stays) - (pc.sum(stays).as_py() or 0)
        return stays


class _Reader:
    """Turns a parsed expression into a function of a table."""

    def __init__(self, where: str) -> None:
        self._where = where

    def read(self, node: ast.expr) -> Evaluate:
        import pyarrow.compute as pc

        match node:
            case ast.BoolOp(op=op, values=values):
                parts = [self.read(value) for value in values]
                join = pc.and_kleene if isinstance(op, ast.And) else pc.or_kleene
                return lambda rows: _joined(join, [part(rows) for part in parts])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self.read(operand)
                return lambda rows: pc.invert(inner(rows))
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return _constant(operator.neg(number))
            case ast.Constant(value=str() | int() | float() as value):
                return _constant(value)
            case ast.Name(id="words"):
                return lambda rows: pc.count_substring_regex(rows["caption"], r"\S+")
            case ast.Name(id=name):
                return self._column(name)
            case ast.Compare():
                return self._comparison(node)
            case ast.Call():
                return self._call(node)
        raise self._refused(node)

    def _column(self, name: str) -> Evaluate:
        columns = arrow_schema("clips").names
        if name not in columns:
            raise OptionError(
                f"--where {self._where!r}: clips have no column {name!r}",
                hint=f"there are: words, {', '.join(columns)}",
            )
        return lambda rows: rows[name]

    def _comparison(self, node: ast.Compare) -> Evaluate:
        import pyarrow.compute as pc

        parts: list[Evaluate] = []
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            parts.append(self._pair(left, op, right, node))
            left = right
        return lambda rows: _joined(pc.and_kleene, [part(rows) for part in parts])

    def _pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr, node: ast.expr) -> Evaluate:
        import pyarrow as pa
        import pyarrow.compute as pc

        one = self.read(left)
        match op, right:
            case ((ast.Is() | ast.IsNot()), ast.Constant(value=None)):
                test = pc.is_null if isinstance(op, ast.Is) else pc.is_valid
                return lambda rows: test(one(rows))
            case ((ast.In() | ast.NotIn()), (ast.Tuple(elts=items) | ast.List(elts=items))):
                values = [self._value(item) for item in items]

                def among(rows: pa.Table) -> Any:
                    column = one(rows)
                    found = pc.is_in(column, value_set=_set_of(values, column.type))
                    found = found if isinstance(op, ast.In) else pc.invert(found)
                    return pc.if_else(pc.is_valid(column), found, pa.scalar(None, pa.bool_()))

                return among
            case _ if type(op) in _COMPARISONS:
                other, compare = self.read(right), getattr(pc, _COMPARISONS[type(op)])
                return lambda rows: compare(one(rows), other(rows))
        raise self._refused(node)

    def _call(self, node: ast.Call) -> Evaluate:
        import pyarrow as pa
        import pyarrow.compute as pc

        match node:
            case ast.Call(func=ast.Name(id="flagged"), args=[_, *_] as args, keywords=[]):
                names = self._flags(args)

                def flagged(rows: pa.Table) -> pa.ChunkedArray:
                    return pa.chunked_array([pa.array(has_any(rows["flags"], names))])

                return flagged
            case ast.Call(func=ast.Name(id="contains"), args=[column, text], keywords=[]):
                searched, wanted = self.read(column), str(self._value(text))
                return lambda rows: pc.match_substring(searched(rows), wanted, ignore_case=True)
        raise self._refused(node)

    def _flags(self, nodes: list[ast.expr]) -> list[str]:
        names = [node.id if isinstance(node, ast.Name) else self._value(node) for node in nodes]
        known = [flag.value for flag in Flag]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise OptionError(
                f"--where {self._where!r}: there is no flag {unknown[0]!r}",
                hint=f"there are: {', '.join(known)}",
            )
        return [str(name) for name in names]

    def _value(self, node: ast.expr) -> str | int | float:
        match node:
            case ast.Constant(value=str() | int() | float() as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return -value
        raise self._refused(node)

    def _refused(self, node: ast.expr) -> OptionError:
        return OptionError(
            f"--where {self._where!r}: {ast.unparse(node)} is nothing a condition can have",
            hint=f"{_HINT}; also words, contains(caption, 'x'), flagged(loop), x in ('a', 'b')",
        )


def _constant(value: str | float) -> Evaluate:
    import pyarrow as pa

    scalar = pa.scalar(value)
    return lambda _rows: scalar


def _set_of(values: list[Any], kind: pa.DataType) -> pa.Array:
    """The values as those of a column; Arrow would make 1 of 1.5 without a word."""
    import pyarrow as pa

    found = pa.array(values, kind)
    if pa.types.is_integer(kind) and found.to_pylist() != values:
        raise pa.ArrowInvalid("the column holds whole numbers")
    return found


def _joined(join: Callable[[Any, Any], Any], values: list[Any]) -> Any:
    first, *others = values
    for other in others:
        first = join(first, other)
    return first
