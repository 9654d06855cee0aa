"""The frames of one clip, decoded by themselves and in a process of their own."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pseudolabel.records import Frame, FrameSize, SkipReason, Span, Video
from pseudolabel.videos.clip_decoder import ClipDecoder
from pseudolabel.videos.clip_frames import ClipRequest, read_clip
from pseudolabel.videos.decode import read_video
from pseudolabel.videos.options import ClipOptions, FrameOptions
from pseudolabel.videos.signals import VideoSkippedError
from video_factory import make_video, read_number, x264_options


def request(path: Path, start_s: float, end_s: float, count: int = 8) -> ClipRequest:
    return ClipRequest(str(path), Span(start_s, end_s), count, FrameSize(48, 48))


def pid(decoder: ClipDecoder) -> int:
    assert decoder._worker is not None
    return decoder._worker._process.pid


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(
        tmp_path_factory.mktemp("videos") / "v.mp4", seconds=8, fps=25, gop=50, bframes=2
    )


def test_frames_are_the_exact_ones_at_even_times(video: Path) -> None:
    pixels = read_clip(request(video, 2.0, 6.0))
    assert pixels.shape == (8, 48, 48, 3)
    assert pixels.dtype == np.uint8
    # The centers of eighths of 2..6 s: 2.25, 2.75, ...
    assert [read_number(frame) for frame in pixels] == [
        int((2.25 + 0.5 * n) * 25 + 1e-6) for n in range(8)
    ]


def test_one_frame_is_the_center(video: Path) -> None:
    (frame,) = read_clip(request(video, 0.0, 8.0, count=1))
    assert read_number(frame) == 100


def test_more_frames_than_there_are_repeat_some(video: Path) -> None:
    numbers = [read_number(frame) for frame in read_clip(request(video, 1.0, 1.08))]
    assert numbers == [25] * 4 + [26] * 4


def test_a_slide_that_stands_for_long_is_a_clip(tmp_path: Path) -> None:
    slides = make_video(tmp_path / "slides.mkv", times_s=[0.0, 1.0, 20.0, 21.0], gop=1)
    assert [read_number(frame) for frame in read_clip(request(slides, 8.0, 16.0))] == [1] * 8


def test_a_clip_after_the_end_is_refused(video: Path) -> None:
    with pytest.raises(VideoSkippedError, match=r"ends at 8\.000 s, before the clip") as error:
        read_clip(request(video, 8.0, 16.0))
    assert error.value.reason is SkipReason.OUTSIDE_VIDEO


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", SkipReason.EMPTY_FILE), (b"no video" * 100, SkipReason.NOT_A_VIDEO)],
)
def test_what_is_no_video_is_told(tmp_path: Path, data: bytes, reason: SkipReason) -> None:
    (tmp_path / "v.mp4").write_bytes(data)
    for read in (read_clip, ClipDecoder().read):
        with pytest.raises(VideoSkippedError) as error:
            read(request(tmp_path / "v.mp4", 0.0, 8.0))
        assert error.value.reason is reason


def test_a_process_gives_the_same_pixels(video: Path) -> None:
    decoder = ClipDecoder()
    for start_s in (0.0, 4.0):
        wanted = request(video, start_s, start_s + 4)
        found = decoder.read(wanted)
        assert np.array_equal(found, read_clip(wanted))
        found[0] = 0  # it may be written to


def test_a_killed_process_is_replaced(video: Path) -> None:
    decoder = ClipDecoder()
    first = decoder.read(request(video, 0.0, 4.0))
    os.kill(pid(decoder), signal.SIGKILL)
    assert np.array_equal(decoder.read(request(video, 0.0, 4.0)), first)


def test_a_clip_that_kills_its_process_twice_is_given_up(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = ClipDecoder()

    def die(worker: Any, *_: object) -> None:
        os.kill(worker._process.pid, signal.SIGKILL)
        worker._connection.recv()

    with monkeypatch.context() as patched:
        patched.setattr("pseudolabel.videos.clip_decoder._Worker.read", die)
        with pytest.raises(VideoSkippedError, match="died on it 2 times, last with signal 9"):
            decoder.read(request(video, 0.0, 4.0))
    assert len(decoder.read(request(video, 0.0, 4.0))) == 8


def test_a_hanging_process_costs_one_clip(video: Path) -> None:
    decoder = ClipDecoder()
    decoder.read(request(video, 0.0, 0.1, count=1))
    os.kill(pid(decoder), signal.SIGSTOP)
    decoder._timeout_s = 0.2
    with pytest.raises(VideoSkippedError) as error:
        decoder.read(request(video, 0.0, 0.1, count=1))
    assert error.value.reason is SkipReason.DECODER_TIMEOUT
    decoder._timeout_s = 60.0
    assert len(decoder.read(request(video, 0.0, 4.0))) == 8


def test_a_process_ends_with_its_decoder(video: Path) -> None:
    decoder = ClipDecoder()
    decoder.read(request(video, 0.0, 4.0))
    process = pid(decoder)
    del decoder
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


KINDS: dict[str, dict[str, Any]] = {
    "pyramid.mkv": {"bframes": 7},
    "open.ts": {"bframes": 3, "options": x264_options(gop=12, bframes=3, params="open-gop=1")},
    "late.mp4": {"start_s": 1.2, "bframes": 2},
    "mpeg4.avi": {"codec": "mpeg4", "bframes": 2},
    "raw.h264": {"bframes": 2},
    "turned.mp4": {"rotation": 90},
    "uneven.mkv": {"times_s": [0, 0.1, 0.5, 0.6, 1.4, 1.5, 1.6, 2.2, 2.9]},
}


@pytest.mark.parametrize("name", KINDS)
def test_frames_are_those_that_are_captioned(name: str, tmp_path: Path) -> None:
    """Seeking to a clip alone gives what going through the video gives."""
    path = make_video(tmp_path / name, **{"seconds": 3, "gop": 24, **KINDS[name]})
    for span in (Span(0.2, 1.5), Span(1.3, 2.6)):
        video = Video("v", str(path), spans=(span,))
        events = read_video(
            video, ClipOptions(mode="spans"), FrameOptions(5, "exact"), FrameSize(48, 48)
        )
        captioned = {event.time_s: event.pixels for event in events if isinstance(event, Frame)}
        found = read_clip(request(path, span.start_s, span.end_s, count=5))
        assert {frame.tobytes() for frame in found} == {
            pixels.tobytes() for pixels in captioned.values()
        }
