"""The records of a demo scene: bodies on their way before a backdrop, from one cut to the next."""

from __future__ import annotations

from dataclasses import dataclass

from pseudolabel.demo.grammar import Color, Shape, describe

WIDTH, HEIGHT = 320, 240  # of every video, in pixels


@dataclass(frozen=True, slots=True)
class Body:
    """A shape on its way: its center sways between two corners, on both axes independently."""

    color: Color
    shape: Shape
    radius_px: float  # of the circle that holds the shape
    tilt_deg: float
    rgb: tuple[int, int, int]  # its own shade of the color
    low: tuple[float, float]  # x, y of the center's range, pixels
    high: tuple[float, float]
    phase: tuple[float, float]  # where on its way it starts, in turns
    turns_per_s: tuple[float, float]  # there and back again is one turn

    def center_at(self, time_s: float) -> tuple[float, float]:
        """The center's `(x, y)` in pixels, `time_s` seconds into the scene."""
        x, y = (
            low + (high - low) * abs(2 * ((phase + speed * time_s) % 1.0) - 1)
            for low, high, phase, speed in zip(
                self.low, self.high, self.phase, self.turns_per_s, strict=True
            )
        )
        return x, y


@dataclass(frozen=True, slots=True)
class Backdrop:
    """What lies behind the bodies: never as colorful as they are, and never named."""

    rgb: tuple[int, int, int]
    slope: tuple[float, float]  # change of brightness across the width and the height, 0..255
    blotches: float  # strength of large soft patches, 0..255
    grain: float  # strength of pixel noise, 0..255
    seed: int  # of the patches and the noise


@dataclass(frozen=True, slots=True)
class Scene:
    """A stretch between two cuts: the same bodies from its first frame to its last."""

    start_frame: int
    end_frame: int  # exclusive
    fps: int
    bodies: tuple[Body, ...]  # from left to right
    backdrop: Backdrop

    @property
    def start_s(self) -> float:
        """Where it starts in the video, in seconds."""
        return self.start_frame / self.fps

    @property
    def end_s(self) -> float:
        """Where it ends in the video, in seconds, exclusive."""
        return self.end_frame / self.fps

    @property
    def caption(self) -> str:
        """What is true of every frame in it."""
        return describe(tuple((body.color, body.shape) for body in self.bodies))
