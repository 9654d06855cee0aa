"""Intervals hold what they promise, and whole videos are what is drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pseudolabel.evaluation.measuring.intervals import Videos, from_rounds, paired, ratios


def grouped(random: np.random.Generator, videos: int, clips: int, spread: float) -> np.ndarray:
    """Values around 1 of which those of a video move together."""
    of_video = random.normal(1.0, spread, videos)
    return np.repeat(of_video, clips) + random.normal(0.0, 0.1, videos * clips)


def test_95_percent_of_intervals_hold_the_truth_though_clips_of_a_video_are_alike() -> None:
    random = np.random.default_rng(0)
    held = 0
    for seed in range(200):
        values = grouped(random, videos=40, clips=10, spread=1.0)
        videos = Videos(np.repeat(np.arange(40), 10), rounds=300, seed=seed)
        (found,) = ratios(videos, values[:, None], np.ones((400, 1)))
        held += found.low <= 1.0 <= found.high
    assert 178 <= held <= 199  # 95 % of 200, within three standard deviations and the bias of 40


def test_a_difference_that_is_not_there_is_found_in_one_of_twenty_tests() -> None:
    random = np.random.default_rng(1)
    found = []
    for seed in range(200):
        first, second = (grouped(random, 30, 5, 1.0) for _ in range(2))
        videos = Videos(np.repeat(np.arange(30), 5), rounds=200, seed=seed)
        found.append(paired(videos, first, second, np.ones(150)).p < 0.05)
    assert 2 <= sum(found) <= 22


def test_a_difference_that_is_there_is_found() -> None:
    random = np.random.default_rng(2)
    second = grouped(random, 30, 5, 1.0)
    videos = Videos(np.repeat(np.arange(30), 5))
    found = paired(videos, second + 0.2, second, np.ones(150))
    assert found.value == pytest.approx(0.2)
    assert found.low == pytest.approx(0.2) and found.high == pytest.approx(0.2)
    assert found.p < 0.01
    assert paired(videos, second, second, np.ones(150)).p == 1.0


def test_ratios_are_of_sums_not_means_of_ratios() -> None:
    videos = Videos(np.array([0, 1]))
    (found,) = ratios(videos, np.array([[1.0], [9.0]]), np.array([[1.0], [1.0]]) * [[1], [9]])
    assert found.value == 1.0
    (found,) = ratios(videos, np.array([[1.0], [0.0]]), np.array([[1.0], [9.0]]))
    assert found.value == 0.1


def test_one_video_has_a_figure_and_no_interval() -> None:
    videos = Videos(np.zeros(5, np.int64))
    (found,) = ratios(videos, np.ones((5, 1)), np.ones((5, 1)))
    assert found.value == 1.0
    assert math.isnan(found.low) and math.isnan(found.high)


def test_where_one_video_counts_there_is_no_interval() -> None:
    videos = Videos(np.array([0, 0, 1, 2]))
    only_first, two = np.array([1.0, 1.0, 0.0, 0.0]), np.array([1.0, 1.0, 0.0, 1.0])
    both = [np.array([0.3, 0.5, 0.0, 0.0]), np.array([0.3, 0.5, 0.0, 1.0])]
    of_one, of_two = ratios(videos, np.stack(both, axis=1), np.stack([only_first, two], axis=1))
    assert of_one.value == 0.4 and math.isnan(of_one.low) and math.isnan(of_one.high)
    assert of_two.low < of_two.value < of_two.high
    difference = paired(videos, both[0], np.zeros(4), only_first)
    assert math.isnan(difference.low) and difference.p == 1.0


def test_nothing_to_divide_by_is_unknown() -> None:
    videos = Videos(np.array([0, 1]))
    (found,) = ratios(videos, np.zeros((2, 1)), np.zeros((2, 1)))
    assert math.isnan(found.value)


def test_draws_are_those_of_the_seed() -> None:
    video = np.repeat(np.arange(10), 3)
    values = np.arange(30.0)[:, None]
    same = [ratios(Videos(video, seed=s), values, np.ones((30, 1)))[0] for s in (7, 7, 8)]
    assert same[0] == same[1] != same[2]


def test_a_difference_read_off_rounds() -> None:
    found = from_rounds(1.0, np.linspace(0.5, 1.5, 100))
    assert (found.low, found.high) == pytest.approx((0.525, 1.475))
    assert found.p == pytest.approx(0.01)
    assert from_rounds(0.0, np.linspace(-1, 1, 101)).p == 1.0


def test_where_no_video_can_be_drawn_nothing_is_tested() -> None:
    found = from_rounds(0.5, np.full(100, np.nan))
    assert math.isnan(found.low) and math.isnan(found.p)
    with_gaps = np.concatenate([np.linspace(-1, 1, 50), np.full(50, np.nan)])
    assert from_rounds(0.0, with_gaps).p == 1.0
    nothing = np.zeros(4)
    assert math.isnan(paired(Videos(np.arange(4)), nothing, nothing, nothing).p)
