"""How rich a set of texts is: vocabulary, distinct n-grams, repeats, likeness to each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pseudolabel.captions.words import Tokens
from pseudolabel.evaluation.measuring.intervals import Floats, Videos

ROUNDS = 200  # of the bootstrap: these figures are no sums, and each round counts anew
_ORDERS = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Diversity:
    """A figure of the whole set, and what it was in each round: `(rounds,)`."""

    value: float
    rounds: Floats


def diversities(texts: Sequence[str], tokens: Tokens, videos: Videos) -> dict[str, Diversity]:
    """Vocabulary, distinct-1 and -2 (Li et al. 2016), and the share of exact duplicates.

    A bootstrap of these is biased, since a video that is drawn twice adds nothing new. Rounds
    take half of the videos instead, without replacement, and tell how far the figure varies
    around their mean (the delete-half jackknife; Shao & Wu 1989). A vocabulary grows with the
    videos, so that of half of them varies in proportion.

    Args:
        texts: One a clip; empty ones are no texts.
        tokens: Their words.
        videos: Draws the videos.
    """
    owners = tokens.owners()
    pairs_owner = owners[:-1][owners[:-1] == owners[1:]]
    pairs = tokens.ids[:-1].astype(np.int64) * len(tokens.vocabulary) + tokens.ids[1:]
    pairs = pairs[owners[:-1] == owners[1:]]
    texts_at = np.array([i for i, text in enumerate(texts) if text], np.int64)
    whole = np.unique([texts[i] for i in texts_at], return_inverse=True)[1]
    ones = _Kinds(tokens.ids.astype(np.int64), videos.video[owners])
    twos = _Kinds(pairs, videos.video[pairs_owner])
    alike = _Kinds(whole, videos.video[texts_at])
    chosen = list(_halves(videos))
    everything = np.ones(videos.count, bool)

    def measured(value_of: str, kinds: _Kinds) -> Diversity:
        value = getattr(kinds, value_of)(everything)
        if kinds.videos < 2 or not np.isfinite(value):
            return Diversity(value, np.full(ROUNDS, np.nan))
        rounds = np.array([getattr(kinds, value_of)(some) for some in chosen])
        mean = np.nanmean(rounds)
        if value_of == "kinds" and mean > 0:
            return Diversity(value, value * rounds / mean)
        return Diversity(value, value + rounds - mean)

    return {
        "vocabulary": measured("kinds", ones),
        "distinct_1": measured("distinct", ones),
        "distinct_2": measured("distinct", twos),
        "duplicates": measured("repeated", alike),
    }


class _Kinds:
    """Items of a few kinds, each of a video; counted over some of the videos."""

    def __init__(self, kind: NDArray[np.int64], video: NDArray[np.int64]) -> None:
        order = np.argsort(kind, kind="stable")
        self._video = video[order]
        self.videos = len(np.unique(video))
        ordered = kind[order]
        self._starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        self._starts = self._starts if len(ordered) else np.zeros(0, np.int64)

    def kinds(self, chosen: NDArray[np.bool_]) -> float:
        """How many kinds the chosen videos have."""
        if not len(self._starts):
            return 0.0
        return float(np.logical_or.reduceat(chosen[self._video], self._starts).sum())

    def distinct(self, chosen: NDArray[np.bool_]) -> float:
        """Kinds over items."""
        items = chosen[self._video].sum()
        return self.kinds(chosen) / items if items else float("nan")

    def repeated(self, chosen: NDArray[np.bool_]) -> float:
        """The share of items that another one of their kind stands beside."""
        if not len(self._starts):
            return float("nan")
        counts = np.add.reduceat(chosen[self._video].astype(np.int64), self._starts)
        return float(counts[counts > 1].sum() / counts.sum()) if counts.sum() else float("nan")


def _halves(videos: Videos) -> list[NDArray[np.bool_]]:
    random = np.random.default_rng(0)
    size = max(1, videos.count // 2)
    found = []
    for _ in range(ROUNDS):
        chosen = np.zeros(videos.count, bool)
        chosen[random.choice(videos.count, size, replace=False)] = True
        found.append(chosen)
    return found


def self_bleu(tokens: Tokens, chosen: NDArray[np.int64]) -> Floats:
    """BLEU-4 of each of some texts against all others of them (Zhu et al. 2018): `(chosen,)`.

    High where texts are much alike. Smoothed by adding one from bigrams on (Lin & Och 2004).

    Args:
        tokens: The words of all texts.
        chosen: The texts that are looked at; none of them is empty.
    """
    grams = [[_grams(tokens.of(text), n) for n in _ORDERS] for text in chosen]
    lengths = tokens.counts[chosen]
    if len(chosen) < 2:
        return np.zeros(0)
    highest = [_two_highest([one[n - 1] for one in grams]) for n in _ORDERS]
    return np.array([_bleu(i, grams[i], highest, lengths) for i in range(len(chosen))])


def _grams(ids: NDArray[np.int32], n: int) -> Counter[tuple[int, ...]]:
    listed = ids.tolist()
    return Counter(tuple(listed[i : i + n]) for i in range(len(listed) - n + 1))


def _two_highest(
    counts: Sequence[Counter[tuple[int, ...]]],
) -> dict[tuple[int, ...], tuple[int, int, int]]:
    """Of each n-gram: its highest count in a text, which text that is, and the next highest."""
    found: dict[tuple[int, ...], tuple[int, int, int]] = {}
    for text, grams in enumerate(counts):
        for gram, count in grams.items():
            most, owner, next_most = found.get(gram, (0, -1, 0))
            if count > most:
                found[gram] = (count, text, most)
            elif count > next_most:
                found[gram] = (most, owner, count)
    return found


def _bleu(
    text: int,
    grams: Sequence[Counter[tuple[int, ...]]],
    highest: Sequence[dict[tuple[int, ...], tuple[int, int, int]]],
    lengths: NDArray[np.int64],
) -> float:
    logs = 0.0
    for n, (own, all_of) in enumerate(zip(grams, highest, strict=True)):
        matched = 0
        for gram, count in own.items():
            most, owner, next_most = all_of[gram]
            matched += min(count, next_most if owner == text else most)
        total = sum(own.values())
        plus = 1 if n else 0
        if matched + plus == 0 or total + plus == 0:
            return 0.0
        logs += np.log((matched + plus) / (total + plus)) / len(_ORDERS)
    others = np.sort(np.delete(lengths, text))
    closest = others[np.argmin(np.abs(others - lengths[text]))]  # of two as close the shorter
    brevity = min(0.0, 1.0 - closest / lengths[text])
    return float(np.exp(logs + brevity))
