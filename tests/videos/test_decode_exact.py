"""Frames reached by seeking are the frames of a plain decode from the front, bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from pseudolabel.records import FrameSize, Span
from pseudolabel.videos.pixels import PixelConverter
from pseudolabel.videos.track import Track
from video_factory import make_video, moving_picture, x264_options

Read = Callable[..., Any]


def moving(bframes: int, params: str, gop: int = 250) -> dict[str, Any]:
    """Moving pictures in long GOPs, for pyramids in which some references are B-frames."""
    return {
        "bframes": bframes,
        "options": x264_options(gop=gop, bframes=bframes, params=params),
        "pictures": [moving_picture(number) for number in range(75)],
    }


PYRAMID = "b-pyramid=normal:ref=4:weightb=1"
FILES: dict[str, dict[str, Any]] = {
    "plain.mp4": {},
    "pyramid.mp4": {"bframes": 7, "options": x264_options(gop=24, bframes=7, params=PYRAMID)},
    "pyramid.mkv": {"bframes": 7, "options": x264_options(gop=24, bframes=7, params=PYRAMID)},
    "open.ts": {"bframes": 3, "options": x264_options(gop=12, bframes=3, params="open-gop=1")},
    "open.mp4": {"bframes": 3, "options": x264_options(gop=12, bframes=3, params="open-gop=1")},
    "long.mkv": {"bframes": 3, "gop": 600},
    "long.ts": {"bframes": 3, "gop": 600},
    "interlaced.mp4": {"options": x264_options(gop=12, bframes=2, params="tff=1")},
    "intra_refresh.ts": {"options": x264_options(gop=25, bframes=0, params="intra-refresh=1")},
    "fragmented.mp4": {"bframes": 2, "mux_options": {"movflags": "frag_keyframe+empty_moov"}},
    "flash.flv": {"bframes": 2},
    "mpeg2.mpg": {"codec": "mpeg2video", "bframes": 2, "size": (640, 480)},
    "mpeg2.ts": {"codec": "mpeg2video", "bframes": 2},
    "mpeg4.mp4": {"codec": "mpeg4", "bframes": 2},
    "mpeg4.avi": {"codec": "mpeg4", "bframes": 2},
    "h264.avi": {"bframes": 2},
    "raw.h264": {"bframes": 2},
    "one_reference.mp4": moving(3, "ref=1:b-pyramid=normal"),
    "one_reference.ts": moving(3, "ref=1:b-pyramid=normal", gop=40),
    "one_reference.mkv": moving(8, "ref=1:b-pyramid=normal:cabac=0:weightb=0"),
    "strict.mp4": moving(5, "ref=1:b-pyramid=strict:direct=temporal"),
    "two_references.mp4": moving(7, "ref=2:b-pyramid=normal:weightp=2"),
    "three_references.mp4": moving(8, "ref=3:b-pyramid=strict:weightp=1", gop=50),
    "slices.mp4": moving(3, "ref=1:b-pyramid=normal:slices=3"),
    "open_pyramid.mp4": moving(3, "ref=1:b-pyramid=normal:open-gop=1", gop=25),
    "hevc.mp4": {
        "codec": "libx265",
        "options": {"x265-params": "keyint=12:bframes=4:b-pyramid=1:open-gop=1:log-level=none"},
    },
    "vp9.webm": {"codec": "libvpx-vp9"},
    "ffv1.mkv": {"codec": "ffv1"},
}


def plain_decode(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        converter = PixelConverter(stream, FrameSize(96, 64))
        return [converter.pixels(frame) for frame in container.decode(stream)]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("step_s", [0.04, 0.2, 0.52, 1.32])
def test_exact_frames_are_those_of_a_plain_decode(
    name: str, step_s: float, tmp_path_factory: pytest.TempPathFactory, read: Read
) -> None:
    path = made(name, tmp_path_factory)
    expected = plain_decode(path)
    outcome = read(path, clips=f"fixed:{step_s}")
    assert not outcome.skipped
    assert len(outcome.frames) == len(outcome.plans) > 1
    for frame, plan in zip(outcome.frames, outcome.plans, strict=True):
        number = int((plan.span.center_s + 1e-6) * 25)
        assert frame.time_s == pytest.approx(number / 25, abs=2e-3)
        assert np.array_equal(frame.pixels, expected[number])


PYRAMIDS = [name for name, recipe in FILES.items() if "pictures" in recipe]


@pytest.mark.parametrize("name", PYRAMIDS)
@pytest.mark.parametrize("seed", range(4))
def test_frames_at_any_times_of_a_long_gop_are_those_of_a_plain_decode(
    name: str, seed: int, tmp_path_factory: pytest.TempPathFactory, read: Read
) -> None:
    path = made(name, tmp_path_factory)
    expected = plain_decode(path)
    numbers = sorted(Random(seed).sample(range(75), (2, 5, 12, 30)[seed]))
    spans = tuple(Span(number / 25, (number + 1) / 25) for number in numbers)
    outcome = read(path, clips="spans", spans=spans)
    assert len(outcome.frames) == len(numbers)
    for number, frame in zip(numbers, outcome.frames, strict=True):
        assert np.array_equal(frame.pixels, expected[number]), number


def test_references_that_only_skipped_frames_need_are_not_decoded(
    tmp_path_factory: pytest.TempPathFactory, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made("one_reference.mp4", tmp_path_factory)
    with av.open(str(path)) as container:
        written = {bytes(packet) for packet in container.demux(video=0)}
    fed: list[bytes] = []
    decode = Track.decode

    def watched(track: Track, packet: Any) -> Any:
        fed.append(bytes(packet or b""))
        return decode(track, packet)

    monkeypatch.setattr(Track, "decode", watched)
    read(path, clips="spans", spans=(Span(2.8, 3.0),))
    others = [data for data in fed if data not in written and data]
    assert len(others) > 10
    assert max(map(len, others)) < 50


def made(name: str, factory: pytest.TempPathFactory) -> Path:
    path = factory.getbasetemp() / "exact" / name
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        make_video(path, seconds=3, **FILES[name])
    return path
