"""Records check themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pseudolabel.records import (
    Caption,
    CaptionedClip,
    ClipPlan,
    Frame,
    FrameCaption,
    FrameSize,
    Part,
    Span,
    Video,
    VideoInfo,
)


@pytest.mark.parametrize(("start_s", "end_s"), [(1, 1), (2, 1), (0, math.inf), (math.nan, 1)])
def test_a_span_has_finite_times_in_order(start_s: float, end_s: float) -> None:
    with pytest.raises(ValueError, match="span"):
        Span(start_s, end_s)


def test_a_span_is_half_open() -> None:
    span = Span(1.0, 2.0)
    assert 1.0 in span
    assert 2.0 not in span
    assert span.center_s == 1.5


def test_pixels_are_rgb_bytes() -> None:
    with pytest.raises(ValueError, match="float32"):
        Frame("v", 0, 0, 0.0, True, np.zeros((4, 4, 3), np.float32))
    with pytest.raises(ValueError, match="4, 4"):
        Frame("v", 0, 0, 0.0, True, np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize(
    ("fit", "source", "scaled"),
    [
        ("stretch", (640, 360), (384, 384)),
        ("cover", (640, 360), (683, 384)),
        ("cover", (100, 400), (384, 1536)),
        ("contain", (640, 360), (384, 216)),
        ("contain", (64, 36), (64, 36)),
        ("contain", (4000, 2), (384, 1)),
    ],
)
def test_frame_sizes(fit: str, source: tuple[int, int], scaled: tuple[int, int]) -> None:
    assert FrameSize(384, 384, fit).of(*source) == scaled  # type: ignore[arg-type]


def test_what_is_empty_is_refused() -> None:
    with pytest.raises(ValueError, match="video_id"):
        Video("", "a.mp4")
    with pytest.raises(ValueError, match="no caption"):
        FrameCaption(0.0, True, ())
    with pytest.raises(ValueError, match="no frame"):
        ClipPlan(0, Span(0, 1), ())
    with pytest.raises(ValueError, match="mean_logprob"):
        Caption("a", mean_logprob=0.5)


def test_frames_that_were_seen_together_say_the_same() -> None:
    info = VideoInfo(640, 360, "h264", "yuv420p", 0, 25.0, 8.0, 0.0, 8.0)
    texts = ("a dog runs", "a dog runs", "a dog")
    frames = [FrameCaption(at, False, (Caption(text),)) for at, text in enumerate(texts)]
    video, plan = Video("v", "v.mp4"), ClipPlan(0, Span(0, 8), (0.0, 1.0, 2.0))
    together = CaptionedClip(video, info, plan, tuple(frames[:2]), seen_together=True)
    assert together.seen_for(Part(0, 0, 1)) == tuple(frames[:2])
    apart = CaptionedClip(video, info, plan, tuple(frames))
    assert apart.seen_for(Part(0, 0, 1)) == (frames[0],), "the other only says the same"
    with pytest.raises(ValueError, match="seen together"):
        CaptionedClip(video, info, plan, tuple(frames), seen_together=True)
