from __future__ import annotations

import pytest

from pseudolabel.demo.truth import TrueScene, Truth
from pseudolabel.demo.world import World
from pseudolabel.records import Span


def test_every_frame_has_the_caption_of_its_scene() -> None:
    for video in World(3_100_000).videos(10):
        truth = video.truth
        for scene in video.scenes:
            for frame in range(scene.start_frame, scene.end_frame):
                assert truth.caption_at(frame / video.fps) == scene.caption


@pytest.mark.parametrize("rounding_s", [-1e-6, 0.0, 1e-6])
def test_a_frames_time_may_be_rounded(rounding_s: float) -> None:
    video = World(3_100_000).video(0)
    for scene in video.scenes:
        assert video.caption_at(scene.start_s + rounding_s) == scene.caption


@pytest.mark.parametrize("time_s", [-1.0, 10.0, 11.0, float("nan")])
def test_outside_the_video_nothing_is_true(time_s: float) -> None:
    truth = Truth("a.mp4", (TrueScene(Span(0.0, 10.0), "a red circle"),))
    assert truth.caption_at(0.0) == truth.caption_at(9.99) == "a red circle"
    with pytest.raises(ValueError, match=r"a\.mp4: .* is outside 0\.\.10\.0 s"):
        truth.caption_at(time_s)


def test_a_gap_is_refused() -> None:
    first, second = (TrueScene(Span(start, start + 2), "a red circle") for start in (0.0, 3.0))
    with pytest.raises(ValueError, match=r"starts at 3\.0 s, expected 2\.0 s"):
        Truth("a.mp4", (first, second))
    with pytest.raises(ValueError, match="no scenes"):
        Truth("a.mp4", ())
