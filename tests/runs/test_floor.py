"""The floor of chance: the same clips are drawn in any order, and no pair shares a video."""

from __future__ import annotations

import numpy as np
import pytest

from pseudolabel.runs.floor import KEPT, Draw, Floor, Pair, floor_schema, floor_table


def pairs(videos: int, clips: int = 2, seed: int = 0) -> list[Pair]:
    vectors = np.random.default_rng(seed).normal(size=(videos, clips, 2, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return [
        Pair(f"v{video}", clip, vectors[video, clip, 0], vectors[video, clip, 1])
        for video in range(videos)
        for clip in range(clips)
    ]


def test_what_is_kept_does_not_depend_on_order_or_on_interruptions() -> None:
    found = pairs(videos=4000)
    whole = Draw().smallest(found)
    assert len(whole) == KEPT
    kept: list[Pair] = []
    for start in range(0, len(found), 400):  # each time as after a restart
        known = floor_table(kept)["place"].to_pylist()
        kept += Draw(known).smallest(found[::-1][start : start + 400])
    assert KEPT < len(kept) < len(found) / 4, "parts keep little more than the whole needs"
    assert np.array_equal(Floor(floor_table(kept)).chances, Floor(floor_table(whole)).chances)


def test_chance_is_of_frames_and_captions_of_different_videos() -> None:
    one, other = np.eye(2, dtype=np.float32)
    own = [Pair("a", 0, one, one), Pair("a", 1, one, one), Pair("b", 0, other, other)]
    assert Floor(floor_table(own)).chances.tolist() == [0.0] * 4
    assert not len(Floor(floor_table(own[:2])).chances), "one video has no chance"


def test_a_clip_that_stands_twice_counts_as_the_later_part_has_it() -> None:
    one, other = np.eye(2, dtype=np.float32)
    old, new = Pair("a", 0, one, one), Pair("a", 0, other, other)
    beside = Pair("b", 0, other, other)
    assert Floor(floor_table([old, beside, new])).chances.tolist() == [1.0, 1.0]


def test_percentiles_are_shares_of_chance() -> None:
    floor = Floor(floor_table(pairs(videos=40)))
    chances = floor.chances.astype(float)
    found = floor.percentile(np.array([-2.0, np.median(chances), 2.0, np.nan]))
    assert found[:3] == pytest.approx([0, 50, 100], abs=0.1)
    assert np.isnan(found[3])


def test_without_a_floor_nothing_is_known() -> None:
    floor = Floor(floor_schema().empty_table())
    assert np.isnan(floor.percentile(np.array([0.3]))).all()
