"""Writes frames as an H.264 file: for the demo world, and for anything else made of pixels."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BT601 = 6  # FFmpeg's number for SMPTE 170M, for primaries, transfer and matrix alike
LIMITED_RANGE = 1  # FFmpeg's AVCOL_RANGE_MPEG
X264 = {
    "preset": "veryfast",
    "crf": "23",  # x264's usual quality
    "threads": "1",
    "sc_threshold": "0",  # keyframes are where the caller wants them, not where x264 does
    "flags": "+bitexact",
    "x264-params": "cpu-independent=1",  # else a last bit can depend on where memory lies
}


def write_video(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    *,
    fps: int | Fraction,
    gop: int = 48,
    keyframes: Collection[int] = (),
) -> int:
    """Write frames as H.264 (yuv420p, BT.601) with the index at the front of the file.

    The same frames give the same bytes on the same build of FFmpeg: one encoder thread, arithmetic
    that does not depend on the machine, and no clock or version in the file.

    Args:
        path: Where to; the name's ending chooses the container, `.mp4` as a rule.
        frames: uint8 RGB, each `(H, W, 3)`, all of one even size.
        fps: Frames a second, constant.
        gop: Most frames from one keyframe to the next.
        keyframes: Indices of frames that become keyframes besides those that `gop` asks for.

    Returns:
        How many frames were written.

    Raises:
        ValueError: If there are no frames, or they differ in size or have an odd one.
        OSError: If the file cannot be written.
    """
    partial = path.with_name(f".partial-{path.name}")  # keeps the ending, which names the container
    try:
        count = _encode(partial, frames, Fraction(fps), gop, keyframes)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _encode(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    fps: Fraction,
    gop: int,
    keyframes: Collection[int],
) -> int:
    count = 0
    with av.open(str(path), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as out:
        stream = out.add_stream("libx264", rate=fps, options=X264)
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.gop_size = gop
        context.color_range = LIMITED_RANGE
        context.colorspace = context.color_primaries = context.color_trc = BT601
        for count, pixels in enumerate(frames, start=1):
            if count == 1:
                stream.height, stream.width = _even_size(pixels)
            elif pixels.shape[:2] != (stream.height, stream.width):
                raise ValueError(
                    f"frame {count - 1} is {pixels.shape[1]}x{pixels.shape[0]}, "
                    f"the first was {stream.width}x{stream.height}"
                )
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if count - 1 in keyframes:
                frame.pict_type = av.video.frame.PictureType.I
            out.mux(stream.encode(frame))
        if not count:
            raise ValueError("no frames to write")
        out.mux(stream.encode(None))
    return count


def _even_size(pixels: NDArray[np.uint8]) -> tuple[int, int]:
    """Height and width, which 4:2:0 needs even."""
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        raise ValueError(f"H.264 in yuv420p needs an even size, got {width}x{height}")
    return height, width
