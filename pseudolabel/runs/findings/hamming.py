"""Pairs of 64-bit words that differ in few bits: all of them, without comparing every two.

Words that differ in at most `d` bits agree in some `k` of any `d + k` blocks of bits: `d` bits are
in `d` blocks at most. For each choice of `k` blocks the words are sorted by those, and only words
that are equal there are compared. Where too many are, the same is done among them with the bits
that they do not share, so that many words with the same bits cost little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Places = NDArray[np.int64]
PlacePairs = tuple[Places, Places]

_COMPARED_AT_ONCE = 1 << 19  # pairs, some 64 bytes each
_MANY_PAIRS = 1 << 20  # of words with one key: think again before comparing them
_MOST_BLOCKS_EQUAL = 4
_SAMPLED = 4096  # words, to tell how much a bit says
_SORT_NS, _COMPARE_NS, _CHOICE_NS = 150.0, 15.0, 100_000.0  # a word, a pair, a choice: about


def close_pairs(left: Words, right: Words | None, distance: int) -> Iterator[PlacePairs]:
    """Find the pairs of words that differ in at most `distance` bits, some at a time.

    Args:
        left: Words, any.
        right: The others of the pairs; None for pairs of two of `left`, either of them first.
        distance: Bits, 0 or more.

    Yields:
        Places in `left` and in `right` (else in `left`), as many. A pair may come several times.
    """
    lefts = _Some(left, np.arange(len(left)))
    rights = lefts if right is None else _Some(right, np.arange(len(right)))
    yield from _pairs(lefts, rights, distance)


class _Some(NamedTuple):
    """Some of the words, and where they stand among all of them."""

    words: Words
    places: Places

    def at(self, chosen: Places | slice) -> _Some:
        return _Some(self.words[chosen], self.places[chosen])


def _pairs(left: _Some, right: _Some, distance: int) -> Iterator[PlacePairs]:
    """Pairs of a left and a right word, or of two left ones where both are the same object."""
    is_one = left is right
    count = math.comb(len(left.words), 2) if is_one else len(left.words) * len(right.words)
    if not count:
        return
    blocks = _best_blocks(left.words, right.words, count, distance)
    for chosen in combinations(blocks, len(blocks) - distance) if blocks else [()]:
        keys, ours = _sorted_by(left, sum(chosen))
        right_keys, theirs = (keys, ours) if is_one else _sorted_by(right, sum(chosen))
        begin = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))  # of each key
        sizes = np.diff(begin, append=len(keys))
        if is_one:
            right_begin, right_end = begin, begin + sizes
        else:
            right_begin = np.searchsorted(right_keys, keys[begin], "left")
            right_end = np.searchsorted(right_keys, keys[begin], "right")
        is_many = (sizes * (right_end - right_begin) > _MANY_PAIRS) & bool(blocks)
        for key in np.flatnonzero(is_many):
            some = ours.at(slice(begin[key], begin[key] + sizes[key]))
            others = some if is_one else theirs.at(slice(right_begin[key], right_end[key]))
            yield from _pairs(some, others, distance)
        right_end = np.where(is_many, right_begin, right_end)
        partners = _Partners(np.repeat(right_begin, sizes), np.repeat(right_end, sizes))
        if is_one:
            partners = partners.after_itself()
        yield from _compared(ours, theirs, partners, distance)


def _sorted_by(some: _Some, mask: int) -> tuple[Words, _Some]:
    keys = some.words & np.uint64(mask)
    sort = np.argsort(keys)
    return keys[sort], some.at(sort)


def _best_blocks(left: Words, right: Words, pairs: int, distance: int) -> list[int]:
    """Masks of the blocks that promise the least work; none where comparing all pairs is less.

    How much a bit tells is the chance that two words agree in it, in bits. Words that are much
    alike tell little: to sort them by what they share would be in vain.
    """
    both = [left] if left is right else [left, right]
    ones = int(np.bitwise_or.reduce([np.bitwise_or.reduce(words) for words in both]))
    always = int(np.bitwise_and.reduce([np.bitwise_and.reduce(words) for words in both]))
    bits = [bit for bit in range(64) if (ones & ~always) >> bit & 1]
    samples = [words[:: len(words) // _SAMPLED + 1] for words in both]
    told = {
        bit: _told(*(float(np.mean(s >> np.uint64(bit) & np.uint64(1))) for s in samples))
        for bit in bits
    }
    bits.sort(key=lambda bit: -told[bit])
    words_count = sum(len(words) for words in both)
    best_ns, best = pairs * _COMPARE_NS, 0
    for equal in range(1, min(_MOST_BLOCKS_EQUAL, len(bits) - distance) + 1):
        together = 2.0 ** (-sum(told.values()) * equal / (distance + equal))
        each_ns = _CHOICE_NS + words_count * _SORT_NS + pairs * together * _COMPARE_NS
        cost_ns = math.comb(distance + equal, equal) * each_ns
        if cost_ns < best_ns:
            best_ns, best = cost_ns, distance + equal
    return [sum(1 << bit for bit in bits[block::best]) for block in range(best)]


def _told(one_share: float, other_share: float | None = None) -> float:
    other = one_share if other_share is None else other_share
    agree = one_share * other + (1 - one_share) * (1 - other)
    return -math.log2(max(agree, 2.0**-10))


class _Partners(NamedTuple):
    """For each left word, the right ones to compare it with: a stretch, of `end - begin`."""

    begin: Places
    end: Places

    def after_itself(self) -> _Partners:
        """The same, but that each word comes before its partners, which are of the same words."""
        return _Partners(np.arange(1, len(self.begin) + 1), self.end)


def _compared(
    left: _Some, right: _Some, partners: _Partners, distance: int
) -> Iterator[PlacePairs]:
    """The close ones of all these pairs."""
    ours = np.flatnonzero(partners.end > partners.begin)
    begin = partners.begin[ours]
    ends = np.cumsum(partners.end[ours] - begin)  # of each word's pairs, among all pairs
    begins = ends - (partners.end[ours] - begin)
    total = int(ends[-1]) if len(ends) else 0
    for start in range(0, total, _COMPARED_AT_ONCE):
        stop = min(start + _COMPARED_AT_ONCE, total)
        low, high = np.searchsorted(ends, [start, stop - 1], side="right")
        some = slice(low, high + 1)
        counts = np.minimum(ends[some], stop) - np.maximum(begins[some], start)
        one = np.repeat(ours[some], counts)
        other = np.arange(start, stop) + np.repeat(begin[some] - begins[some], counts)
        is_close = np.bitwise_count(left.words[one] ^ right.words[other]) <= distance
        yield left.places[one[is_close]], right.places[other[is_close]]
