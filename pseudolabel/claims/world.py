"""A world that needs time: what moved, in which direction, and what came first.

Its bodies and its frames are those of the demo, so that the demo captioner knows what any one
frame shows: "a green star". What people are taken to say of a clip is more than any frame tells:

    label  = thing "moves" ("left" | "right" | "up" | "down") | thing ", then" thing

A video is a row of clips of `CLIP_S` seconds. All of it follows from a seed and a number.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from pseudolabel.demo.grammar import Color, Shape, describe
from pseudolabel.demo.scenes import HEIGHT, WIDTH, Body, Scene
from pseudolabel.demo.world import DemoVideo, random_backdrop, random_body
from pseudolabel.records import Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

Direction = Literal["left", "right", "up", "down"]

CLIP_S = 2.0
FPS = 4
CLIP_FRAMES = round(CLIP_S * FPS)
COLORS: tuple[Color, ...] = ("red", "yellow", "green", "blue", "pink", "white")  # of the demo's
SHAPES: tuple[Shape, ...] = ("circle", "square", "triangle", "star")
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
_ORDER_SHARE = 0.4  # of the clips in which one thing follows another; in the others one moves
_RADIUS_PX = (44.0, 50.0)  # the largest that the demo captioner has seen
_MARGIN_PX = 4.0
_WAY_PX = (0.6, 1.0)  # how far a body goes, in shares of the way that there is


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """A clip, and what a person says of it."""

    span: Span
    label: str


@dataclass(frozen=True, slots=True)
class TimedVideo:
    """A video of the demo's kind, and the label of each of its clips."""

    video: DemoVideo
    clips: tuple[LabelledClip, ...]


@dataclass(frozen=True, slots=True)
class TimedWorld:
    """Endless videos, each one determined by the seed and its number."""

    seed: int
    clips: int = 12  # of a video
    colors: tuple[Color, ...] = COLORS  # of what is shown

    def video(self, number: int) -> TimedVideo:
        """The video of that number."""
        rng = np.random.default_rng([self.seed, number])
        scenes: list[Scene] = []
        labelled = []
        for clip in range(self.clips):
            first = clip * CLIP_FRAMES
            before = scenes[-1].caption if scenes else None
            new, label = _clip(rng, first, before, self.colors)
            scenes += new
            span = Span(first / FPS, (first + CLIP_FRAMES) / FPS)
            labelled.append(LabelledClip(span, label))
        video = DemoVideo(f"timed-{number:03d}.mp4", FPS, tuple(scenes))
        return TimedVideo(video, tuple(labelled))

    def videos(self, count: int) -> tuple[TimedVideo, ...]:
        """The first `count` videos."""
        return tuple(self.video(number) for number in range(count))

    def picture(self, number: int) -> tuple[NDArray[np.uint8], str]:
        """A picture of that number, uint8 RGB `(HEIGHT, WIDTH, 3)`, and its caption."""
        rng = np.random.default_rng([self.seed, number, 1])
        scene = _scene(rng, _still(rng, self.colors), 0, 1)
        return next(DemoVideo("picture", FPS, (scene,)).render()), scene.caption


def names_things(text: str) -> tuple[str, ...]:
    """The things that a text names, such as "green star", in their order."""
    words = text.replace(",", " ").split()
    return tuple(
        f"{color} {shape}"
        for color, shape in itertools.pairwise(words)
        if color in COLORS and shape in SHAPES
    )


def tells_time(text: str) -> str | None:
    """What a text says that no frame shows: a direction, or "then"."""
    words = text.replace(",", " ").split()
    return next((word for word in words if word in (*DIRECTIONS, "then")), None)


def _clip(
    rng: np.random.Generator, first: int, before: str | None, colors: Sequence[Color]
) -> tuple[list[Scene], str]:
    """The scenes of a clip that begins with another thing than the one before ended with."""
    while True:
        scenes, label = _drawn_clip(rng, first, colors)
        if scenes[0].caption != before:
            return scenes, label


def _drawn_clip(
    rng: np.random.Generator, first: int, colors: Sequence[Color]
) -> tuple[list[Scene], str]:
    last = first + CLIP_FRAMES
    if rng.random() >= _ORDER_SHARE:
        direction = DIRECTIONS[rng.integers(len(DIRECTIONS))]
        scene = _scene(rng, _moving(rng, direction, colors), first, last)
        return [scene], f"{scene.caption} moves {direction}"
    # Never in the middle: the center frame belongs to one of the two things, now this, now that.
    cut = first + CLIP_FRAMES // 2 + (1 if rng.random() < 0.5 else -1)
    one = _scene(rng, _still(rng, colors), first, cut)
    other = _still(rng, colors)
    while _caption(other) == one.caption:
        other = _still(rng, colors)
    # Behind both is the same: what changes is the thing.
    then = Scene(cut, last, FPS, (other,), one.backdrop)
    return [one, then], f"{one.caption}, then {then.caption}"


def _scene(rng: np.random.Generator, body: Body, start: int, end: int) -> Scene:
    return Scene(start, end, FPS, (body,), random_backdrop(rng))


def _caption(body: Body) -> str:
    return describe(((body.color, body.shape),))


def _still(rng: np.random.Generator, colors: Sequence[Color]) -> Body:
    """A body that stays where it is."""
    body = _body(rng, colors)
    (low_x, high_x), (low_y, high_y) = _room(body)
    place = rng.uniform(low_x, high_x), rng.uniform(low_y, high_y)
    return replace(body, low=place, high=place)


def _moving(rng: np.random.Generator, direction: Direction, colors: Sequence[Color]) -> Body:
    """A body that goes in one direction for a whole clip."""
    body = _still(rng, colors)
    axis = 0 if direction in ("left", "right") else 1
    lowest, highest = _room(body)[axis]
    way = (highest - lowest) * rng.uniform(*_WAY_PX)
    low = rng.uniform(lowest, highest - way)
    ends = [list(body.low), list(body.high)]
    ends[0][axis], ends[1][axis] = low, low + way
    # Half a turn a clip: from the high end to the low one, or, half a turn on, back.
    phase = 0.0 if direction in ("left", "up") else 0.5
    return replace(
        body,
        low=(ends[0][0], ends[0][1]),
        high=(ends[1][0], ends[1][1]),
        phase=(phase, phase),
        turns_per_s=(0.5 / CLIP_S, 0.5 / CLIP_S),
    )


def _body(rng: np.random.Generator, colors: Sequence[Color]) -> Body:
    while True:
        body = random_body(rng, 0.0, WIDTH, largest_px=_RADIUS_PX[1])
        if body.color in colors and body.shape in SHAPES and body.radius_px >= _RADIUS_PX[0]:
            return body


def _room(body: Body) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where its center may be: the lowest and the highest x, and y."""
    keep = body.radius_px + _MARGIN_PX
    return (keep, WIDTH - keep), (keep, HEIGHT - keep)
