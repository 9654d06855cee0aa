"""Videos to measure with: moving, textured pictures as x264 writes them, made on this machine.

Two minutes are encoded; longer and shorter videos repeat or take whole GOPs of it by copying
packets, which costs nothing to make and the same to decode. Every frame shows its own number, as
a row of black and white blocks, so that anybody's decoded frame tells which one it is.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FPS = 25
NUMBER_BITS = 14
CUT_EVERY = 7 * FPS  # hard cuts, which x264 codes without a keyframe here
SPRITES = 6
Plane = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Footage:
    """A kind of video."""

    name: str
    width: int
    height: int
    gop: int  # frames from keyframe to keyframe, always
    seconds: int = 120  # encoded
    fps: int = FPS
    preset: str = "veryfast"

    @property
    def gops(self) -> int:
        """How many of them are encoded."""
        return self.seconds * self.fps // self.gop

    def encoded(self, data: Path) -> Path:
        """The encoded stretch; made when it is not there."""
        path = data / "footage" / f"{self.name}-{self.seconds}s.mp4"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            print(f"making {path} ...", file=sys.stderr, flush=True)
            partial = path.with_name(f".partial-{path.name}")
            _encode(self, partial)
            partial.replace(path)
        return path

    def repeated(self, data: Path, seconds: int) -> Path:
        """A video of `seconds`, a multiple of a GOP's length, from repeated packets."""
        path = data / "footage" / f"{self.name}-{seconds}s.mp4"
        if not path.exists():
            count = seconds * self.fps // self.gop
            splice(self.encoded(data), path, [i % self.gops for i in range(count)])
        return path


P360 = Footage("360p-gop60", 640, 360, gop=60)
P1080 = Footage("1080p-gop60", 1920, 1080, gop=60)
P360_LONG_GOP = Footage("360p-gop600", 640, 360, gop=600)


def read_number(pixels: NDArray[np.uint8]) -> int:
    """The number that a frame shows: `(H, W, 3)` or `(H, W)` uint8, of any size."""
    height, width = pixels.shape[:2]
    row = pixels[round(height / 30)].reshape(width, -1).mean(axis=1)
    at = [round((i + 0.5) * width / NUMBER_BITS) for i in range(NUMBER_BITS)]
    return sum(1 << i for i, x in enumerate(at) if row[x] > 127)


def splice(source: Path, target: Path, gops: Sequence[int]) -> None:
    """Write whole GOPs of `source`, in the order given, as a video: packets are copied."""
    import av

    partial = target.with_name(f".partial-{target.name}")
    with av.open(str(source)) as given, av.open(str(partial), "w") as out:
        stream = given.streams.video[0]
        groups = _groups(given, stream)
        copied = out.add_stream_from_template(stream)
        shift = 0
        for index in gops:
            first, packets = groups[index]
            for data, pts, dts, duration, is_key in packets:
                packet = av.Packet(data)
                packet.pts, packet.dts = pts - first + shift, dts - first + shift
                packet.duration, packet.is_keyframe = duration, is_key
                packet.time_base, packet.stream = stream.time_base, copied
                out.mux(packet)
            shift += sum(duration for *_, duration, _ in packets)
    partial.replace(target)


def _groups(
    container: Any, stream: Any
) -> list[tuple[int, list[tuple[bytes, int, int, int, bool]]]]:
    """Every GOP's first pts, and its packets."""
    groups: list[tuple[int, list[tuple[bytes, int, int, int, bool]]]] = []
    for packet in container.demux(stream):
        if packet.dts is None:
            continue
        if packet.is_keyframe:
            groups.append((packet.pts, []))
        entry = (bytes(packet), packet.pts, packet.dts, packet.duration, packet.is_keyframe)
        groups[-1][1].append(entry)
    return groups


def _encode(footage: Footage, path: Path) -> None:
    import av

    # Keyframes stand exactly every `gop` frames; B-frames and the rest are the preset's own.
    options = {
        "preset": footage.preset,
        "crf": "23",
        "x264-params": f"keyint={footage.gop}:min-keyint={footage.gop}:scenecut=0",
    }
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=Fraction(footage.fps), options=options)
        stream.width, stream.height, stream.pix_fmt = footage.width, footage.height, "yuv420p"
        matrix = 1 if footage.height >= 720 else 6  # BT.709, else SMPTE 170M
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = matrix
        context.color_range = 1  # limited
        for frame in _pictures(footage):
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def _pictures(footage: Footage) -> Iterator[Any]:
    """Views that pan and zoom over textured canvases, things that move across, cuts, grain."""
    random = np.random.default_rng(0)
    width, height = footage.width, footage.height
    canvases = [_canvas(random, width * 3 // 2, height * 3 // 2) for _ in range(4)]
    sprites = [_canvas(random, height // 4 // 2 * 2, height // 4 // 2 * 2) for _ in range(SPRITES)]
    grain = random.integers(0, 6, (height + 64, width + 64), np.uint8)
    for number in range(footage.seconds * footage.fps):
        shot, at = divmod(number, CUT_EVERY)
        y, u, v = _view(canvases[shot % len(canvases)], width, height, shot, at)
        scaled = _frame(y, u, v).reformat(width, height, interpolation="FAST_BILINEAR")
        y, u, v = (_plane(scaled, i) for i in range(3))
        for index, sprite in enumerate(sprites):
            _paste((y, u, v), sprite, index, shot, at)
        top, left = random.integers(0, 64, 2)
        y += grain[top : top + height, left : left + width]
        for bit in range(NUMBER_BITS):
            first, last = bit * width // NUMBER_BITS, (bit + 1) * width // NUMBER_BITS
            y[: height // 15, first:last] = 235 if number >> bit & 1 else 16
        for plane in (u, v):
            plane[: height // 30] = 128
        frame = _frame(y, u, v)
        frame.pts, frame.time_base = number, Fraction(1, footage.fps)
        yield frame


def _canvas(random: np.random.Generator, width: int, height: int) -> tuple[Plane, Plane, Plane]:
    """Planes of noise at all scales, as pictures of the world have it (1/f)."""
    luma = _noise(random, width, height, finest=2)
    chroma = [_noise(random, width // 2, height // 2, finest=16) for _ in range(2)]
    return (
        (luma * 190 + 24).astype(np.uint8),
        (chroma[0] * 120 + 68).astype(np.uint8),
        (chroma[1] * 120 + 68).astype(np.uint8),
    )


def _noise(
    random: np.random.Generator, width: int, height: int, finest: int
) -> NDArray[np.float32]:
    from PIL import Image

    total = np.zeros((height, width), np.float32)
    step = max(finest, max(width, height) // 2)
    while step >= finest:
        coarse = random.random((height // step + 2, width // step + 2), np.float32)
        layer = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(layer) * step**0.2
        step //= 2
    return (total - total.min()) / (total.max() - total.min())


def _view(
    canvas: tuple[Plane, Plane, Plane], width: int, height: int, shot: int, at: int
) -> tuple[Plane, Plane, Plane]:
    """A window that wanders and changes its size; scaled later, so motion is in fractions."""
    phase, turn = shot * 1.7, at / CUT_EVERY * math.tau
    zoom = 1.2 + 0.1 * math.sin(phase + turn / 2)
    w, h = (round(side * zoom / 2) * 2 for side in (width, height))
    room_x, room_y = width * 3 // 2 - w, height * 3 // 2 - h
    x = round((0.5 + 0.5 * math.sin(phase + turn)) * room_x / 2) * 2
    y = round((0.5 + 0.5 * math.cos(2 * phase + turn)) * room_y / 2) * 2
    luma, *chroma = canvas
    half = [p[y // 2 : (y + h) // 2, x // 2 : (x + w) // 2] for p in chroma]
    return luma[y : y + h, x : x + w], half[0], half[1]


def _paste(
    planes: tuple[Plane, Plane, Plane],
    sprite: tuple[Plane, Plane, Plane],
    index: int,
    shot: int,
    at: int,
) -> None:
    """Put a sprite where it has moved to by now."""
    height, width = planes[0].shape
    side = sprite[0].shape[0]
    speed = (index + 2) * width // 640
    x = (shot * 97 + index * 131 + at * speed) % (width - side) // 2 * 2
    wave = math.sin(at / 20 + index) * height / 5
    y = max(height // 10, min(height - side, round(height * 0.4 + wave))) // 2 * 2
    planes[0][y : y + side, x : x + side] = sprite[0]
    for plane, picture in zip(planes[1:], sprite[1:], strict=True):
        plane[y // 2 : (y + side) // 2, x // 2 : (x + side) // 2] = picture


def _frame(y: Plane, u: Plane, v: Plane) -> Any:
    import av

    frame = av.VideoFrame(y.shape[1], y.shape[0], "yuv420p")
    for plane, pixels in zip(frame.planes, (y, u, v), strict=True):
        target = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        target[:, : plane.width] = pixels
    return frame


def _plane(frame: Any, index: int) -> Plane:
    plane = frame.planes[index]
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width].copy()
