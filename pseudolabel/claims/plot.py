"""The plot: a bar an arm, with a dot for each seed; an SVG that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from statistics import fmean, stdev

from pseudolabel.release.card.figures import count_ticks

_WIDTH, _ROW, _TOP = 720, 44, 64
_LEFT, _RIGHT = 190, 650  # of the plot, where 0 and the axis' end are
_GROUND, _TEXT, _SOFT, _GRID = "#ffffff", "#1f2328", "#59636e", "#e6eaef"
_BAR, _DOT = "#9dbfe0", "#1c4f82"


def bars_svg(rows: Sequence[tuple[str, Sequence[float]]], *, title: str) -> str:
    """Horizontal bars of means, with whiskers of one standard deviation and a dot a value.

    Args:
        rows: A label and one or more values each, 0 or more; from top to bottom.
        title: Stands above.
    """
    ticks = count_ticks(math.ceil(max([1.0, *(_end(values) for _, values in rows)])))
    height = _TOP + _ROW * len(rows) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'font-family="sans-serif" font-size="14">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="{_GROUND}"/>',
        f'<text x="24" y="32" font-size="17" fill="{_TEXT}">{escape(title)}</text>',
    ]
    bottom = _TOP + _ROW * len(rows)
    for tick in ticks:
        x = _x(tick, ticks)
        parts.append(f'<path d="M{x} {_TOP - 8}V{bottom}" stroke="{_GRID}"/>')
        parts.append(_text(x, bottom + 20, str(tick), "middle", _SOFT))
    for number, (label, values) in enumerate(rows):
        parts += _row(label, values, _TOP + _ROW * number, ticks)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _row(label: str, values: Sequence[float], top: float, ticks: Sequence[int]) -> list[str]:
    mean, middle = fmean(values), top + _ROW / 2 - 4
    end = _x(mean, ticks)
    parts = [
        _text(_LEFT - 12, middle + 5, label, "end", _TEXT),
        f'<rect x="{_LEFT}" y="{middle - 12}" width="{end - _LEFT:.1f}" height="24" '
        f'fill="{_BAR}"/>',
    ]
    if len(values) > 1:
        low, high = (_x(mean + side * stdev(values), ticks) for side in (-1, 1))
        caps = f"M{low} {middle - 4}v8M{high} {middle - 4}v8"
        parts.append(f'<path d="M{low} {middle}H{high}{caps}" stroke="{_TEXT}" fill="none"/>')
    parts += [
        f'<circle cx="{_x(value, ticks)}" cy="{middle}" r="3.5" fill="{_DOT}"/>' for value in values
    ]
    parts.append(_text(_x(_end(values), ticks) + 10, middle + 5, f"{mean:.1f}", "start", _TEXT))
    return parts


def _end(values: Sequence[float]) -> float:
    """Where what is drawn of a row ends."""
    spread = stdev(values) if len(values) > 1 else 0.0
    return max(*values, fmean(values) + spread) if len(values) > 1 else values[0]


def _x(value: float, ticks: Sequence[int]) -> float:
    return round(_LEFT + (_RIGHT - _LEFT) * max(0.0, value) / ticks[-1], 1)


def _text(x: float, y: float, text: str, anchor: str, color: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{color}">{escape(text)}</text>'
