"""A world of moving shapes, cut into scenes, of which every moment's true caption is known.

All of it follows from a seed: video 3 of `World(7)` is the same whatever else is asked for.
Three ranges of seeds are kept apart, so that what is measured was never trained on: worlds for
the demo and for measuring start at `DEMO_SEED`, those the demo captioner is trained on at
`TRAINING_SEED`, and those its training script scores it on at `HELD_OUT_SEED`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pseudolabel.demo.grammar import COLORS, SHAPES, Color
from pseudolabel.demo.rendering import render_scene
from pseudolabel.demo.scenes import HEIGHT, WIDTH, Backdrop, Body, Scene
from pseudolabel.demo.truth import TrueScene, Truth
from pseudolabel.records import Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEMO_SEED = 0
TRAINING_SEED = 1_000_000
HELD_OUT_SEED = 2_000_000

SMALLEST_PX = 32.0  # radius of a body; at a fifth of that, stars still differ from crosses
MARGIN_PX = 4  # between a body and the frame's edge, or the line between two bodies
CLIP_GRID_S = 8  # the pipeline's default clip length: no cut falls on this grid


@dataclass(frozen=True, slots=True)
class DemoVideo:
    """A video of the world: scenes that follow each other without a gap, from 0 to its end."""

    video_id: str  # also its file name
    fps: int
    scenes: tuple[Scene, ...]

    @property
    def duration_s(self) -> float:
        """How long it is, in seconds."""
        return self.scenes[-1].end_s

    @property
    def truth(self) -> Truth:
        """What is true of it at every moment."""
        return Truth(
            self.video_id,
            tuple(
                TrueScene(Span(scene.start_s, scene.end_s), scene.caption) for scene in self.scenes
            ),
        )

    def caption_at(self, time_s: float) -> str:
        """The true caption of the frame shown at `time_s` on the player's clock.

        Raises:
            ValueError: If the time lies outside the video.
        """
        return self.truth.caption_at(time_s)

    def render(self) -> Iterator[NDArray[np.uint8]]:
        """Every frame in order, uint8 RGB `(HEIGHT, WIDTH, 3)`."""
        for scene in self.scenes:
            yield from render_scene(scene)


@dataclass(frozen=True, slots=True)
class World:
    """Endless videos, each one determined by the seed and its number."""

    seed: int
    fps: tuple[int, ...] = (12, 15, 20, 24)  # a video has one of these
    length_s: tuple[float, float] = (15.0, 45.0)  # of a video
    scene_s: tuple[float, float] = (2.5, 11.0)  # of a scene; a video's last may be longer

    def video(self, number: int) -> DemoVideo:
        """The video of that number."""
        rng = np.random.default_rng([self.seed, number])
        fps = int(rng.choice(self.fps))
        scenes: list[Scene] = []
        start = 0
        for end in _cut_frames(rng, fps, self.length_s, self.scene_s):
            scene = _draw_scene(rng, start, end, fps)
            while scenes and scene.caption == scenes[-1].caption:  # a cut is a change
                scene = _draw_scene(rng, start, end, fps)
            scenes.append(scene)
            start = end
        return DemoVideo(f"world-{number:02d}.mp4", fps, tuple(scenes))

    def videos(self, count: int) -> tuple[DemoVideo, ...]:
        """The first `count` videos."""
        return tuple(self.video(number) for number in range(count))


def _cut_frames(
    rng: np.random.Generator,
    fps: int,
    length_s: tuple[float, float],
    scene_s: tuple[float, float],
) -> list[int]:
    """The frame after each scene's last; the final one is the video's length."""
    total = round(rng.uniform(*length_s) * fps)
    shortest = round(scene_s[0] * fps)
    ends: list[int] = []
    end = 0
    while True:
        end += round(rng.uniform(*scene_s) * fps)
        if end % (CLIP_GRID_S * fps) == 0:
            end += 1
        if total - end < shortest:
            return [*ends, total]
        ends.append(end)


def _draw_scene(rng: np.random.Generator, start: int, end: int, fps: int) -> Scene:
    """One thing somewhere, or two with a line between them that neither crosses."""
    bodies: tuple[Body, ...]
    if rng.random() < 0.3:
        bodies = (random_body(rng, 0.0, WIDTH, largest_px=50.0),)
    else:
        line = rng.uniform(130.0, WIDTH - 130.0)
        left = random_body(rng, 0.0, line, largest_px=46.0)
        right = random_body(rng, line, WIDTH, largest_px=46.0)
        while (right.color, right.shape) == (left.color, left.shape):
            right = random_body(rng, line, WIDTH, largest_px=46.0)
        bodies = (left, right)
    return Scene(start, end, fps, bodies, random_backdrop(rng))


def random_body(rng: np.random.Generator, left: float, right: float, largest_px: float) -> Body:
    """A body that stays between two vertical lines, wholly inside the frame."""
    color = COLORS[rng.integers(len(COLORS))]
    shape = SHAPES[rng.integers(len(SHAPES))]
    radius = rng.uniform(SMALLEST_PX, largest_px)
    keep = radius + MARGIN_PX
    x_low, x_high = _stretch(rng, left + keep, right - keep)
    y_low, y_high = _stretch(rng, keep, HEIGHT - keep)
    shade = np.clip(np.asarray(_RGB[color]) + rng.integers(-12, 13, 3), 0, 255)
    return Body(
        color=color,
        shape=shape,
        radius_px=radius,
        tilt_deg=rng.uniform(-10.0, 10.0),
        rgb=(int(shade[0]), int(shade[1]), int(shade[2])),
        low=(x_low, y_low),
        high=(x_high, y_high),
        phase=(rng.random(), rng.random()),
        turns_per_s=(rng.uniform(0.02, 0.3), rng.uniform(0.02, 0.3)),
    )


def _stretch(rng: np.random.Generator, low: float, high: float) -> tuple[float, float]:
    """Some part of a range, so that bodies differ in how far they go."""
    ends = sorted((rng.uniform(low, high), rng.uniform(low, high)))
    return ends[0], ends[1]


def random_backdrop(rng: np.random.Generator) -> Backdrop:
    """Gray with a hint of color; about half of them slope, half are blotchy, half are grainy."""
    gray = rng.uniform(25.0, 115.0)
    tint = rng.uniform(-14.0, 14.0, 3)
    red, green, blue = (int(level) for level in np.clip(gray + tint, 0, 255))
    return Backdrop(
        rgb=(red, green, blue),
        slope=(_sometimes(rng, 40.0), _sometimes(rng, 40.0)),
        blotches=abs(_sometimes(rng, 20.0)),
        grain=abs(_sometimes(rng, 8.0)),
        seed=int(rng.integers(2**31)),
    )


def _sometimes(rng: np.random.Generator, most: float) -> float:
    """0 half of the time, else a number between -most and most."""
    value = rng.uniform(-most, most)
    return value if rng.random() < 0.5 else 0.0


_RGB: dict[Color, tuple[int, int, int]] = {
    "red": (215, 35, 40),
    "orange": (245, 135, 25),
    "yellow": (240, 225, 50),
    "green": (45, 170, 65),
    "blue": (40, 85, 220),
    "purple": (135, 50, 185),
    "pink": (245, 140, 195),
    "white": (238, 238, 238),
}
