from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any, cast

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from pseudolabel.records import FrameSize
from pseudolabel.videos.hdr import to_sdr
from pseudolabel.videos.pixels import PixelConverter

LIMITED, FULL = 1, 2
BT709, BT601, BT2020 = 1, 6, 9
PQ, HLG = 16, 18


def plain_frame(
    yuv: tuple[int, int, int], size: tuple[int, int] = (64, 64), bits: int = 8, **tags: int
) -> VideoFrame:
    frame = av.VideoFrame(*size, "yuv420p" if bits == 8 else "yuv420p10le")
    kind = np.uint8 if bits == 8 else np.uint16
    for plane, value in zip(frame.planes, yuv, strict=True):
        plane.update(np.full(plane.buffer_size // kind().itemsize, value, kind).tobytes())
    for name, tag in tags.items():
        setattr(frame, name, tag)
    return frame


def color_of(frame: VideoFrame) -> list[int]:
    stream = cast("Any", SimpleNamespace(sample_aspect_ratio=Fraction(1)))
    pixels = PixelConverter(stream, FrameSize(32, 32)).pixels(frame)
    assert pixels.shape == (32, 32, 3)
    return [int(value) for value in pixels[16, 16]]


def close(color: list[int], expected: tuple[int, int, int]) -> bool:
    return bool(np.abs(np.subtract(color, expected)).max() <= 4)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (plain_frame((235, 128, 128)), (255, 255, 255)),
        (plain_frame((16, 128, 128)), (0, 0, 0)),
        (plain_frame((235, 128, 128), color_range=LIMITED), (255, 255, 255)),
        (plain_frame((235, 128, 128), color_range=FULL), (235, 235, 235)),
        (plain_frame((81, 90, 240)), (255, 0, 0)),  # SD says nothing: BT.601
        (plain_frame((63, 102, 240), (1280, 720)), (255, 0, 0)),  # HD says nothing: BT.709
        (plain_frame((63, 102, 240), colorspace=BT709), (255, 0, 0)),
        (plain_frame((81, 90, 240), (1280, 720), colorspace=BT601), (255, 0, 0)),
        (plain_frame((74, 97, 240), colorspace=BT2020), (255, 0, 0)),
    ],
)
def test_matrix_and_range_are_what_the_frame_says(
    frame: VideoFrame, expected: tuple[int, int, int]
) -> None:
    assert close(color_of(frame), expected)


@pytest.mark.parametrize(("transfer", "white"), [(PQ, 573), (HLG, 721)])
def test_hdr_white_is_white_and_black_is_black(transfer: int, white: int) -> None:
    def gray(code: int) -> int:
        tags = {"colorspace": BT2020, "color_trc": transfer, "color_primaries": BT2020}
        color = color_of(plain_frame((code, 512, 512), (64, 64), 10, **tags))
        assert max(color) - min(color) <= 2
        return color[0]

    assert gray(64) == 0
    assert 225 <= gray(white) <= 240  # diffuse white, 203 cd/m2: light, with room above
    assert gray(940) >= 250
    ramp = [gray(code) for code in range(64, 941, 40)]
    assert ramp == sorted(ramp)


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_hdr_saturated_colors_stay_in_range(transfer: Any) -> None:
    corners = np.array(np.meshgrid([0, 30000, 65535], [0, 30000, 65535], [0, 65535])).T
    coded = corners.reshape(1, -1, 3).astype(np.uint16)
    result = to_sdr(coded, transfer)
    assert result.shape == coded.shape
    assert result.dtype == np.uint8


def test_an_interlaced_frame_has_no_comb() -> None:
    luma = np.full((64, 64), 40, np.uint8)
    luma[0::2, 16:32] = 200  # a bar that moved between the two fields
    luma[1::2, 32:48] = 200
    planes = np.concatenate([luma, np.full((32, 64), 128, np.uint8)])
    frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
    stream = cast("Any", SimpleNamespace(sample_aspect_ratio=None))
    converter = PixelConverter(stream, FrameSize(64, 64))

    def combing(pixels: Any) -> float:
        gray = pixels[8:-8].mean(axis=2)
        return float(np.abs(np.diff(gray, axis=0)).mean())

    combed = converter.pixels(frame)
    assert combing(combed) > 20
    assert combing(converter.pixels(_flagged_interlaced(frame))) < 2


def _flagged_interlaced(frame: VideoFrame) -> VideoFrame:
    """The frame as an interlaced decoder would give it."""
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25)
    )
    graph.link_nodes(source, graph.add("setparams", "field_mode=tff"), graph.add("buffersink"))
    graph.configure()
    frame.pts = 0
    graph.push(frame)
    result = graph.pull()
    assert isinstance(result, VideoFrame)
    assert result.interlaced_frame
    return result
