"""The figures of a card: histograms, drawn with Pillow so that nothing else need be installed.

An image is twice the size it is meant to be seen at, on a ground of its own, so that it is sharp
and can be read on light and dark pages. The same histogram gives the same bytes, as long as
Pillow is the same.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from pseudolabel.release.manifest import Histogram

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

WIDTH, HEIGHT = 1280, 640  # pixels; seen at half of it
_LEFT, _TOP, _RIGHT, _BOTTOM = 130, 150, 1230, 530  # of the plot
_CORNER = 5  # radius of a bar's upper corners
_LABEL_SPACE = 34  # at least so many pixels between labels on the x axis
_LABEL_STEPS = (1, 2, 4, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 2500, 5000)

_GROUND = "#ffffff"
_FRAME = "#d8dee4"
_GRID = "#e6eaef"
_AXIS = "#8c959f"
_TEXT = "#1f2328"
_SOFT = "#59636e"
_BAR = "#3572b0"
_MEAN = "#bc4c00"


def histogram_png(histogram: Histogram, title: str, unit: str, *, whole: bool = False) -> bytes:
    """A histogram of clips as a PNG of 1280 x 640 pixels.

    Bars are equally wide, whatever their bins span; the x axis says where bins begin and end.

    Args:
        histogram: What to draw; all of it may be 0.
        title: Stands above, such as "Words in a caption".
        unit: What the x axis counts, such as "words" or "seconds".
        whole: Whether the values are whole numbers: a bar that holds just one of them has it
            below its middle, rather than an edge at each side.

    Raises:
        ValueError: If there is not one edge more than there are counts.
    """
    if len(histogram.edges) != len(histogram.counts) + 1:
        raise ValueError(f"{len(histogram.edges)} edges for {len(histogram.counts)} counts")
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (WIDTH, HEIGHT), _GROUND)
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, WIDTH - 1, HEIGHT - 1), 16, outline=_FRAME, width=2)
    edges = histogram.edges
    is_one_value = whole and all(b - a == 1 for a, b in pairwise(edges))
    plot = _Plot(draw, histogram, 0.5 if is_one_value else 0.0)
    plot.head(title, unit)
    plot.grid()
    plot.bars()
    plot.x_axis(unit)
    if histogram.mean is not None:
        plot.mean(histogram.mean)
    buffer = io.BytesIO()
    # 64 colors hold the flat areas and the softened edges of the text, in a third of the bytes.
    image.quantize(64, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        buffer, "PNG", optimize=True
    )
    return buffer.getvalue()


def short_count(count: float) -> str:
    """A count as it stands on an axis: `950`, `12.5k`, `300k`, `1.2M`, `59.5M`, `3B`."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        # What rounds up to 1,000 of a unit is 1 of the next: 999,950 is 1M, not 1000k.
        if count >= size * 0.99995 or (size == 1e3 and count >= 1e3):
            return f"{count / size:.1f}".removesuffix(".0") + letter
    return f"{count:g}"


@dataclass(frozen=True, slots=True)
class _Plot:
    draw: ImageDraw
    histogram: Histogram
    shift: float  # in bins, from a bin's lower edge to where its label stands

    def head(self, title: str, unit: str) -> None:
        """The title, and below it how many there are and their mean."""
        clips, mean = sum(self.histogram.counts), self.histogram.mean
        # The one font that comes with Pillow has no bold cut: twice, a pixel apart, looks it.
        self._write((_LEFT - 88, 36), title, 38, _TEXT, "la")
        self._write((_LEFT - 87, 36), title, 38, _TEXT, "la")
        told = f"{clips:,} clip{'' if clips == 1 else 's'}" if clips else "no clips"
        if mean is not None:
            told += f"  ·  mean {_number(mean)} {unit}"
        self._write((_LEFT - 88, 88), told, 26, _SOFT, "la")

    def grid(self) -> None:
        """Lines across, with their counts on the left."""
        for tick in self._ticks():
            y = self._y(tick)
            self.draw.line((_LEFT, y, _RIGHT, y), _AXIS if tick == 0 else _GRID, 2)
            self._write((_LEFT - 16, y), short_count(tick), 24, _SOFT, "rm")

    def bars(self) -> None:
        """A bar for each bin; one that is not empty can always be seen."""
        for index, count in enumerate(self.histogram.counts):
            if not count:
                continue
            left, right = self._x(index), self._x(index + 1)
            gap = 1 if right - left < 12 else 3
            top = min(self._y(count), _BOTTOM - 3)
            radius = min(_CORNER, int(right - left) // 4, _BOTTOM - top)
            corners = (True, True, False, False)
            box = (left + gap, top, max(left + gap, right - gap), _BOTTOM - 1)
            self.draw.rounded_rectangle(box, radius, fill=_BAR, corners=corners)

    def x_axis(self, unit: str) -> None:
        """Marks where bins begin and end, as many as can be told apart, and the unit."""
        edges = self.histogram.edges[:-1] if self.shift else self.histogram.edges
        labels = [_number(edge) for edge in edges]
        every = self._label_every(labels)
        for index in range(0, len(labels), every):
            x = self._x(index + self.shift)
            self.draw.line((x, _BOTTOM, x, _BOTTOM + 8), _AXIS, 2)
            self._write((x, _BOTTOM + 16), labels[index], 24, _SOFT, "ma")
        self._write(((_LEFT + _RIGHT) / 2, _BOTTOM + 54), unit, 26, _TEXT, "ma")

    def mean(self, mean: float) -> None:
        """A dashed line at the mean, with its name on the side that has more room."""
        bins = len(self.histogram.counts)
        x = round(self._x(min(bins, _position(mean, self.histogram.edges) + self.shift)))
        self.draw.line((x, _TOP, x, _BOTTOM - 2), _GROUND, 7)  # so that it shows on bars
        for y in range(_TOP - 16, _BOTTOM, 14):
            self.draw.line((x, y, x, min(y + 7, _BOTTOM)), _MEAN, 3)
        is_left = x > (_LEFT + _RIGHT) / 2
        anchor, side = ("rm", -12) if is_left else ("lm", 12)
        self._write((x + side, _TOP - 19), "mean", 24, _MEAN, anchor)

    def _x(self, position: float) -> float:
        """Pixels from the left, for a position counted in bins."""
        return _LEFT + (_RIGHT - _LEFT) * position / len(self.histogram.counts)

    def _y(self, count: float) -> int:
        top = self._ticks()[-1]
        return round(_BOTTOM - (_BOTTOM - _TOP) * count / top)

    def _ticks(self) -> list[int]:
        return count_ticks(max(self.histogram.counts))

    def _label_every(self, labels: Sequence[str]) -> int:
        """Each how many-th edge has its label: those with room, and of them the shortest ones."""
        wide = max(self.draw.textlength(label, _font(24)) for label in labels) + _LABEL_SPACE
        needed = max(1, wide * len(self.histogram.counts) / (_RIGHT - _LEFT))
        steps = [step for step in _LABEL_STEPS if needed <= step <= needed * 2.5]
        steps = [step for step in steps if step == steps[0] or len(labels) > step * 4]
        return min(steps, key=lambda s: (max(map(len, labels[::s])), s), default=len(labels))

    def _write(
        self, at: tuple[float, float], text: str, size: int, color: str, anchor: str
    ) -> None:
        self.draw.text(at, text, color, _font(size), anchor)


def count_ticks(largest: int) -> list[int]:
    """Whole numbers for an axis, from 0 to the first that is not below `largest`; at most 6."""
    step, factors = 1, (2, 2.5, 2)  # 1, 2, 5, 10, 20, 50, ...
    turn = 0
    while step * 5 < largest:
        step = int(step * factors[turn % 3])
        turn += 1
    return [step * i for i in range(max(1, -(-largest // step)) + 1)]


def _position(value: float, edges: Sequence[float]) -> float:
    """Where a value lies among edges, counted in bins; the ends for what lies beyond."""
    if value <= edges[0]:
        return 0.0
    for index in range(len(edges) - 1):
        if value < edges[index + 1]:
            return index + (value - edges[index]) / (edges[index + 1] - edges[index])
    return float(len(edges) - 1)


def _number(value: float) -> str:
    """A number as short as it can be told, to three digits; thousands in full."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)
