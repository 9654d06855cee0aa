"""Shards: every video in one of them, of about the same size each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from pseudolabel.records import Skipped, SkipReason, Video
from pseudolabel.runs.cluster.shards import LOOKED_AHEAD, VIDEOS_A_SHARD, Listed, shards_of


def video(number: int, size_bytes: int | None) -> Video:
    return Video(f"{number:05}", f"/videos/{number:05}.mp4", size_bytes=size_bytes)


def sizes(shard: tuple[Listed, ...]) -> list[int]:
    return [v.size_bytes or 0 for v in shard if isinstance(v, Video)]


def test_every_video_is_in_one_shard() -> None:
    skipped = Skipped("x", "/x", "list", SkipReason.UNREADABLE, "no")
    listed: list[Listed] = [video(n, n * n % 977 or None) for n in range(2500)]
    listed.insert(3, skipped)
    shards = list(shards_of(listed, processes=2))
    packed = list(itertools.chain.from_iterable(shards))
    assert sorted(v.video_id for v in packed) == sorted(v.video_id for v in listed)
    assert skipped in packed
    assert all(0 < len(shard) <= 2 * VIDEOS_A_SHARD for shard in shards)


def test_shards_of_a_window_are_of_one_size() -> None:
    listed = [video(n, 1000 + (n * 7919) % 5000) for n in range(LOOKED_AHEAD)]
    weights = [sum(sizes(shard)) for shard in shards_of(listed, processes=2)]
    assert len(weights) == LOOKED_AHEAD // VIDEOS_A_SHARD
    assert max(weights) < 1.02 * min(weights)


def test_a_video_as_large_as_all_others_stands_alone_and_first() -> None:
    listed = [*(video(n, 10) for n in range(100)), video(100, 100_000)]
    first, *others = shards_of(listed, processes=1)
    assert sizes(first) == [100_000]
    assert sum(map(len, others)) == 100


def test_the_largest_of_a_shard_comes_first() -> None:
    listed = [video(n, n + 1) for n in range(40)]
    for shard in shards_of(listed, processes=2):
        assert sizes(shard) == sorted(sizes(shard), reverse=True)


def test_unknown_sizes_count_as_the_mean() -> None:
    listed = [*(video(n, 100) for n in range(10)), *(video(n, None) for n in range(10, 20))]
    assert {len(shard) for shard in shards_of(listed, processes=1)} == {5}
    nothing_known = [video(n, None) for n in range(20)]
    assert {len(shard) for shard in shards_of(nothing_known, processes=1)} == {5}


def test_no_more_is_listed_than_a_window() -> None:
    taken = 0

    def endless() -> Iterator[Video]:
        nonlocal taken
        for taken in itertools.count(1):
            yield video(taken, taken)

    shards = shards_of(endless(), processes=4)
    next(shards)
    assert taken == LOOKED_AHEAD


def test_many_processes_make_no_more_shards_of_many_videos() -> None:
    listed = [video(n, 1000 + n % 7) for n in range(10_000)]
    assert len(list(shards_of(listed, processes=50))) == 10_000 // VIDEOS_A_SHARD


def test_few_videos_are_spread() -> None:
    assert len(list(shards_of([video(n, 9) for n in range(3)], processes=8))) == 3
    assert list(shards_of([], processes=8)) == []
