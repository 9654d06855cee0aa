"""Videos made for tests: every frame carries its number, readable after any codec and scaling.

A frame is a grid of 4 x 4 black or white blocks: twelve bits of number, four of checksum.
"""

from __future__ import annotations

import fractions
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from numpy.typing import NDArray

TIME_BASE = fractions.Fraction(1, 90_000)
_GRID = 4
_ASS_HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour
Style: Default,Arial,16,&Hffffff

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def _bits(number: int) -> NDArray[np.bool_]:
    if not 0 <= number < 1 << 12:
        raise ValueError(f"a frame number has twelve bits, got {number}")
    checksum = (number ^ number >> 4 ^ number >> 8 ^ 0b0101) & 0b1111
    return np.array([(number << 4 | checksum) >> bit & 1 for bit in range(16)], dtype=np.bool_)


def numbered_picture(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture of a frame: uint8 RGB `(H, W, 3)`, for a size given as `(width, height)`."""
    width, height = size
    rows = np.arange(height) * _GRID // height
    columns = np.arange(width) * _GRID // width
    plane = np.where(_bits(number).reshape(_GRID, _GRID), 235, 20).astype(np.uint8)
    return np.repeat(plane[rows[:, None], columns[None, :]][:, :, None], 3, axis=2)


def moving_picture(number: int) -> NDArray[np.uint8]:
    """Noise that moves, in front of noise that moves the other way: uint8 RGB `(64, 96, 3)`.

    Where a decoder takes another picture for a reference, the pixels tell.
    """
    noise = np.random.default_rng(7).integers(0, 256, (2, 24, 40, 3), np.uint8)
    behind, before = np.repeat(np.repeat(noise, 4, axis=1), 4, axis=2)
    picture: NDArray[np.uint8] = np.roll(behind, (number, 3 * number // 2), (0, 1))[:64, :96].copy()
    picture[20:44] = np.roll(before, -2 * number, 1)[20:44, :96]
    return picture


def read_number(pixels: NDArray[np.uint8]) -> int:
    """The number in a picture of uint8 RGB `(H, W, 3)`; ValueError where there is none."""
    height, width = pixels.shape[:2]
    gray = pixels.astype(np.float32).mean(axis=2)
    levels = np.empty((_GRID, _GRID))
    for row in range(_GRID):
        for column in range(_GRID):
            top, left = (row + 0.3) * height / _GRID, (column + 0.3) * width / _GRID
            bottom, right = (row + 0.7) * height / _GRID, (column + 0.7) * width / _GRID
            block = gray[int(top) : max(int(bottom), int(top) + 1)]
            levels[row, column] = block[:, int(left) : max(int(right), int(left) + 1)].mean()
    bits = (levels > (levels.min() + levels.max()) / 2).reshape(-1)
    value = sum(1 << bit for bit in range(16) if bits[bit])
    if not np.array_equal(_bits(value >> 4), bits):
        raise ValueError(f"no frame number in this picture (read {value >> 4}, checksum differs)")
    return value >> 4


def x264_options(*, gop: int, bframes: int, params: str = "") -> dict[str, str]:
    """Options for libx264 that put keyframes on the grid of `gop` and nowhere else."""
    fixed = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes={bframes}:b-adapt=0"
    return {"preset": "veryfast", "crf": "20", "x264-params": f"{fixed}:{params}".rstrip(":")}


def make_video(
    path: Path,
    *,
    seconds: float = 2.0,
    fps: float = 25.0,
    size: tuple[int, int] = (96, 64),
    codec: str = "libx264",
    gop: int = 12,
    bframes: int = 0,
    pixel_format: str = "yuv420p",
    times_s: Sequence[float] | None = None,
    start_s: float = 0.0,
    rotation: int = 0,
    container: str | None = None,
    options: Mapping[str, str] | None = None,
    mux_options: Mapping[str, str] | None = None,
    tags: Mapping[str, object] | None = None,
    pictures: Sequence[NDArray[np.uint8]] | None = None,
    audio_s: float = 0.0,
    subtitles: Sequence[tuple[float, float, str]] = (),
    cover: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a video whose frame `n` shows the number `n` (mod 4096).

    Args:
        path: Where to write; the suffix chooses the container unless `container` does.
        seconds: How long; ignored where `times_s` is given.
        fps: Frames a second; with `times_s` only what the header says.
        size: `(width, height)` as shown.
        codec, pixel_format, container: FFmpeg's names.
        gop: Frames from one keyframe to the next.
        bframes: B-frames between references.
        times_s: Presentation times, for a variable rate.
        start_s: Added to all times.
        rotation: Degrees counterclockwise by which a player turns the stored picture.
        options, mux_options: For the encoder and the muxer, such as `movflags`.
        tags: Attributes set on the encoder's context, such as `color_trc`.
        pictures: RGB or RGBA pictures to show instead of numbers.
        audio_s, subtitles, cover: Other streams: a tone, `(start_s, end_s, text)`, a picture.
        metadata: Of the container.
    """
    times = times_s if times_s is not None else [n / fps for n in range(round(seconds * fps))]
    with av.open(str(path), "w", format=container, options=dict(mux_options or {})) as output:
        output.metadata.update(metadata or {})
        stream = output.add_stream(codec, rate=fractions.Fraction(fps).limit_denominator(1001))
        assert isinstance(stream, VideoStream)
        stored = size if rotation % 180 == 0 else size[::-1]
        _configure(stream, stored, gop, bframes, pixel_format, fps)
        context = stream.codec_context
        context.options = {"threads": "1", **context.options, **(options or {})}
        for name, value in (tags or {}).items():
            setattr(context, name, value)
        if rotation:
            stream.set_display_rotation(rotation)
        others = _add_others(output, path, audio_s, bool(subtitles), cover)
        _write_others(output, others, audio_s, subtitles)
        for number, time_s in enumerate(times):
            picture = pictures[number] if pictures else numbered_picture(number % 4096, size)
            frame = _stored(picture, rotation, pixel_format)
            frame.time_base = _time_base(codec, fps)
            frame.pts = round((time_s + start_s) / frame.time_base)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def _stored(picture: NDArray[np.uint8], rotation: int, pixel_format: str) -> av.VideoFrame:
    turned = np.ascontiguousarray(np.rot90(picture, k=-rotation // 90))
    layout = "rgba" if turned.shape[2] == 4 else "rgb24"
    return av.VideoFrame.from_ndarray(turned, layout).reformat(format=pixel_format)


def _configure(
    stream: VideoStream,
    size: tuple[int, int],
    gop: int,
    bframes: int,
    pixel_format: str,
    fps: float,
) -> None:
    context = stream.codec_context
    context.width, context.height = size
    context.pix_fmt = pixel_format
    context.gop_size = gop
    context.max_b_frames = bframes
    context.time_base = _time_base(context.name, fps)
    if context.name == "libx264":
        context.options = x264_options(gop=gop, bframes=bframes)


def _time_base(codec: str, fps: float) -> fractions.Fraction:
    """Ticks of the encoder: fine ones, but where a codec knows frame numbers only."""
    if codec in ("mpeg1video", "mpeg2video", "mpeg4", "libsvtav1"):
        return 1 / fractions.Fraction(fps).limit_denominator(1001)
    return fractions.Fraction(1, 100) if codec == "gif" else TIME_BASE


@dataclass(frozen=True)
class _Others:
    tone: AudioStream | None
    words: Any
    art: VideoStream | None


def _add_others(
    output: OutputContainer, path: Path, audio_s: float, has_words: bool, cover: bool
) -> _Others:
    tone = art = words = None
    if audio_s:
        tone = output.add_stream("aac", rate=16_000)
        assert isinstance(tone, AudioStream)
        tone.codec_context.layout = "mono"
    if has_words:
        words = output.add_stream("mov_text" if path.suffix in (".mp4", ".mov") else "subrip")
        words.codec_context.subtitle_header = _ASS_HEADER
    if cover:
        art = output.add_stream("png", rate=1)
        assert isinstance(art, VideoStream)
        art.codec_context.width, art.codec_context.height = 16, 16
        art.codec_context.pix_fmt = "rgb24"
        art.disposition = Disposition.attached_pic
    return _Others(tone, words, art)


def _write_others(
    output: OutputContainer,
    others: _Others,
    audio_s: float,
    subtitles: Sequence[tuple[float, float, str]],
) -> None:
    if others.art is not None:
        picture = np.full((16, 16, 3), 200, np.uint8)
        output.mux(others.art.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        output.mux(others.art.encode(None))
    for start_s, end_s, text in subtitles:
        data = text.encode()
        if others.words.codec_context.name == "mov_text":
            data = len(data).to_bytes(2, "big") + data
        packet = av.Packet(data)
        packet.stream, packet.time_base = others.words, TIME_BASE
        packet.pts = packet.dts = round(start_s / TIME_BASE)
        packet.duration = round((end_s - start_s) / TIME_BASE)
        output.mux(packet)
    if others.tone is not None:
        samples = np.sin(np.arange(int(audio_s * 16_000)) * 0.2).astype(np.float32)[None]
        sound = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        sound.sample_rate, sound.pts = 16_000, 0
        output.mux(others.tone.encode(sound))
        output.mux(others.tone.encode(None))
