"""The timed world: what its labels say is what its pixels show, and no frame shows all of it."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from pseudolabel.claims.world import (
    CLIP_FRAMES,
    CLIP_S,
    COLORS,
    DIRECTIONS,
    FPS,
    SHAPES,
    TimedVideo,
    TimedWorld,
    names_things,
    tells_time,
)

SEED = 3_500_000
VIDEOS = TimedWorld(SEED).videos(12)


def place(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The middle of the body, `(x, y)`: nothing else is that colorful or bright."""
    pixels = frame.astype(np.int32)
    strength = np.maximum(np.ptp(pixels, axis=2) - 60, 0) + np.maximum(pixels.min(axis=2) - 190, 0)
    rows, columns = np.nonzero(strength)
    return np.array([columns.mean(), rows.mean()])


def frames_of(timed: TimedVideo) -> list[NDArray[np.uint8]]:
    return list(timed.video.render())


def test_a_seed_and_a_number_give_the_same_video() -> None:
    again = TimedWorld(SEED).video(3)
    assert again == VIDEOS[3]
    assert TimedWorld(SEED + 1).video(3) != again
    one, other = (TimedWorld(SEED).picture(5) for _ in range(2))
    assert one[1] == other[1]
    assert np.array_equal(one[0], other[0])


def test_things_move_as_their_label_says() -> None:
    seen: Counter[str] = Counter()
    for timed in VIDEOS[:4]:
        frames = frames_of(timed)
        assert len(frames) == len(timed.clips) * CLIP_FRAMES
        for number, clip in enumerate(timed.clips):
            told = tells_time(clip.label)
            if told not in DIRECTIONS:
                continue
            own = frames[number * CLIP_FRAMES : (number + 1) * CLIP_FRAMES]
            places = np.array([place(frame) for frame in own])
            axis, sign = {"left": (0, -1), "right": (0, 1), "up": (1, -1), "down": (1, 1)}[told]
            assert (sign * np.diff(places[:, axis]) > 0).all(), clip.label
            assert np.ptp(places[:, 1 - axis]) < 3
            seen[told] += 1
    assert set(seen) == set(DIRECTIONS)


def test_what_comes_first_stands_first_and_neither_always_holds_the_center() -> None:
    at_center: Counter[int] = Counter()
    for timed in VIDEOS:
        for clip in timed.clips:
            start_s, end_s = clip.span.start_s, clip.span.end_s
            shown = [timed.video.caption_at(at) for at in (start_s, clip.span.center_s)]
            shown.append(timed.video.caption_at(end_s - 1 / FPS))
            if tells_time(clip.label) == "then":
                assert clip.label == f"{shown[0]}, then {shown[2]}"
                at_center[(shown[0], shown[2]).index(shown[1])] += 1
            else:
                assert len(set(shown)) == 1
                assert clip.label.startswith(f"{shown[0]} moves ")
    assert min(at_center[0], at_center[1]) > 10


def test_clips_follow_each_other_and_begin_with_another_thing() -> None:
    for timed in VIDEOS:
        starts = [clip.span.start_s for clip in timed.clips]
        assert starts == [CLIP_S * number for number in range(len(starts))]
        captions = [scene.caption for scene in timed.video.scenes]
        assert all(one != next_ for one, next_ in itertools.pairwise(captions))


def test_no_frame_tells_the_label() -> None:
    for timed in VIDEOS:
        for scene in timed.video.scenes:
            assert tells_time(scene.caption) is None
            (thing,) = names_things(scene.caption)
            color, shape = thing.split()
            assert color in COLORS
            assert shape in SHAPES


def test_a_narrow_world_shows_its_colors_only() -> None:
    things = [
        thing
        for timed in TimedWorld(SEED, colors=COLORS[:2]).videos(4)
        for clip in timed.clips
        for thing in names_things(clip.label)
    ]
    assert {thing.split()[0] for thing in things} == set(COLORS[:2])


@pytest.mark.parametrize(
    ("text", "things", "time"),
    [
        ("a green star moves left", ("green star",), "left"),
        ("a white circle, then a red square", ("white circle", "red square"), "then"),
        ("here you can see a pink triangle", ("pink triangle",), None),
        ("", (), None),
    ],
)
def test_captions_are_taken_apart(text: str, things: tuple[str, ...], time: str | None) -> None:
    assert names_things(text) == things
    assert tells_time(text) == time
