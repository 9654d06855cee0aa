"""Shards: videos that one process captions and commits together, of about the same size each."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

from pseudolabel.records import Skipped, Video

LOOKED_AHEAD = 1_000  # listed videos, at least, that are packed together, and so held in memory
VIDEOS_A_SHARD = 50  # on average, where there are enough: what is lost when a process dies
SHARDS_EACH = 4  # at least, for every process of a small run: the last ones even out

Listed = Video | Skipped


def shards_of(videos: Iterable[Listed], *, processes: int) -> Iterator[tuple[Listed, ...]]:
    """Pack videos into shards of about the same bytes, looking ahead only so far.

    Args:
        videos: Taken lazily. One of unknown size counts as the mean of the others, a `Skipped`
            as nothing.
        processes: How many take shards.

    Yields:
        Shards, none empty; the largest video of each comes first.
    """
    listed = iter(videos)
    # Of a smaller window each process would have its few shards, of fewer and fewer videos.
    ahead = max(LOOKED_AHEAD, SHARDS_EACH * processes * VIDEOS_A_SHARD)
    while window := list(itertools.islice(listed, ahead)):
        count = max(
            math.ceil(len(window) / VIDEOS_A_SHARD), min(len(window), SHARDS_EACH * processes)
        )
        yield from _packed(window, count)


def _packed(window: Sequence[Listed], count: int) -> list[tuple[Listed, ...]]:
    """Largest first, each to the shard that is lightest so far."""
    sizes = _sizes(window)
    shards: list[list[Listed]] = [[] for _ in range(count)]
    lightest = [(0.0, 0, at) for at in range(count)]  # bytes, videos, shard: a heap
    for index in sorted(range(len(window)), key=lambda index: -sizes[index]):
        size_bytes, videos, at = heapq.heappop(lightest)
        shards[at].append(window[index])
        # A full one takes no more; there is room for all, at half this many each.
        if videos + 1 < 2 * VIDEOS_A_SHARD:
            heapq.heappush(lightest, (size_bytes + sizes[index], videos + 1, at))
    return [tuple(shard) for shard in shards if shard]


def _sizes(window: Sequence[Listed]) -> list[float]:
    known = [v.size_bytes for v in window if isinstance(v, Video) and v.size_bytes is not None]
    mean = sum(known) / len(known) if known else 1.0
    return [
        0.0 if isinstance(v, Skipped) else mean if v.size_bytes is None else float(v.size_bytes)
        for v in window
    ]
