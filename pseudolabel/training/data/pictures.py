"""Pictures made fit for the model: scaled, cropped, and changed the same way for a whole clip."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pseudolabel.training.data.options import Augmentation, Fit

_ASPECTS = (3 / 4, 4 / 3)  # of what is cropped, relative to what is there
_GRAY = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601 luma


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to all frames of a clip."""

    crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)  # left, top, right, bottom
    is_flipped: bool = False
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0


def draw_change(options: Augmentation, random: np.random.Generator) -> Change:
    """A change within the options."""
    crop = _draw_crop(options.crop, random) if options.crop < 1 else Change().crop
    is_flipped = bool(options.flip and random.random() < 0.5)
    if not options.color:
        return Change(crop, is_flipped)
    factors = 1 + random.uniform(-options.color, options.color, 3)
    return Change(crop, is_flipped, *map(float, factors))


def fitted(
    pixels: NDArray[np.uint8], size: int, *, fit: Fit = "stretch", change: Change | None = None
) -> NDArray[np.uint8]:
    """Square pictures of a clip: cropped, scaled and changed.

    Args:
        pixels: uint8 RGB `(T, H, W, 3)`.
        size: Of the square, in pixels.
        fit: "stretch" takes the whole picture; "crop" its largest square in the middle.
        change: Of what that gives; None: no change.

    Returns:
        uint8 RGB `(T, size, size, 3)`.
    """
    change = change or Change()
    height, width = pixels.shape[1:3]
    side_x, side_y = (width, height) if fit == "stretch" else (min(width, height),) * 2
    left, top = (width - side_x) / 2, (height - side_y) / 2
    x0, y0, x1, y1 = change.crop
    box = (left + x0 * side_x, top + y0 * side_y, left + x1 * side_x, top + y1 * side_y)
    found = _scaled(pixels, size, box)
    if change.is_flipped:
        found = found[:, :, ::-1]
    return np.ascontiguousarray(_colored(found, change))


def _draw_crop(least: float, random: np.random.Generator) -> tuple[float, float, float, float]:
    area = random.uniform(least, 1.0)
    aspect = math.exp(random.uniform(math.log(_ASPECTS[0]), math.log(_ASPECTS[1])))
    width, height = min(1.0, math.sqrt(area * aspect)), min(1.0, math.sqrt(area / aspect))
    left, top = random.uniform(0, 1 - width), random.uniform(0, 1 - height)
    return left, top, left + width, top + height


def _scaled(
    pixels: NDArray[np.uint8], size: int, box: tuple[float, float, float, float]
) -> NDArray[np.uint8]:
    from PIL import Image

    if box == (0, 0, size, size) and pixels.shape[1:3] == (size, size):
        return pixels
    return np.stack(
        [
            np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC, box))
            for frame in pixels
        ]
    )


def _colored(pixels: NDArray[np.uint8], change: Change) -> NDArray[np.uint8]:
    """Brightness, then contrast about the mean of the clip, then saturation."""
    if change.brightness == change.contrast == change.saturation == 1:
        return pixels
    levels = pixels.astype(np.float32) * change.brightness
    mean = (levels @ _GRAY).mean()
    levels = (levels - mean) * change.contrast + mean
    gray = (levels @ _GRAY)[..., None]
    levels = (levels - gray) * change.saturation + gray
    return np.asarray(np.clip(levels + 0.5, 0, 255), np.uint8)
