"""Vocabulary, distinct n-grams, duplicates, self-BLEU: counted, and with honest spreads."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pseudolabel.captions.words import tokens
from pseudolabel.evaluation.measuring.diversity import diversities, self_bleu
from pseudolabel.evaluation.measuring.intervals import Videos


def found(texts: list[str], video: list[int] | None = None) -> dict[str, float]:
    videos = Videos(np.array(video if video is not None else range(len(texts)), np.int64))
    return {name: d.value for name, d in diversities(texts, tokens(texts), videos).items()}


def test_counts() -> None:
    values = found(["a cat sat", "a cat ran", "", "a cat sat"])
    assert values["vocabulary"] == 4
    assert values["distinct_1"] == pytest.approx(4 / 9)
    assert values["distinct_2"] == pytest.approx(3 / 6)  # pairs never cross texts
    assert values["duplicates"] == pytest.approx(2 / 3)


def test_no_words_at_all() -> None:
    values = found(["", ""])
    assert values["vocabulary"] == 0
    assert math.isnan(values["distinct_1"]) and math.isnan(values["duplicates"])


def test_one_video_has_no_spread() -> None:
    texts = ["a cat", "a dog"]
    for figure in diversities(texts, tokens(texts), Videos(np.zeros(2, np.int64))).values():
        assert np.isnan(figure.rounds).all()


def test_the_spread_lies_around_the_figure() -> None:
    random = np.random.default_rng(0)
    texts = [" ".join(f"w{w}" for w in random.zipf(1.5, 8)) for _ in range(200)]
    for name, figure in diversities(texts, tokens(texts), Videos(np.arange(200))).items():
        assert figure.rounds.mean() == pytest.approx(figure.value), name
        assert figure.rounds.std() > 0 or name == "duplicates"


def test_95_percent_of_intervals_hold_the_vocabulary() -> None:
    random = np.random.default_rng(0)
    videos, held = Videos(np.arange(50)), 0
    for _ in range(60):  # few words of many a video, many of some: 8 new ones each in the mean
        counts = np.where(random.random(50) < 0.25, random.poisson(26, 50), random.poisson(2, 50))
        texts = [" ".join(f"w{v}x{w}" for w in range(n)) for v, n in enumerate(counts)]
        figure = diversities(texts, tokens(texts), videos)["vocabulary"]
        low, high = np.percentile(figure.rounds, (2.5, 97.5))
        held += bool(low <= 400 <= high)
    assert 51 <= held <= 60  # of 60; half as wide, they held it 45 times


def bleu(texts: list[str]) -> np.ndarray:
    return self_bleu(tokens(texts), np.arange(len(texts)))


def test_self_bleu_is_one_for_texts_all_alike_and_low_for_texts_all_different() -> None:
    assert bleu(["a red cat sits on a mat"] * 10).tolist() == pytest.approx([1.0] * 10)
    assert bleu([f"{i}a {i}b {i}c {i}d {i}e" for i in range(10)]).max() == 0.0


def test_self_bleu_counts_each_text_against_the_others_only() -> None:
    # "a" stands once in the other text: one of four words, no pair; smoothed from pairs on.
    expected = (1 / 4 * (0 + 1) / (3 + 1) * (0 + 1) / (2 + 1) * (0 + 1) / (1 + 1)) ** 0.25
    assert bleu(["a a a a", "a b c d"]).min() == pytest.approx(expected)


def test_self_bleu_does_not_hang_on_the_order_of_texts() -> None:
    texts = ["a b c d e f", "a b c d", "a b c d e"]  # the last one is as near to both others
    assert bleu(texts)[2] == bleu([texts[1], texts[0], texts[2]])[2] == pytest.approx(1.0)


def test_self_bleu_looks_at_the_chosen_texts_alone() -> None:
    texts = ["a b c d", "e f g h", "a b c d"]
    assert self_bleu(tokens(texts), np.array([0, 1])).tolist() == [0.0, 0.0]
    assert self_bleu(tokens(texts), np.array([0, 2])).tolist() == pytest.approx([1.0, 1.0])
