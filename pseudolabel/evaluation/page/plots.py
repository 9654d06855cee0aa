"""Plots as SVG text: pure functions, no library, no colour of their own.

Shapes carry classes (`a`, `b`, `grid`, ...) that the page's style colours, in light and in dark;
nothing has a `style` attribute, which the page's policy forbids. All labels are escaped.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

_WIDTH = 520.0  # of every plot, in SVG units; the page scales it
_SIDE, _RIGHT, _EDGE = 44.0, 64.0, 20.0  # room for numbers beside the plot
_SERIES = "ab"
_BINS = 40


@dataclass(frozen=True, slots=True)
class Bar:
    """A measured value and its interval."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class BarGroup:
    """Bars of one measure, one a series; None where a series has none."""

    label: str
    bars: Sequence[Bar | None]


@dataclass(frozen=True, slots=True)
class _Scale:
    """A value's place on paper."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)


def bars(
    groups: Sequence[BarGroup],
    series: Sequence[str],
    *,
    title: str,
    percent: bool = False,
    digits: int = 2,
) -> str:
    """Horizontal bars with 95 % intervals as whiskers, grouped by measure.

    Args:
        groups: Top to bottom; values of all of them share one axis.
        series: Names of at most two series.
        title: Read aloud in place of the picture.
        percent: Values are shares, shown as percents.
        digits: After the point, of values that are no shares.
    """
    _at_most_two(series)
    known = [bar for group in groups for bar in group.bars if bar and math.isfinite(bar.value)]
    ends = [end for bar in known for end in (bar.value, bar.low, bar.high) if _finite(end)]
    ticks = _ticks(min([0.0, *ends]), max([0.0, *ends]))
    scale = _Scale(ticks[0], ticks[-1], 4, _WIDTH - _RIGHT)

    def say(value: float) -> str:
        return _percent(value) if percent else _fixed(value, digits)

    parts, top = [_legend(series)], 42.0
    for group in groups:
        parts.append(_text(4, top, group.label, "label"))
        top += 7
        for name, bar in zip(_SERIES, group.bars, strict=False):
            if bar and math.isfinite(bar.value):
                parts.append(_bar(bar, name, top, scale, say))
            top += 17
        top += 22
    top -= 12
    grid = _vertical_grid(ticks, scale, 28, top, _tick_writer(ticks, percent))
    return _svg(title, top + 20, [grid, *parts])


def _bar(bar: Bar, name: str, top: float, scale: _Scale, say: Callable[[float], str]) -> str:
    zero, end = scale(0), scale(bar.value)
    width = max(abs(end - zero), 1)
    parts = [
        f'<rect class="{name}" x="{min(zero, end)}" y="{top}" width="{width:.2f}" height="13"/>'
    ]
    text_from = max(zero, end)
    if _finite(bar.low) and _finite(bar.high):
        low, high, middle = scale(bar.low), scale(bar.high), top + 6.5
        caps = f"M{low} {middle - 3}v6M{high} {middle - 3}v6"
        parts.append(f'<path class="whisker" d="M{low} {middle}H{high}{caps}"/>')
        text_from = max(text_from, high)
    parts.append(_text(text_from + 6, top + 10.5, say(bar.value), "value"))
    return "".join(parts)


def histograms(
    a: Sequence[float],
    b: Sequence[float],
    labels: tuple[str, str],
    *,
    title: str,
    x_label: str = "",
    marks: Sequence[tuple[float, str]] = (),
) -> str:
    """Two distributions over the same bins, as shares of each; values that are NaN are left out.

    Args:
        a: Values of the first series.
        b: Values of the second.
        labels: Names of the two.
        title: Read aloud in place of the picture.
        x_label: What the values are.
        marks: Values to point at, each with its name, such as a floor.
    """
    return _distributions([a, b], labels, title, x_label, marks, is_whole=False)


def histogram(
    values: Sequence[float],
    *,
    title: str,
    x_label: str = "",
    marks: Sequence[tuple[float, str]] = (),
    is_whole: bool = False,
) -> str:
    """One distribution, as shares; values that are NaN are left out.

    Args:
        values: What is counted.
        title: Read aloud in place of the picture.
        x_label: What the values are.
        marks: Values to point at, each with its name, such as a floor.
        is_whole: Values are whole numbers: bins lie around them.
    """
    return _distributions([values], (), title, x_label, marks, is_whole=is_whole)


def _distributions(
    given: Sequence[Sequence[float]],
    labels: Sequence[str],
    title: str,
    x_label: str,
    marks: Sequence[tuple[float, str]],
    *,
    is_whole: bool,
) -> str:
    series = [_known(values) for values in given]
    everything = np.concatenate([*series, np.asarray([x for x, _ in marks], dtype=float)])
    if not everything.size:
        return _svg(title, 60, [_text(4, 34, "No values.", "label")])
    ticks = _ticks(float(everything.min()), float(everything.max()), from_zero=False)
    edges = np.linspace(ticks[0], ticks[-1], _BINS + 1)
    if is_whole:
        ticks = [tick for tick in ticks if tick.is_integer()]
        width = max(1, math.ceil((ticks[-1] - ticks[0]) / _BINS))
        edges = np.arange(math.floor(ticks[0]), ticks[-1] + width + 1, width) - 0.5
    shares = [np.histogram(values, edges)[0] / max(values.size, 1) for values in series]
    x = _Scale(float(min(edges[0], ticks[0])), float(edges[-1]), _SIDE, _WIDTH - _EDGE)
    highest = max(float(max(share.max() for share in shares)), 1e-9)
    top = 40 if labels else 6
    y = _Scale(0, highest, 210, top + 12)
    parts = [_vertical_grid(ticks, x, top, 210, _tick_writer(ticks))]
    parts += [
        f'<path class="area {name}" d="{_steps(edges, share, x, y)}"/>'
        for name, share in zip(_SERIES, shares, strict=False)
    ]
    parts += [_mark(x(value), top, 210, label) for value, label in marks]
    parts += [_text(4, top + 10, _percent(highest), "tick"), _legend(labels)]
    return _svg(title, 250, [*parts, _axis_label(x_label, 244)])


def _steps(edges: NDArray[np.float64], shares: NDArray[np.float64], x: _Scale, y: _Scale) -> str:
    path = [f"M{x(float(edges[0]))} {y(0)}"]
    for right, share in zip(edges[1:], shares, strict=True):
        path.append(f"V{y(float(share))}H{x(float(right))}")
    return "".join([*path, f"V{y(0)}"])


def curve(
    xs: Sequence[float],
    ys: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    *,
    mark: float | None,
    title: str,
    x_label: str = "",
    mark_label: str = "",
) -> str:
    """A curve with its interval as a band; points that are NaN are left out.

    Args:
        xs: Such as offsets in seconds, ascending.
        ys: One value an x.
        low: Lower ends of the intervals.
        high: Upper ends of the intervals.
        mark: The x to point at, such as the best offset, or None.
        title: Read aloud in place of the picture.
        x_label: What the xs are.
        mark_label: What is at the mark.
    """
    points = [p for p in zip(xs, ys, low, high, strict=True) if all(map(math.isfinite, p))]
    if not points:
        return _svg(title, 60, [_text(4, 34, "No values.", "label")])
    x_ticks = _ticks(min(p[0] for p in points), max(p[0] for p in points), from_zero=False)
    y_ticks = _ticks(min(p[2] for p in points), max(p[3] for p in points), from_zero=False)
    x = _Scale(points[0][0], max(points[-1][0], points[0][0] + 1e-9), _SIDE, _WIDTH - _EDGE)
    y = _Scale(y_ticks[0], y_ticks[-1], 210, 12)
    inside = [tick for tick in x_ticks if points[0][0] <= tick <= points[-1][0]]
    upper = "L".join(f"{x(p[0])} {y(p[3])}" for p in points)
    lower = "L".join(f"{x(p[0])} {y(p[2])}" for p in reversed(points))
    line = "L".join(f"{x(p[0])} {y(p[1])}" for p in points)
    parts = [
        _horizontal_grid(y_ticks, y),
        _vertical_grid(inside, x, 12, 210, _tick_writer(x_ticks)),
        f'<path class="band" d="M{upper}L{lower}Z"/>',
        f'<path class="line" d="M{line}"/>',
    ]
    if mark is not None and math.isfinite(mark):
        parts.append(_mark(x(mark), 12, 210, mark_label))
    return _svg(title, 250, [*parts, _axis_label(x_label, 244)])


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    name = escape(title)
    return (
        f'<svg class="plot" viewBox="0 0 {_WIDTH:g} {height:g}" role="img" aria-label="{name}">'
        f"<title>{name}</title>{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, style: str, anchor: str = "start") -> str:
    where = f'x="{round(x, 2)}" y="{round(y, 2)}" text-anchor="{anchor}"'
    return f'<text class="{style}" {where}>{escape(text)}</text>'


def _legend(series: Sequence[str]) -> str:
    parts, x = [], 4.0
    for name, label in zip(_SERIES, series, strict=False):
        parts.append(f'<rect class="{name}" x="{x}" y="4" width="12" height="12" rx="2"/>')
        parts.append(_text(x + 18, 14.5, label, "legend"))
        x += 36 + 7.2 * len(label)  # about as wide as the text; too wide is better than too narrow
    return "".join(parts)


def _mark(x: float, top: float, bottom: float, label: str) -> str:
    on_right = x < _WIDTH * 0.7  # so that the text stays on the paper
    text = _text(
        x + (6 if on_right else -6), top + 10, label, "value", "start" if on_right else "end"
    )
    return f'<path class="mark" d="M{x} {top}V{bottom}"/>{text}'


def _vertical_grid(
    ticks: Sequence[float], x: _Scale, top: float, bottom: float, say: Callable[[float], str]
) -> str:
    lines = "".join(f"M{x(tick)} {top}V{bottom}" for tick in ticks)
    texts = "".join(_text(x(tick), bottom + 15, say(tick), "tick", "middle") for tick in ticks[1:])
    # The first number would hang over the paper's edge, so it starts at its line.
    first = "start" if x.start < _SIDE else "middle"
    head = _text(x(ticks[0]), bottom + 15, say(ticks[0]), "tick", first) if ticks else ""
    return f'<path class="grid" d="{lines}"/>{head}{texts}'


def _horizontal_grid(ticks: Sequence[float], y: _Scale) -> str:
    say = _tick_writer(ticks)
    lines = "".join(f"M{_SIDE} {y(tick)}H{_WIDTH - _EDGE}" for tick in ticks)
    texts = "".join(_text(_SIDE - 6, y(tick) + 4, say(tick), "tick", "end") for tick in ticks)
    return f'<path class="grid" d="{lines}"/>{texts}'


def _axis_label(label: str, y: float) -> str:
    return _text((_SIDE + _WIDTH - _EDGE) / 2, y, label, "tick", "middle")


def _ticks(low: float, high: float, *, from_zero: bool = True) -> list[float]:
    """Four to eight round numbers that hold both ends."""
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # the same, but for rounding
        high = low + (abs(low) or 1.0)
    rough = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * n for n in (1, 2, 2.5, 5, 10) if power * n >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if from_zero:
        first, last = min(first, 0), max(last, 0)
    digits = 3 - math.floor(math.log10(step))
    return [round(n * step, digits) for n in range(first, last + 1)]


def _tick_writer(ticks: Sequence[float], percent: bool = False) -> Callable[[float], str]:
    if percent:
        return _percent
    step = min((b - a for a, b in itertools.pairwise(ticks)), default=1.0)
    digits = next((n for n in range(8) if abs(round(step, n) - step) < step * 1e-6), 8)
    return lambda value: _fixed(value, digits)


def _percent(value: float) -> str:
    digits = 0 if abs(value) >= 0.0995 or value == 0 else 1
    return f"{_fixed(100 * value, digits)} %"


def _fixed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "\u2212")


def _finite(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _known(values: Sequence[float]) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    return array[np.isfinite(array)]


def _at_most_two(series: Sequence[str]) -> None:
    if not 1 <= len(series) <= len(_SERIES):
        raise ValueError(f"{len(series)} series, expected one or two")
