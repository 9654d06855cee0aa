"""Clips of different videos that look the same, such as re-uploads: which one repeats which."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pseudolabel.runs.findings.hamming import PlacePairs, close_pairs

DISTANCE = 4  # bits of 64: 98 in 100 re-encoded frames differ by no more, 1 in 10,000 others do

_MOST_PAIRS = 1 << 21  # held at a time; where there are more, fewer clips are looked at together

Indices = NDArray[np.int64]


def near_duplicates(
    hashes: NDArray[np.uint64],
    videos: NDArray[np.int64],
    order: NDArray[np.int64] | None = None,
    *,
    distance: int = DISTANCE,
) -> Indices:
    """Find, for each clip, the clip of another video that it repeats.

    In the order given, a clip is kept unless a clip that was kept before it, of another video,
    lies within the distance. So what is kept never depends on what was dropped, and clips of one
    video never drop each other. No pair within the distance is missed.

    Args:
        hashes: The clips' perceptual hashes, `(clips,)`. Clips without one are not given.
        videos: A number for each clip's video, `(clips,)`.
        order: The clips' indices, the one that may keep its place before all others first;
            as they stand where it is None.
        distance: Bits that may differ.

    Returns:
        For each clip the index of the first kept one that it repeats; -1 for a clip that is kept.

    Raises:
        ValueError: If the lengths differ, `order` is not one, or the distance is not 0 to 64.
    """
    count = len(hashes)
    order = np.arange(count) if order is None else order
    if len(videos) != count or not np.array_equal(np.sort(order), np.arange(count)):
        raise ValueError(
            f"{count} hashes need as many videos and an order of all of them, "
            f"got {len(videos)} and {len(order)}"
        )
    if not 0 <= distance <= 64:
        raise ValueError(f"the distance must be 0 to 64 bits, got {distance}")
    looks, look_of = _looks(hashes[order], videos[order])
    search = _Search(hashes[order[looks]], videos[order[looks]], distance)
    search.solve(np.arange(len(looks)))
    repeats = np.full(count, -1)
    repeated = search.repeats[look_of]
    repeats[order] = np.where(repeated < 0, -1, order[looks[repeated]])
    return repeats


def _looks(hashes: NDArray[np.uint64], videos: Indices) -> tuple[Indices, Indices]:
    """The first clip of each hash in each video, and for each clip which of those is its like.

    Clips of one video with one hash are kept or dropped together, so one stands for all.
    """
    sort = np.lexsort((videos, hashes))
    if not len(sort):
        return sort, sort
    by_hash, by_video = hashes[sort], videos[sort]
    is_new = np.ones(len(sort), np.bool_)
    is_new[1:] = (by_hash[1:] != by_hash[:-1]) | (by_video[1:] != by_video[:-1])
    firsts = sort[is_new]
    rank = np.argsort(np.argsort(firsts))
    look_of = np.empty(len(sort), np.int64)
    look_of[sort] = rank[np.cumsum(is_new) - 1]
    return np.sort(firsts), look_of


class _Search:
    """Decides on looks, each a hash in a video; their numbers are their order."""

    def __init__(self, hashes: NDArray[np.uint64], videos: Indices, distance: int) -> None:
        self._hashes = hashes
        self._videos = videos
        self._distance = distance
        self.repeats = np.full(len(hashes), -1)  # what each repeats, -1 where it is kept

    def solve(self, looks: Indices) -> None:
        """Decide on some looks, in order, of which none repeats one that is not among them."""
        hashes, hash_of = np.unique(self._hashes[looks], return_inverse=True)
        pairs = _few_pairs(close_pairs(hashes, None, self._distance), len(hashes))
        if pairs is not None:
            self._decide(looks, hash_of, len(hashes), pairs)
            return
        # What the first half keeps drops most of the other, where so many look alike.
        first, second = looks[: len(looks) // 2], looks[len(looks) // 2 :]
        self.solve(first)
        self._drop(first[self.repeats[first] < 0], second)
        self.solve(second[self.repeats[second] < 0])

    def _drop(self, kept: Indices, later: Indices) -> None:
        """Let each of the later looks repeat the first of the kept ones that it can."""
        never = len(self.repeats)
        firsts = np.full(len(later), never)
        pairs = close_pairs(self._hashes[kept], self._hashes[later], self._distance)
        for ours, theirs in pairs:
            is_other = self._videos[kept[ours]] != self._videos[later[theirs]]
            np.minimum.at(firsts, theirs[is_other], kept[ours[is_other]])
        self.repeats[later] = np.where(firsts == never, -1, firsts)

    def _decide(self, looks: Indices, hash_of: Indices, hashes: int, pairs: PlacePairs) -> None:
        """Go through the looks one by one, with the close pairs of their hashes known.

        Of one hash at most one look is kept. Each hash remembers the first look kept within the
        distance, and the first of another video than that one: a look repeats one of the two.
        """
        near, near_from = _neighbors(pairs, hashes)
        is_alone = (np.bincount(hash_of, minlength=hashes) == 1) & (np.diff(near_from) == 0)
        at = np.flatnonzero(~is_alone[hash_of])
        bounds = near_from.tolist()
        first, second = [-1] * hashes, [-1] * hashes
        video_of: dict[int, int] = {}  # of looks that were kept
        repeats = []
        for look, own, video in zip(
            looks[at].tolist(), hash_of[at].tolist(), self._videos[looks[at]].tolist(), strict=True
        ):
            kept = first[own]
            found = second[own] if kept >= 0 and video_of[kept] == video else kept
            repeats.append(found)
            if found >= 0:
                continue
            video_of[look] = video
            for like in (own, *near[bounds[own] : bounds[own + 1]].tolist()):
                if first[like] < 0:
                    first[like] = look
                elif second[like] < 0 and video_of[first[like]] != video:
                    second[like] = look
        self.repeats[looks[at]] = repeats


def _few_pairs(found: Iterator[PlacePairs], count: int) -> PlacePairs | None:
    """All pairs, each once and both ways round; None where there are more than `_MOST_PAIRS`."""
    keys: list[Indices] = []
    held = 0
    for one, other in found:
        keys.append(np.minimum(one, other) * count + np.maximum(one, other))
        held += len(one)
        if held > 2 * _MOST_PAIRS:
            keys = [_distinct(keys)]
            held = len(keys[0])
            if held > _MOST_PAIRS:
                return None
    if not keys:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    one, other = np.divmod(_distinct(keys), count)
    return np.concatenate([one, other]), np.concatenate([other, one])


def _distinct(several: list[Indices]) -> Indices:
    """What `np.unique` gives; its hashing takes minutes for a million numbers such as these."""
    numbers = np.sort(np.concatenate(several))
    is_new: NDArray[np.bool_] = np.diff(numbers, prepend=-1) != 0
    distinct: Indices = numbers[is_new]
    return distinct


def _neighbors(pairs: PlacePairs, count: int) -> tuple[Indices, Indices]:
    """The places near each, one after the other, and where each one's begin."""
    one, other = pairs
    begin = np.concatenate([[0], np.cumsum(np.bincount(one, minlength=count))])
    return other[np.argsort(one, kind="stable")], begin
