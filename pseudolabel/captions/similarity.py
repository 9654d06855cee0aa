"""How alike captions are, by their words and the order of these.

Half of the likeness is the words that two captions share, half the pairs of neighbouring words:
"a red circle left of a blue square" has all words of "a blue square left of a red circle", and
says something else. Words count in their base form; those that say nothing of the picture do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pseudolabel.captions.words import content_word, listed, words

Similarity = Callable[[Sequence[str]], NDArray[np.float64]]  # n texts to (n, n), 1: the same

# Of no weight when a caption is held against speech; between captions they tell scenes apart.
_TELLING = listed(
    """
    right above below behind under over between inside outside beside front top bottom background
    one two no not without
    """
)
# Scripts that put no space between words: Thai, Lao, Burmese, Khmer, kana, Han.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")

DIGITS = 9  # kept of a likeness: beyond, it depends on the order of the sums

Feature = TypeVar("Feature", str, tuple[str, str])


@lru_cache(maxsize=16_384)
def terms(text: str) -> tuple[str, ...]:
    """The words of a caption that tell it from another, in base form and in its order.

    Of a caption with none, all its words; of a script without spaces, each character.
    """
    split = [term for word in words(text) for term in _UNSPACED.findall(word) or [word]]
    bases = [word if word in _TELLING else content_word(word) for word in split]
    return tuple(filter(None, bases)) or tuple(split)


def word_similarity(texts: Sequence[str]) -> NDArray[np.float64]:
    """How alike texts are; that of two texts depends on these two alone.

    Returns:
        `(n, n)`, symmetric, 0 (nothing shared) to 1 (the same); a text without words is like
        its equals only.
    """
    return _similarity(texts, weigh_within=False)


def weighted_similarity(texts: Sequence[str]) -> NDArray[np.float64]:
    """How alike the texts of one clip are, where a word that few of them have counts more.

    So a detail that only one text claims sets that text apart. The weights are of these texts
    alone: what is decided of one clip never depends on another.

    Returns:
        As `word_similarity`.
    """
    return _similarity(texts, weigh_within=True)


def _similarity(texts: Sequence[str], *, weigh_within: bool) -> NDArray[np.float64]:
    numbers: dict[str, int] = {}
    place = np.array([numbers.setdefault(text, len(numbers)) for text in texts], np.intp)
    distinct = [terms(text) for text in numbers]
    votes = np.bincount(place, minlength=len(numbers)) if weigh_within else None
    by_words = _cosines([dict.fromkeys(some) for some in distinct], votes)
    by_pairs = _cosines([dict.fromkeys(_pairs(some)) for some in distinct], votes)
    similarity = np.round((by_words + by_pairs) / 2, DIGITS)
    np.fill_diagonal(similarity, 1.0)
    return np.asarray(similarity[np.ix_(place, place)])


def _pairs(some: tuple[str, ...]) -> Iterable[tuple[str, str]]:
    """Neighbouring terms; the first and the last have an edge for a neighbour."""
    return zip(("", *some), (*some, ""), strict=True) if some else ()


def _cosines(
    features: Sequence[Mapping[Feature, None]], votes: NDArray[np.intp] | None
) -> NDArray[np.float64]:
    """Cosines of sets, `(n, n)`, weighted by rarity among `votes` of each, where given."""
    columns: dict[Feature, int] = {}
    present = [[columns.setdefault(feature, len(columns)) for feature in some] for some in features]
    vectors = np.zeros((len(features), len(columns)))
    for row, at in enumerate(present):
        vectors[row, at] = 1.0
    if votes is not None:
        having = votes @ vectors
        vectors *= np.sqrt(1.0 + np.log((1.0 + votes.sum()) / (1.0 + having)))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(lengths == 0.0, 1.0, lengths)
    return np.asarray(vectors @ vectors.T)
