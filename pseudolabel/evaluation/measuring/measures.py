"""The measures of a comparison, from columns of texts and scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pseudolabel.captions.words import Tokens
from pseudolabel.evaluation.comparison import Group, Measure
from pseudolabel.evaluation.measuring.agreement import Overlap
from pseudolabel.evaluation.measuring.diversity import diversities, self_bleu
from pseudolabel.evaluation.measuring.grounding import Likeness
from pseudolabel.evaluation.measuring.intervals import (
    Floats,
    Videos,
    from_rounds,
    interval,
    paired,
    ratios,
)

SAMPLE = 500  # clips whose texts' likeness to each other is measured
Both = tuple[Sequence[str], Sequence[str]]  # the captions, and what was said

_DIVERSITY = {
    "vocabulary": ("distinct words", False),
    "distinct_1": ("distinct words over words", True),
    "distinct_2": ("distinct pairs over pairs", True),
    "duplicates": ("texts that are repeated", True),
}


def coverage(texts: Both, tokens: tuple[Tokens, Tokens], videos: Videos) -> Iterator[Measure]:
    """How much text there is, and how rich it is."""
    one = np.ones(len(texts[0]))
    has = [np.array([bool(t.strip()) for t in side], float) for side in texts]
    count = [side.counts.astype(float) for side in tokens]
    yield means(
        "with_text", "coverage", "clips with any text", has[0], has[1], one, videos, is_share=True
    )
    yield means("words", "coverage", "words a clip", count[0], count[1], one, videos)
    found = [diversities(t, n, videos) for t, n in zip(texts, tokens, strict=True)]
    for name, (label, is_share) in _DIVERSITY.items():
        first, second = (side[name] for side in found)
        ends = (0.0, 1.0 if is_share else np.inf)  # moved rounds may lie beyond what is possible
        yield Measure(
            name,
            "coverage",
            label,
            caption=interval(first.value, np.clip(first.rounds, *ends)),
            transcript=interval(second.value, np.clip(second.rounds, *ends)),
            difference=from_rounds(first.value - second.value, first.rounds - second.rounds),
            is_share=is_share,
        )
    yield from _likeness_to_each_other(tokens, videos)


def _likeness_to_each_other(tokens: tuple[Tokens, Tokens], videos: Videos) -> Iterator[Measure]:
    """Self-BLEU of both sides, over the same sample of clips that have both texts."""
    with_both = np.flatnonzero((tokens[0].counts > 0) & (tokens[1].counts > 0))
    if len(with_both) < 2:
        return
    chosen = np.random.default_rng(0).permutation(with_both)[:SAMPLE]
    first, second = (self_bleu(side, chosen) for side in tokens)
    sampled = Videos.among(videos.video[chosen])
    one = np.ones(len(chosen))
    label = "self-BLEU-4"
    yield means("self_bleu", "coverage", label, first, second, one, sampled)


def agreement(common: Overlap, has_speech: NDArray[np.bool_], videos: Videos) -> Iterator[Measure]:
    """Content words in common, over the clips in which something is said."""
    said = has_speech.astype(float)
    shared = common.common * said
    tops = np.stack([shared, (shared > 0) * said, common.jaccard * said], axis=1)
    bottoms = np.stack([common.of_first * said, said, said], axis=1)
    labels = (
        ("words_said", "caption's words that are said"),
        ("any_word_said", "clips in which one is said"),
        ("jaccard", "words in common over all"),
    )
    for (name, label), found in zip(labels, ratios(videos, tops, bottoms), strict=True):
        yield Measure(name, "agreement", label, both=found, is_share=True)


def semantic(similarity: Floats, chance: Floats, videos: Videos) -> Iterator[Measure]:
    """Likeness of meaning of the two texts of a clip, and of texts of two videos."""
    for name, label, values in (
        ("semantic", "likeness of meaning", similarity),
        ("semantic_chance", "the same, by chance", chance),
    ):
        known = np.isfinite(values).astype(float)
        (found,) = ratios(videos, np.nan_to_num(values)[:, None], known[:, None])
        yield Measure(name, "agreement", label, both=found)


def groundedness(caption: Likeness, said: Likeness, videos: Videos) -> Iterator[Measure]:
    """Likeness with the clip's own frames, over the clips that have both texts."""
    has_both = np.isfinite(caption.similarity) & np.isfinite(said.similarity)
    both = has_both.astype(float)
    group: Group = "groundedness"

    def beside(name: str, label: str, one: Floats, other: Floats, *, share: bool) -> Measure:
        first, second = (np.where(has_both, values, 0.0) for values in (one, other))
        return means(name, group, label, first, second, both, videos, is_share=share)

    yield beside(
        "similarity", "likeness with the frames", caption.similarity, said.similarity, share=False
    )
    wins = np.where(has_both, caption.similarity > said.similarity, False).astype(float)
    yield beside("wins", "clips where it is the likelier", wins, both - wins, share=True)
    yield beside(
        "above_chance",
        "clips above 95 % of chance",
        caption.above_chance,
        said.above_chance,
        share=True,
    )
    yield beside(
        "percentile",
        "percentile of chance, mean",
        caption.percentile,
        said.percentile,
        share=False,
    )


def means(
    name: str,
    group: Group,
    label: str,
    first: Floats,
    second: Floats,
    per: Floats,
    videos: Videos,
    *,
    is_share: bool = False,
) -> Measure:
    """A mean of both sides over the same clips, with their paired difference."""
    one, other = ratios(videos, np.stack([first, second], axis=1), np.stack([per, per], axis=1))
    return Measure(
        name,
        group,
        label,
        caption=one,
        transcript=other,
        difference=paired(videos, first, second, per),
        is_share=is_share,
    )
