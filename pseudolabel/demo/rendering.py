"""Draws scenes of the demo world: everything that stands still once a scene, then one paste a body.

A frame costs a copy of the backdrop and a blend of one small square for each body, so drawing
takes less time than encoding what was drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from pseudolabel.demo.scenes import HEIGHT, WIDTH, Backdrop, Body, Scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pseudolabel.demo.grammar import Shape

SUPERSAMPLING = 4  # shapes are drawn this much larger, then averaged down: soft edges
BLOTCH_PX = 40  # size of a soft patch


def render_scene(scene: Scene) -> Iterator[NDArray[np.uint8]]:
    """The scene's frames, each uint8 RGB `(HEIGHT, WIDTH, 3)`, its own to keep."""
    backdrop = draw_backdrop(scene.backdrop)
    coverages = [draw_coverage(body) for body in scene.bodies]
    for index in range(scene.end_frame - scene.start_frame):
        frame = backdrop.copy()
        for body, coverage in zip(scene.bodies, coverages, strict=True):
            _paste(frame, body, coverage, time_s=index / scene.fps)
        yield frame


def draw_backdrop(backdrop: Backdrop) -> NDArray[np.uint8]:
    """The picture behind the bodies, uint8 RGB `(HEIGHT, WIDTH, 3)`."""
    rng = np.random.default_rng(backdrop.seed)
    across = np.linspace(-0.5, 0.5, WIDTH, dtype=np.float32)
    down = np.linspace(-0.5, 0.5, HEIGHT, dtype=np.float32)
    light = across[None, :] * backdrop.slope[0] + down[:, None] * backdrop.slope[1]  # (H, W)
    if backdrop.blotches:
        coarse = rng.standard_normal((HEIGHT // BLOTCH_PX, WIDTH // BLOTCH_PX), dtype=np.float32)
        soft = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        light = light + np.asarray(soft) * (backdrop.blotches / 2)
    if backdrop.grain:
        light = light + rng.standard_normal((HEIGHT, WIDTH), dtype=np.float32) * backdrop.grain
    # a backdrop never gets as bright as the white and yellow bodies
    picture = np.asarray(backdrop.rgb, np.float32) + light[:, :, None]
    return np.clip(picture, 0, 160).astype(np.uint8)


def draw_coverage(body: Body) -> NDArray[np.float32]:
    """How much of each pixel the body covers, 0..1, `(S, S, 1)`; its center is the middle."""
    half = math.ceil(body.radius_px) + 1
    size = 2 * half * SUPERSAMPLING
    canvas = Image.new("L", (size, size), 0)
    pen = ImageDraw.Draw(canvas)
    center, radius = size / 2, body.radius_px * SUPERSAMPLING
    if body.shape == "circle":
        box = (center - radius, center - radius, center + radius, center + radius)
        pen.ellipse(box, fill=255)
    else:
        pen.polygon(_corners(body.shape, center, radius, math.radians(body.tilt_deg)), fill=255)
    small = np.asarray(canvas.reduce(SUPERSAMPLING), np.float32)
    return small[:, :, None] / np.float32(255)


def _corners(shape: Shape, center: float, radius: float, tilt: float) -> list[tuple[float, float]]:
    """The corners of a polygon whose farthest corner lies `radius` from the center."""
    if shape == "cross":
        arm, waist = math.cos(0.35), math.sin(0.35)  # an arm's end is two corners on the circle
        outline = [
            (waist, arm), (waist, waist), (arm, waist), (arm, -waist),
            (waist, -waist), (waist, -arm), (-waist, -arm), (-waist, -waist),
            (-arm, -waist), (-arm, waist), (-waist, waist), (-waist, arm),
        ]  # fmt: skip
    else:
        count, inner, first_deg = {
            "square": (4, 1.0, 45.0),
            "triangle": (3, 1.0, -90.0),  # y points down: one corner up
            "star": (10, 0.42, -90.0),
        }[shape]
        outline = [
            _polar(inner if index % 2 else 1.0, math.radians(first_deg + index * 360 / count))
            for index in range(count)
        ]
    cos, sin = math.cos(tilt) * radius, math.sin(tilt) * radius
    return [(center + x * cos - y * sin, center + x * sin + y * cos) for x, y in outline]


def _polar(length: float, angle: float) -> tuple[float, float]:
    return length * math.cos(angle), length * math.sin(angle)


def _paste(
    frame: NDArray[np.uint8], body: Body, coverage: NDArray[np.float32], time_s: float
) -> None:
    """Blend a body into a frame, in place, at the nearest whole pixel."""
    half = coverage.shape[0] // 2
    x, y = (round(value) - half for value in body.center_at(time_s))
    under = frame[y : y + 2 * half, x : x + 2 * half]  # the margin keeps this inside the frame
    color = np.asarray(body.rgb, np.float32)
    under[...] = under + (color - under) * coverage
