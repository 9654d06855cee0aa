"""Intervals and tests over clips of which those of one video are not independent.

Whole videos are drawn, with replacement (the cluster bootstrap; Davison & Hinkley 1997, section
3.8), and paired differences are tested by exchanging the two sides of whole videos.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDS = 1_000
_AT_ONCE = 50  # rounds whose weights are held in memory
_LEVEL = (2.5, 97.5)  # percentiles of a 95 % interval

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How much higher the first of two figures is, with its 95 % interval and a test."""

    value: float
    low: float
    high: float
    p: float  # of a difference as large, if the two sides were alike; NaN: nothing to test


class Videos:
    """Draws videos again and again; the same seed draws the same.

    Args:
        video: `(clips,)` int: the video of each clip, numbered from 0.
        rounds: How often.
        seed: Of the draws.
    """

    def __init__(self, video: NDArray[np.int64], rounds: int = ROUNDS, seed: int = 0) -> None:
        self.video = video
        self.count = int(video.max()) + 1 if len(video) else 0
        self.rounds = rounds
        self._seed = seed

    @classmethod
    def among(cls, video: ArrayLike, seed: int = 0) -> Videos:
        """The videos of some clips only: `video` is that of each clip, by any numbers."""
        return cls(np.unique(video, return_inverse=True)[1].astype(np.int64), seed=seed)

    def sums(self, values: Floats) -> Floats:
        """Sums over each video: `(clips, ...)` to `(videos, ...)`."""
        total = np.zeros((self.count, *values.shape[1:]))
        np.add.at(total, self.video, values)
        return total

    def drawn(self, by_video: Floats) -> Floats:
        """Sums over the videos drawn in each round: `(videos, K)` to `(rounds, K)`.

        Of fewer than two videos nothing can be drawn: NaN, an interval that is not known.
        """
        if self.count < 2:
            return np.full((self.rounds, by_video.shape[1]), np.nan)
        return np.concatenate([weights @ by_video for weights in self.weights()])

    def weights(self) -> Iterator[Floats]:
        """How often each video is drawn: `(some rounds, videos)`, until all rounds are done."""
        random = np.random.default_rng(self._seed)
        for start in range(0, self.rounds, _AT_ONCE):
            size = min(_AT_ONCE, self.rounds - start)
            drawn = random.integers(0, self.count, (size, self.count))
            yield np.stack([np.bincount(row, minlength=self.count) for row in drawn]).astype(float)

    def flips(self, differences: Floats) -> Floats:
        """Sums of differences, sides exchanged at random: `(videos, K)` to `(rounds, K)`."""
        random = np.random.default_rng(self._seed + 1)
        signs = (random.choice((-1.0, 1.0), (_AT_ONCE, self.count)) for _ in self._pieces())
        return np.concatenate([some @ differences for some in signs])[: self.rounds]

    def _pieces(self) -> range:
        return range(0, self.rounds, _AT_ONCE)


def ratios(videos: Videos, numerators: Floats, denominators: Floats) -> list[Estimate]:
    """The ratio of two sums over clips, for each of K columns: `(clips, K)` both."""
    columns = numerators.shape[1]
    by_video = videos.sums(np.concatenate([numerators, denominators], axis=1))
    total, drawn = by_video.sum(axis=0), videos.drawn(by_video)
    values = divided(total[:columns], total[columns:])
    rounds = divided(drawn[:, :columns], drawn[:, columns:])
    rounds = of_several(rounds, by_video[:, columns:])
    return [interval(value, found) for value, found in zip(values, rounds.T, strict=True)]


def of_several(rounds: Floats, weights: Floats) -> Floats:
    """Rounds of which two videos or more can differ; others say the same each time: NaN.

    Args:
        rounds: `(rounds, K)`.
        weights: `(videos, K)`, or one column for all: 0 where a video does not count.
    """
    return np.where((weights != 0).sum(axis=0) < 2, np.nan, rounds)


def interval(value: float, rounds: Floats) -> Estimate:
    """A figure, and what it was in each round."""
    if not np.isfinite(rounds).any():
        return Estimate(float(value), float("nan"), float("nan"))
    low, high = np.nanpercentile(rounds, _LEVEL)
    return Estimate(float(value), min(float(low), float(value)), max(float(high), float(value)))


def paired(videos: Videos, first: Floats, second: Floats, per: Floats) -> Difference:
    """The difference of two means over the same clips.

    Args:
        videos: Draws the videos.
        first: `(clips,)`: what is added up for the one side.
        second: `(clips,)`: for the other.
        per: `(clips,)`: what both sums are divided by, such as 1 for each clip that counts.
    """
    by_video = videos.sums(np.stack([first - second, per], axis=1))
    total, drawn = by_video.sum(axis=0), videos.drawn(by_video)
    rounds = of_several(divided(drawn[:, :1], drawn[:, 1:]), by_video[:, 1:])
    found = interval(float(divided(total[0], total[1])), rounds[:, 0])
    flipped = np.abs(videos.flips(by_video[:, :1])[:, 0])
    as_large = int((flipped >= abs(total[0]) - 1e-12).sum())
    p = (as_large + 1) / (videos.rounds + 1) if np.isfinite(found.value) else float("nan")
    return Difference(found.value, found.low, found.high, p)


def from_rounds(value: float, rounds: Floats) -> Difference:
    """A difference of figures that are no means; the test is read off the same rounds."""
    found = interval(value, rounds)
    known = rounds[np.isfinite(rounds)]
    if not len(known):
        return Difference(found.value, found.low, found.high, float("nan"))
    side = min((known <= 0).mean(), (known >= 0).mean())
    return Difference(
        found.value, found.low, found.high, float(min(1.0, 2 * side + 1 / len(known)))
    )


def divided(top: Floats, bottom: Floats) -> Floats:
    """A ratio, NaN where there is nothing to divide by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom == 0, np.nan, top / bottom)
