from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from pseudolabel.videos.writing import write_video

Pixels = NDArray[np.uint8]


def ramps(count: int, height: int = 48, width: int = 64) -> Iterator[Pixels]:
    """Colorful and smooth, each frame brighter than the one before."""
    for index in range(count):
        frame = np.empty((height, width, 3), np.uint8)
        frame[..., 0] = np.linspace(0, 200, width)
        frame[..., 1] = np.linspace(0, 200, height)[:, None]
        frame[..., 2] = index * 200 // count
        yield frame


def test_frames_come_back_in_number_order_and_color(tmp_path: Path) -> None:
    path = tmp_path / "ramp.mp4"
    assert write_video(path, ramps(20), fps=10) == 20
    with av.open(str(path)) as container:
        decoded = list(container.decode(video=0))
    assert [frame.time for frame in decoded] == pytest.approx([n / 10 for n in range(20)])
    for frame, drawn in zip(decoded, ramps(20), strict=True):
        assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - drawn).mean() < 5


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ramp.mp4"
    write_video(path, ramps(5), fps=Fraction(24_000, 1001))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == Fraction(24_000, 1001)
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.codec_context.colorspace == 6
    written = path.read_bytes()
    assert written.index(b"moov") < written.index(b"mdat")


def test_keyframes_are_where_they_were_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "ramp.mp4"
    write_video(path, ramps(30), fps=10, gop=12, keyframes={7, 20})
    with av.open(str(path)) as container:
        keys = [n for n, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    assert keys == [0, 7, 19, 20]


def test_the_same_frames_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.mp4", "two.mp4"):
        write_video(tmp_path / name, ramps(10), fps=10)
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "no frames"),
        ([*ramps(1, height=49)], "even size, got 64x49"),
        ([*ramps(1), *ramps(1, width=66)], "frame 1 is 66x48, the first was 64x48"),
    ],
)
def test_frames_that_make_no_video_are_refused(
    frames: list[Pixels], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        write_video(tmp_path / "none.mp4", frames, fps=10)
    assert not list(tmp_path.iterdir())


def test_a_failure_while_drawing_leaves_what_was_there(tmp_path: Path) -> None:
    def failing() -> Iterator[Pixels]:
        yield from ramps(3)
        raise RuntimeError("no more ink")

    path = tmp_path / "ramp.mp4"
    path.write_bytes(b"before")
    with pytest.raises(RuntimeError, match="no more ink"):
        write_video(path, failing(), fps=10)
    assert path.read_bytes() == b"before"
    assert [found.name for found in tmp_path.iterdir()] == ["ramp.mp4"]


def test_an_unwritable_place_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_video(tmp_path / "nowhere" / "ramp.mp4", ramps(2), fps=10)
