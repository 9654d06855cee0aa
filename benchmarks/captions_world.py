"""A demo world that is damaged on purpose, and what is true of its every moment.

Some stretches are black or of one color, some stand still, some have text laid over them, and some
videos are there a second time: decoded, made smaller, and encoded anew with other keyframes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pseudolabel.demo.files import KEYFRAME_EVERY_S
from pseudolabel.demo.rendering import render_scene
from pseudolabel.demo.scenes import HEIGHT, WIDTH, Scene
from pseudolabel.demo.truth import CLOCK_TOLERANCE_S
from pseudolabel.demo.world import DEMO_SEED, World
from pseudolabel.videos.writing import write_video

Kind = Literal["moving", "black", "flat", "frozen", "static"]
SHARES: dict[Kind, float] = {"black": 0.08, "flat": 0.08, "frozen": 0.08, "static": 0.08}
TEXT_SHARE = 0.15  # of stretches of any kind
FIRST_NUMBER = 100  # of a video; the demo's begin at 0
COPY_SIZE = (240, 180)
COPY_GOP = 50  # frames, wherever the cuts are
MOVES_S = 1.0  # of a frozen stretch, before it freezes
GRAIN = 3.0  # standard deviation of a static stretch's noise, new in every frame

# Several scenes a clip, as the demo has them, and several clips a scene.
_WORLDS = tuple(
    World(DEMO_SEED, length_s=(30.0, 60.0), scene_s=scene_s)
    for scene_s in ((2.0, 5.0), (2.5, 11.0), (10.0, 20.0))
)
_TEXTS = (
    *("so what do we have here", "Chapter Two", "and now look at this one", "BREAKING NEWS"),
    *("www.example.com", "it has been like this for years", "The End", "Subscribe now!"),
)

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A scene, and what was done to it."""

    scene: Scene
    kind: Kind
    text: str | None  # laid over it
    seed: str  # of everything else about it

    @property
    def has_picture(self) -> bool:
        """Whether there is anything to see at all."""
        return self.kind not in ("black", "flat") or self.text is not None

    @property
    def caption(self) -> str | None:
        """What is true of it; None where no thing is to be seen."""
        return None if self.kind in ("black", "flat") else self.scene.caption

    @property
    def still_from_s(self) -> float:
        """From when on every frame is the one before it, noise apart."""
        if self.kind == "moving":
            return self.scene.end_s
        return self.scene.start_s + (MOVES_S if self.kind == "frozen" else 0.0)

    def render(self) -> Iterator[Pixels]:
        """Its frames, uint8 RGB `(HEIGHT, WIDTH, 3)`."""
        overlay = None if self.text is None else _overlay(self.text, random.Random(self.seed))
        for pixels in self._damaged():
            yield pixels if overlay is None else _laid_over(pixels, overlay)

    def _damaged(self) -> Iterator[Pixels]:
        if self.kind in ("black", "flat"):
            one = np.empty((HEIGHT, WIDTH, 3), np.uint8)
            one[:] = _color(self.kind, random.Random(self.seed))
            yield from [one] * (self.scene.end_frame - self.scene.start_frame)
            return
        noise = np.random.default_rng([ord(letter) for letter in self.seed])
        last = None
        for index, moving in enumerate(render_scene(self.scene)):
            time_s = self.scene.start_s + index / self.scene.fps
            if last is None or time_s < self.still_from_s:
                last = moving
            yield last if self.kind != "static" else _grainy(last, noise)


@dataclass(frozen=True, slots=True)
class DamagedVideo:
    """Stretches that follow each other without a gap."""

    video_id: str
    fps: int
    stretches: tuple[Stretch, ...]
    copy_of: str | None = None

    def at(self, time_s: float) -> Stretch:
        """The stretch that is shown at a time."""
        return next(s for s in self.stretches if time_s + CLOCK_TOLERANCE_S < s.scene.end_s)

    def within(self, start_s: float, end_s: float) -> dict[str | None, float]:
        """For how many seconds of a span each caption is true; None: no thing is seen."""
        seconds: dict[str | None, float] = {}
        for stretch in self.stretches:
            shown_s = min(end_s, stretch.scene.end_s) - max(start_s, stretch.scene.start_s)
            if shown_s > 0:
                seconds[stretch.caption] = seconds.get(stretch.caption, 0.0) + shown_s
        return seconds

    def stands_still(self, before_s: float, time_s: float) -> bool:
        """Whether nothing happened between two times."""
        stretch = self.at(before_s)
        return stretch is self.at(time_s) and before_s + CLOCK_TOLERANCE_S >= stretch.still_from_s


def damaged_world(videos: int, copies: int) -> dict[str, DamagedVideo]:
    """Videos by name, the first few of them twice."""
    made = [_damaged_video(FIRST_NUMBER + number) for number in range(videos)]
    made += [
        DamagedVideo(f"copy-{number:03d}.mp4", one.fps, one.stretches, copy_of=one.video_id)
        for number, one in enumerate(made[:copies])
    ]
    return {video.video_id: video for video in made}


def write_videos(folder: Path, videos: dict[str, DamagedVideo], workers: int) -> None:
    """Write the videos, then the copies of them."""
    folder.mkdir(parents=True)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for write in (_write_original, _write_copy):
            wanted = [
                v for v in videos.values() if (v.copy_of is None) == (write is _write_original)
            ]
            list(pool.map(partial(write, folder), wanted))


def _damaged_video(number: int) -> DamagedVideo:
    video = _WORLDS[number % len(_WORLDS)].video(number)
    stretches = []
    for place, scene in enumerate(video.scenes):
        seed = f"{number} {place}"
        dice = random.Random(f"kind {seed}")
        weights = [*SHARES.values(), 1 - sum(SHARES.values())]
        (kind,) = dice.choices([*SHARES, "moving"], weights)
        text = dice.choice(_TEXTS) if dice.random() < TEXT_SHARE else None
        stretches.append(Stretch(scene, kind, text, seed))
    return DamagedVideo(f"damaged-{number}.mp4", video.fps, tuple(stretches))


def _write_original(folder: Path, video: DamagedVideo) -> None:
    write_video(
        folder / video.video_id,
        (pixels for stretch in video.stretches for pixels in stretch.render()),
        fps=video.fps,
        gop=KEYFRAME_EVERY_S * video.fps,
        keyframes={stretch.scene.start_frame for stretch in video.stretches},
    )


def _write_copy(folder: Path, video: DamagedVideo) -> None:
    assert video.copy_of is not None
    frames = _decoded(folder / video.copy_of)
    write_video(folder / video.video_id, frames, fps=video.fps, gop=COPY_GOP)


def _decoded(path: Path) -> Iterator[Pixels]:
    import av

    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            small = frame.reformat(*COPY_SIZE, format="rgb24", interpolation="BICUBIC")
            yield small.to_ndarray().astype(np.uint8, copy=False)


def _color(kind: Kind, dice: random.Random) -> tuple[int, int, int]:
    if kind == "black":
        return (dice.randrange(8),) * 3
    while sum(color := (dice.randrange(256), dice.randrange(256), dice.randrange(256))) < 150:
        pass  # not so dark as to be called black
    return color


def _grainy(pixels: Pixels, noise: np.random.Generator) -> Pixels:
    grain = noise.standard_normal(pixels.shape[:2], np.float32)[:, :, None] * GRAIN
    return np.clip(pixels + grain, 0, 255).astype(np.uint8)


def _overlay(text: str, dice: random.Random) -> NDArray[np.float32]:
    """A subtitle, a title, or a caption on a bar: premultiplied RGB and coverage, `(H, W, 4)`."""
    style = dice.choice(("subtitle", "title", "bar"))
    font = ImageFont.load_default(
        dice.uniform(26, 34) if style == "title" else dice.uniform(13, 18)
    )
    layer = Image.new("RGBA", (WIDTH, HEIGHT))
    pen = ImageDraw.Draw(layer)
    middle = (WIDTH / 2, HEIGHT * (0.5 if style == "title" else 0.88))
    if style == "bar":
        left, top, right, bottom = pen.textbbox(middle, text, font, anchor="mm")
        pen.rectangle((left - 6, top - 4, right + 6, bottom + 4), fill=(10, 10, 30, 200))
    color = dice.choice(((255, 255, 255, 255), (255, 235, 80, 255)))
    edge = 0 if style == "bar" else 1
    pen.text(middle, text, color, font, anchor="mm", stroke_width=edge, stroke_fill="black")
    made = np.asarray(layer, np.float32)
    coverage = made[:, :, 3:] / 255
    return np.concatenate([made[:, :, :3] * coverage, coverage], axis=2)


def _laid_over(pixels: Pixels, overlay: NDArray[np.float32]) -> Pixels:
    return np.asarray(pixels * (1 - overlay[:, :, 3:]) + overlay[:, :, :3]).astype(np.uint8)
