"""Near-duplicates against a brute force, on few hashes that are close in many ways."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import pseudolabel.runs.findings.near_duplicates as near_duplicates_module
from pseudolabel.runs.findings import hamming
from pseudolabel.runs.findings.near_duplicates import DISTANCE, near_duplicates

Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int64]


def brute_force(hashes: Hashes, videos: Numbers, order: Numbers, distance: int) -> list[int]:
    """The definition, word by word."""
    repeats = [-1] * len(hashes)
    kept: list[int] = []
    for clip in order.tolist():
        for earlier in kept:
            apart = (int(hashes[clip]) ^ int(hashes[earlier])).bit_count()
            if apart <= distance and videos[clip] != videos[earlier]:
                repeats[clip] = earlier
                break
        else:
            kept.append(clip)
    return repeats


def drawn(seed: int, most: int = 80) -> tuple[Hashes, Numbers, Numbers, int]:
    """Hashes of few or many bits, around few or many centers, and all the rest."""
    rng = np.random.default_rng(seed)
    count, bits = int(rng.integers(0, most)), int(rng.choice([1, 3, 6, 10, 30, 64]))
    centers = rng.integers(0, 2**64, int(rng.integers(1, 12)), dtype=np.uint64)
    hashes = centers[rng.integers(0, len(centers), count)]
    for _ in range(int(rng.integers(0, 5))):
        hashes = hashes ^ (np.uint64(1) << rng.integers(0, bits, count).astype(np.uint64))
    videos = rng.integers(-3, int(rng.integers(1, 25)), count)
    return hashes, videos, rng.permutation(count), int(rng.choice([0, 1, 2, 3, 4, 7, 12, 63, 64]))


@pytest.mark.parametrize("start", range(0, 1000, 100))
def test_as_by_brute_force(start: int) -> None:
    for seed in range(start, start + 100):
        hashes, videos, order, distance = drawn(seed)
        found = near_duplicates(hashes, videos, order, distance=distance)
        assert found.tolist() == brute_force(hashes, videos, order, distance), seed


@pytest.mark.parametrize("start", range(0, 400, 100))
def test_sorting_and_halving_find_the_same(start: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What else is done only with many hashes, done with few."""
    monkeypatch.setattr(near_duplicates_module, "_MOST_PAIRS", 8)
    monkeypatch.setattr(hamming, "_MANY_PAIRS", 8)
    monkeypatch.setattr(hamming, "_COMPARED_AT_ONCE", 7)
    monkeypatch.setattr(hamming, "_SORT_NS", 0.0)
    monkeypatch.setattr(hamming, "_CHOICE_NS", 0.0)
    for seed in range(start, start + 100):
        hashes, videos, order, distance = drawn(seed, most=50)
        found = near_duplicates(hashes, videos, order, distance=min(distance, 4))
        assert found.tolist() == brute_force(hashes, videos, order, min(distance, 4)), seed


def test_many_hashes_with_planted_repeats() -> None:
    rng = np.random.default_rng(5)
    hashes = rng.integers(0, 2**64, 30_000, dtype=np.uint64)
    videos = np.arange(30_000) // 10
    sources, copies = rng.choice(30_000, (2, 3_000), replace=False)
    flips = np.zeros(3_000, np.uint64)
    for _ in range(DISTANCE):
        flips ^= np.uint64(1) << rng.integers(0, 64, 3_000).astype(np.uint64)
    hashes[copies] = hashes[sources] ^ flips
    found = near_duplicates(hashes, videos)
    is_other = videos[sources] != videos[copies]
    firsts, lasts = np.minimum(sources, copies), np.maximum(sources, copies)
    expected = np.full(30_000, -1)
    expected[lasts[is_other]] = firsts[is_other]
    np.testing.assert_array_equal(found, expected)


def test_what_holds_of_any_answer() -> None:
    """Of more hashes than a brute force can take: a dense cluster, black frames, the rest."""
    rng = np.random.default_rng(6)
    hashes = rng.integers(0, 2**64, 40_000, dtype=np.uint64)
    hashes[:10_000] = 0
    for _ in range(3):
        hashes[5_000:15_000] ^= np.uint64(1) << rng.integers(0, 64, 10_000).astype(np.uint64)
    order = rng.permutation(40_000)
    videos = rng.integers(0, 2_000, 40_000)
    found = near_duplicates(hashes, videos, order)
    place = np.argsort(order)
    dropped = np.flatnonzero(found >= 0)
    repeated = found[dropped]
    assert 9_000 < len(dropped) < 15_000
    assert (found[repeated] == -1).all()
    assert (videos[repeated] != videos[dropped]).all()
    assert (place[repeated] < place[dropped]).all()
    assert (np.bitwise_count(hashes[repeated] ^ hashes[dropped]) <= DISTANCE).all()
    kept = np.flatnonzero(found < 0)
    for start in range(0, len(kept), 500):
        some = kept[start : start + 500, None]
        apart = np.bitwise_count(hashes[some] ^ hashes[kept])
        assert not ((apart <= DISTANCE) & (videos[some] != videos[kept])).any()


def test_clips_of_one_video_never_drop_each_other() -> None:
    assert near_duplicates(np.zeros(9, np.uint64), np.full(9, 4)).tolist() == [-1] * 9


def test_the_first_in_the_order_given_is_kept() -> None:
    hashes, videos = np.zeros(3, np.uint64), np.arange(3)
    assert near_duplicates(hashes, videos).tolist() == [-1, 0, 0]
    assert near_duplicates(hashes, videos, np.array([2, 0, 1])).tolist() == [2, 2, -1]


def test_a_dropped_clip_drops_nothing() -> None:
    hashes = np.array([0b0, 0b1111, 0b1111_1111], np.uint64)  # each 4 bits from the one before
    assert near_duplicates(hashes, np.arange(3), distance=4).tolist() == [-1, 0, -1]


def test_no_clips_give_none() -> None:
    assert near_duplicates(np.empty(0, np.uint64), np.empty(0, np.int64)).tolist() == []


@pytest.mark.parametrize(
    ("videos", "order", "distance"),
    [([0], None, 4), ([0, 1], [0, 0], 4), ([0, 1], [0], 4), ([0, 1], None, -1), ([0, 1], None, 65)],
)
def test_what_makes_no_sense_is_refused(
    videos: list[int], order: list[int] | None, distance: int
) -> None:
    given = None if order is None else np.array(order)
    with pytest.raises(ValueError, match=r"2 hashes|0 to 64"):
        near_duplicates(np.zeros(2, np.uint64), np.array(videos), given, distance=distance)
