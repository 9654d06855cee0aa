"""How alike captions are, by their words and the order of these."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pseudolabel.captions.similarity import Similarity, weighted_similarity, word_similarity

LEFT = "a red circle left of a blue square"
BOTH = pytest.mark.parametrize("similarity", [word_similarity, weighted_similarity])
WORDS = [
    *["a", "the", "red", "blue", "circle", "dog", "dogs", "left", "of", "runs", "two", "no"],
    *"犬猫1.,-",
]


def texts_of(seed: int) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randrange(7))) for _ in range(draw.randrange(9))]


def alike(one: str, other: str) -> float:
    return float(word_similarity([one, other])[0, 1])


@BOTH
@pytest.mark.parametrize("seed", range(30))
def test_it_is_a_likeness(similarity: Similarity, seed: int) -> None:
    texts = texts_of(seed)
    found = similarity(texts)
    assert found.shape == (len(texts), len(texts))
    assert np.array_equal(found, found.T)
    assert (found >= 0).all()
    assert (found <= 1).all()
    for one, first in enumerate(texts):
        for other, second in enumerate(texts):
            if first == second:
                assert found[one, other] == 1


@BOTH
@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_the_texts_does_not_matter(similarity: Similarity, seed: int) -> None:
    texts = texts_of(seed)
    order = random.Random(seed).sample(range(len(texts)), len(texts))
    shuffled = similarity([texts[at] for at in order])
    assert np.array_equal(shuffled, similarity(texts)[np.ix_(order, order)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A dog runs.", "a dog is running"),
        ("two dogs on the grass", "Two dogs in the grass!"),
        ("", "..."),
    ],
)
def test_form_is_nothing(one: str, other: str) -> None:
    assert alike(one, other) == (1 if one else 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LEFT, "a blue square left of a red circle"),
        (LEFT, "a red circle right of a blue square"),
        (LEFT, "a blue circle left of a red square"),
        ("one dog", "two dogs"),
        ("a cup on top of a table", "a cup under a table"),
        ("a man with a hat", "a man without a hat"),
    ],
)
def test_order_place_number_and_color_tell_apart(one: str, other: str) -> None:
    assert 0 < alike(one, other) < 0.8


def test_a_longer_way_to_say_it_is_nearer_than_another_thing() -> None:
    said = "a man riding a horse"
    assert alike(said, "a man riding a brown horse") > alike(said, "a man riding a bicycle")


def test_nothing_in_common() -> None:
    assert alike("a green cross", "the dogs are running") == 0


def test_words_of_no_content_count_where_there_are_no_others() -> None:
    assert alike("it is there", "there it is") > 0 == alike("it is there", "a dog")


def test_scripts_without_spaces_are_compared_by_character() -> None:
    assert 0 < alike("猫がいる", "猫が走る") < 1


def test_a_detail_that_few_claim_weighs_more() -> None:
    texts = ["a dog", "a dog", "a dog", "a dog with a hat"]
    assert weighted_similarity(texts)[0, 3] < word_similarity(texts)[0, 3]


def test_unweighted_it_depends_on_the_two_alone() -> None:
    others = [LEFT, "a dog", "a red dog", ""]
    assert word_similarity([LEFT, "a red dog", *others])[0, 1] == alike(LEFT, "a red dog")
