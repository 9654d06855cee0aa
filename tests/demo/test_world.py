from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from pseudolabel.demo.grammar import SHAPES
from pseudolabel.demo.rendering import draw_backdrop, render_scene
from pseudolabel.demo.scenes import HEIGHT, WIDTH, Body, Scene
from pseudolabel.demo.world import CLIP_GRID_S, DEMO_SEED, HELD_OUT_SEED, TRAINING_SEED, World

SEED = 3_100_000
SCENES = [scene for video in World(SEED).videos(30) for scene in video.scenes]


def sides(body: Body, time_s: float) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the circle that holds the body."""
    x, y = body.center_at(time_s)
    return (x - body.radius_px, y - body.radius_px, x + body.radius_px, y + body.radius_px)


def times(scene: Scene) -> list[float]:
    return [index / scene.fps for index in range(scene.end_frame - scene.start_frame)]


def test_a_seed_gives_the_same_truth_and_the_same_pixels() -> None:
    first, again = World(SEED).video(0), World(SEED).video(0)
    assert first == again
    pairs = itertools.islice(zip(first.render(), again.render(), strict=True), 0, None, 40)
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_a_video_does_not_depend_on_how_many_are_asked_for() -> None:
    assert World(SEED).videos(5)[:2] == World(SEED).videos(2)


def test_worlds_of_different_seeds_differ() -> None:
    captions = {
        tuple(scene.caption for scene in World(seed).video(0).scenes)
        for seed in (SEED, SEED + 1, DEMO_SEED, TRAINING_SEED, HELD_OUT_SEED)
    }
    assert len(captions) == 5


def test_scenes_follow_each_other_without_a_gap_and_differ() -> None:
    for video in World(SEED).videos(30):
        assert video.scenes[0].start_frame == 0
        for before, after in itertools.pairwise(video.scenes):
            assert before.end_frame == after.start_frame
            assert before.caption != after.caption
        frames = sum(1 for scene in video.scenes for _ in times(scene))
        assert video.scenes[-1].end_frame == frames


def test_no_cut_falls_on_the_clip_grid() -> None:
    cuts = [scene.start_s for scene in SCENES if scene.start_s]
    assert len(cuts) > 50
    assert not [cut for cut in cuts if cut % CLIP_GRID_S == 0]


def test_videos_differ_in_length_and_rate_and_scenes_in_length() -> None:
    videos = World(DEMO_SEED).videos(12)
    assert len({video.scenes[-1].end_frame for video in videos}) == 12
    assert len({video.fps for video in videos}) >= 3
    assert all(15 <= video.duration_s <= 45 for video in videos)
    assert len({round(scene.end_s - scene.start_s, 1) for scene in SCENES}) > 20


def test_the_caption_names_the_bodies_from_left_to_right() -> None:
    for scene in SCENES:
        centers = [body.center_at(0.0)[0] for body in scene.bodies]
        assert centers == sorted(centers)
        for part, body in zip(scene.caption.split(" left of "), scene.bodies, strict=True):
            assert part.split()[1:] == [body.color, body.shape]


def test_bodies_stay_whole_inside_the_frame() -> None:
    for scene in SCENES:
        for time_s, body in itertools.product(times(scene), scene.bodies):
            left, top, right, bottom = sides(body, time_s)
            assert left > 0
            assert top > 0
            assert right < WIDTH
            assert bottom < HEIGHT


def test_two_bodies_never_pass_or_touch_each_other() -> None:
    pairs = [scene for scene in SCENES if len(scene.bodies) == 2]
    assert 0 < len(pairs) < len(SCENES)
    for scene in pairs:
        first, second = scene.bodies
        rightmost = max(sides(first, time_s)[2] for time_s in times(scene))
        leftmost = min(sides(second, time_s)[0] for time_s in times(scene))
        assert rightmost < leftmost


def test_bodies_move() -> None:
    scene = SCENES[0]
    first, *_, last = render_scene(scene)
    assert not np.array_equal(first, last)


@pytest.mark.parametrize("scene", SCENES[:20], ids=lambda scene: scene.caption)
def test_pixels_show_what_the_scene_says(scene: Scene) -> None:
    frame = next(render_scene(scene))
    assert frame.shape == (HEIGHT, WIDTH, 3)
    assert frame.dtype == np.uint8
    expected = draw_backdrop(scene.backdrop)
    for body in scene.bodies:
        x, y = (round(value) for value in body.center_at(0.0))
        assert tuple(frame[y, x]) == body.rgb  # every shape covers its own center
        half = int(body.radius_px) + 2
        expected[y - half : y + half, x - half : x + half] = frame[
            y - half : y + half, x - half : x + half
        ]
    assert np.array_equal(frame, expected)  # and there is nothing else


def test_shapes_of_one_size_look_different() -> None:
    body = SCENES[0].bodies[0]
    pictures = [
        next(render_scene(dataclasses.replace(SCENES[0], bodies=(changed,))))
        for changed in (dataclasses.replace(body, shape=shape) for shape in SHAPES)
    ]
    for one, other in itertools.combinations(pictures, 2):
        assert (one != other).any(axis=2).sum() > 300
