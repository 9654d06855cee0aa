"""From a decoded frame to the upright RGB pixels a captioner wants, scaled by FFmpeg.

What is done, and what is not:

- One pass of FFmpeg's scaler converts and scales. The frame says its color matrix and range;
  where it does not, the matrix is BT.709 from 720 lines on, else BT.601, and the range limited.
- HDR (PQ, HLG) is tone-mapped to SDR after scaling, by `hdr.py`.
- Transparent pixels are shown on black, as players do.
- An interlaced frame keeps one field; the other's lines are drawn from it (`estdif`).
- Pixels that are not square are scaled to the shown size. Rotation comes last, in quarter turns;
  a mirrored display matrix is not mirrored back.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from pseudolabel.videos.hdr import Transfer, to_sdr

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from pseudolabel.records import FrameSize

_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED
_HDR_TRANSFERS: dict[int, Transfer] = {16: "pq", 18: "hlg"}  # AVCOL_TRC_...
_HD_LINES = 720
_WIDEST_PIXEL = 8  # pixel aspects beyond this are damage, not a format


class PixelConverter:
    """Makes pixels of a stream's frames, all at the size that a captioner wants."""

    def __init__(self, stream: VideoStream, size: FrameSize) -> None:
        from av.video.reformatter import VideoReformatter

        self._stream = stream
        self._size = size
        self._scaler = VideoReformatter()  # keeps its tables from frame to frame

    def pixels(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Upright pixels of a frame: uint8 RGB `(H, W, 3)`, contiguous."""
        rotation = clockwise_rotation(frame)
        shown = shown_size(frame, self._stream)
        width, height = self._size.of(*shown)
        if rotation in (90, 270):
            width, height = height, width
        if frame.interlaced_frame:
            frame = _deinterlaced(frame)
        rgb = self._scaled(frame, width, height)
        return np.ascontiguousarray(np.rot90(rgb, k=-rotation // 90))

    def _scaled(self, frame: VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
        transfer = _HDR_TRANSFERS.get(frame.color_trc)
        has_alpha = frame.format.name == "pal8" or any(c.is_alpha for c in frame.format.components)
        layout = "rgb48le" if transfer else "rgba" if has_alpha else "rgb24"
        array = self._reformatted(frame, width, height, layout).to_ndarray()
        if transfer:
            return to_sdr(np.asarray(array, dtype=np.uint16), transfer)
        if not has_alpha:
            return np.asarray(array, dtype=np.uint8)
        alpha = array[:, :, 3:].astype(np.uint16)
        return ((array[:, :, :3] * alpha + 127) // 255).astype(np.uint8)

    def _reformatted(self, frame: VideoFrame, width: int, height: int, layout: str) -> VideoFrame:
        from av.video.reformatter import ColorRange, Colorspace, Interpolation

        matrix = None  # what the frame says
        if frame.colorspace == _UNSPECIFIED and not frame.format.is_rgb:
            matrix = Colorspace.ITU709 if frame.height >= _HD_LINES else Colorspace.ITU601
        return self._scaler.reformat(
            frame,
            width,
            height,
            layout,
            src_colorspace=matrix,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.BICUBIC,
            threads=1,
        )


def clockwise_rotation(frame: VideoFrame) -> int:
    """The quarter turns, in degrees clockwise, that show a frame upright: 0, 90, 180 or 270."""
    return round(-frame.rotation / 90) * 90 % 360


def shown_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """`(width, height)` of a frame as shown: square pixels, and upright."""
    width, height = frame.width, frame.height
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    if aspect > 0 and Fraction(1, _WIDEST_PIXEL) <= aspect <= _WIDEST_PIXEL:
        width = max(1, round(width * aspect))
    return (height, width) if clockwise_rotation(frame) in (90, 270) else (width, height)


def _deinterlaced(frame: VideoFrame) -> VideoFrame:
    """The frame with every other line drawn anew; itself where FFmpeg cannot."""
    import av
    from av.filter import Graph

    try:
        graph = Graph()
        source = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base or Fraction(1, 1000),
        )
        graph.link_nodes(source, graph.add("estdif", "mode=frame"), graph.add("buffersink"))
        graph.configure()
        graph.push(frame)
        graph.push(None)
        result = graph.pull()
    except (av.FFmpegError, OSError, ValueError):
        return frame
    return result if isinstance(result, av.VideoFrame) else frame
