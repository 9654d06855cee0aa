"""What the pixels of a frame say by themselves: a perceptual hash, light, change, likely text.

All of it is computed in integers, from the luma (BT.601), so a frame looks the same on every
machine. A picture of more than 512 x 512 pixels is halved until it is not: the cost is bounded.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pseudolabel.records import FrameLook

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEXT_SHARE = 0.00390625  # 1/256: from this `text_share` on, there is likely text on the picture

_GRID = 32  # the hash and `change` see the picture as so many boxes each way
_LEVEL = 16  # a box's mean luma is in sixteenths
_MOST_PIXELS = 512 * 512
_FEW = 4  # every fourth pixel each way is enough for the contrast
_STRIP = 128  # rows made luma at a time, in memory that need not come from the system anew

# Bits of the hash: the signs of the 64 waves that fit 0..7 times across and down, and 8 down;
# the one of no change is left out. A wave that swings by less than half a level of luma is noise:
# its bit is 0, else the hash of a plain picture would be one of its codec.
_UNIT = 1024  # of the cosines
_WAVES = np.rint(
    _UNIT * np.cos(np.pi / (2 * _GRID) * np.outer(np.arange(9), np.arange(1, 2 * _GRID, 2)))
).astype(np.int64)  # (9, 32)
_FAINTEST = _LEVEL * _UNIT * _UNIT * _GRID * _GRID // 4 // 2

# Text: rows full of narrow strokes, with hardly any right above and right below.
_STROKE_PX = 2  # a stroke differs from what is so far to its left, and to its right
_STROKE_LEVELS = 44  # by so much
_CELL_WIDTH, _CELL_HEIGHT = 8, 4  # px
_WINDOW = 5  # cells across: the narrowest line of text
_FULL = _WINDOW * _CELL_WIDTH * _CELL_HEIGHT // 16  # bright strokes in a window, and dark: px
_QUIET = 8  # above and below a line there are so many times fewer
_REACH = 8  # cells: how far above and below it is looked; a doubling, see `_least_ahead`
_BYTES_SUMMED = np.uint64(0x0101010101010101)  # times eight small bytes: their sum, at the top


class LookMeter:
    """Measures the frames of one video, in the order in which they were decoded."""

    def __init__(self) -> None:
        self._before: NDArray[np.int64] | None = None

    def look(self, pixels: NDArray[np.uint8]) -> FrameLook:
        """Measure the video's next frame.

        Args:
            pixels: uint8 RGB `(H, W, 3)`, of any size from 1 x 1.
        """
        luma = _luma(pixels)
        small = _halved(luma)  # enough for all but small text, at a fourth of the cost
        boxes = _boxes(small)
        change = None if self._before is None else int(np.abs(boxes - self._before).max())
        self._before = boxes
        return FrameLook(
            perceptual_hash=f"{_hash(boxes):016x}",
            brightness=round(int(small.sum(dtype=np.uint32)) / small.size, 2),
            contrast=_contrast(pixels),
            change=None if change is None else round(change / _LEVEL, 2),
            text_share=round(max(_text_share(luma), _text_share(small)), 6),
        )


def _luma(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Luma of an RGB picture, `(H, W)`, halved as often as it is too large."""
    luma = np.empty(pixels.shape[:2], np.uint8)
    for top in range(0, len(pixels), _STRIP):
        strip = pixels[top : top + _STRIP]
        sums = strip[:, :, 1] * np.uint16(150)
        sums += strip[:, :, 0] * np.uint16(77)
        sums += strip[:, :, 2] * np.uint16(29)
        sums += np.uint16(128)
        luma[top : top + _STRIP] = sums >> 8
    while luma.size > _MOST_PIXELS:
        luma = _halved(luma)
    return luma


def _halved(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Half as high and half as wide, except where there is one pixel only."""
    height, width = luma.shape
    sums = luma[: max(height - 1, 1) : 2].astype(np.uint16)
    sums += luma[min(1, height - 1) :: 2]
    sums = sums[:, : max(width - 1, 1) : 2] + sums[:, min(1, width - 1) :: 2]
    return ((sums + np.uint16(2)) >> 2).astype(np.uint8)


def _boxes(luma: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The mean luma of 32 x 32 boxes, in sixteenths; a smaller picture's pixels are repeated."""
    height, width = luma.shape
    if height % _GRID == width % _GRID == 0:  # all boxes alike: the same, at a third of the cost
        rows_summed = luma.reshape(_GRID, -1, width).sum(axis=1, dtype=np.uint32)
        sums: NDArray[np.uint32] = rows_summed.reshape(_GRID, _GRID, -1).sum(axis=2)
        return sums.astype(np.int64) * _LEVEL // (luma.size // _GRID**2)
    rows = np.arange(_GRID + 1) * height // _GRID
    columns = np.arange(_GRID + 1) * width // _GRID
    sums = np.add.reduceat(luma, rows[:-1], axis=0, dtype=np.uint32)
    sums = np.add.reduceat(sums, columns[:-1], axis=1)
    areas = np.outer(np.maximum(np.diff(rows), 1), np.maximum(np.diff(columns), 1))
    return sums.astype(np.int64) * _LEVEL // areas


def _hash(boxes: NDArray[np.int64]) -> int:
    swings = _WAVES @ boxes @ _WAVES.T
    chosen = np.append(swings[:8, :8].ravel()[1:], swings[8, 0])
    return int.from_bytes(np.packbits(chosen > _FAINTEST).tobytes(), "big")


def _contrast(pixels: NDArray[np.uint8]) -> float:
    """Standard deviation of red, green and blue: a red shape on gray as bright is seen, too."""
    few = pixels[::_FEW, ::_FEW]
    count, spread = few.size // 3, 0
    for color in range(3):
        levels = few[:, :, color].astype(np.uint32)
        squares = int(np.sum(levels * levels, dtype=np.uint64))
        spread += count * squares - int(np.sum(levels, dtype=np.uint64)) ** 2
    return round(math.sqrt(spread / 3) / count, 2)


def _text_share(luma: NDArray[np.uint8]) -> float:
    """The share of the picture in lines of text, as far as one can tell without reading.

    Letters are bright strokes on dark close beside dark strokes on bright, and a line of them
    ends above and below, where grass, foliage and gravel go on.
    """
    bright, dark = _strokes(luma)
    cells = bright.size
    if bright.shape[1] < 2 * _WINDOW - 1:
        return 0.0
    bright, dark = _windows(bright), _windows(dark)
    is_line = np.minimum(bright, dark) >= _FULL
    if not is_line.any():
        return 0.0
    strokes = bright + dark
    quiet = np.zeros((_REACH, strokes.shape[1]), np.uint8)  # as is all outside
    least = _least_ahead(np.concatenate((quiet, strokes, quiet)))
    above, below = least[: len(strokes)], least[_REACH + 1 :]
    is_line &= np.maximum(above, below) <= strokes // _QUIET
    return np.count_nonzero(_in_runs(is_line)) / cells


def _strokes(luma: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """In each cell, how many pixels are of narrow strokes, bright on dark and dark on bright."""
    height = luma.shape[0] // _CELL_HEIGHT * _CELL_HEIGHT
    columns = (luma.shape[1] - 2 * _STROKE_PX) // _CELL_WIDTH
    if height < 1 or columns < 1:
        nothing = np.zeros((1, 0), np.uint8)
        return nothing, nothing
    luma = luma[:height]
    pixels, reach = luma.ravel(), luma.size - 2 * _STROKE_PX
    # All rows as one, which is faster: what is wrong at their ends is in no cell.
    left, middle, right = (
        pixels[shift : shift + reach] for shift in (0, _STROKE_PX, 2 * _STROKE_PX)
    )
    above, below = np.maximum(left, right), np.minimum(left, right)
    np.subtract(middle, np.minimum(middle, above, out=above), out=above)
    np.subtract(np.maximum(middle, below, out=below), middle, out=below)
    return _counts(above, luma.shape, columns), _counts(below, luma.shape, columns)


def _counts(
    differences: NDArray[np.uint8], shape: tuple[int, ...], columns: int
) -> NDArray[np.uint8]:
    """How many are a stroke in each cell; eight pixels are added at once, as one number."""
    is_stroke = np.empty(shape, np.bool_)
    np.greater_equal(differences, _STROKE_LEVELS, out=is_stroke.ravel()[: differences.size])
    is_stroke = is_stroke[:, : columns * _CELL_WIDTH]
    if shape[1] % 8:
        is_stroke = np.ascontiguousarray(is_stroke)
    eights = is_stroke.view(np.uint64).reshape(-1, _CELL_HEIGHT, columns)
    counts: NDArray[np.uint64] = (eights.sum(axis=1) * _BYTES_SUMMED) >> np.uint64(56)
    return counts.astype(np.uint8)


def _windows(cells: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The sum of each `_WINDOW` cells side by side, 160 at most."""
    width = cells.shape[1] - _WINDOW + 1
    sums = cells[:, :width] + cells[:, 1 : width + 1]
    for shift in range(2, _WINDOW):
        sums += cells[:, shift : shift + width]
    return sums


def _least_ahead(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """From each row on, the least of `_REACH` rows, column by column."""
    reach = 1
    while reach < _REACH:
        rows = np.minimum(rows[:-reach], rows[reach:])
        reach *= 2
    return rows


def _in_runs(is_line: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those that have so many neighbors beside them that `_WINDOW` stand in a row."""
    width = is_line.shape[1] - _WINDOW + 1
    begins = np.logical_and.reduce([is_line[:, i : i + width] for i in range(_WINDOW)])
    inside = np.zeros_like(is_line)
    for i in range(_WINDOW):
        inside[:, i : i + width] |= begins
    return inside
