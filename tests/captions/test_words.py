"""Words, their base forms, and what is content."""

from __future__ import annotations

import numpy as np
import pytest

from pseudolabel.captions.words import content_tokens, content_word, tokens, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A dog runs.", ["a", "dog", "runs"]),
        ("don't — can’t", ["don't", "can’t"]),  # noqa: RUF001
        ("5 eggs, 2.5 cups", ["5", "eggs", "2", "5", "cups"]),
        ("snake_case", ["snake", "case"]),
        ("Ärger über Öl", ["ärger", "über", "öl"]),
        (" \n\t ", []),
        ("🐈", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("forms", "base"),
    [
        ("dog dogs dog's", "dog"),
        ("run runs running ran", "run"),
        ("man men", "man"),
        ("slice slices slicing sliced", "slice"),
        ("play plays playing played", "play"),
        ("city cities", "city"),
        ("box boxes", "box"),
        ("dish dishes", "dish"),
        ("glass", "glass"),
        ("ride rides riding rode", "ride"),
        ("chop chopping chopped", "chop"),
        ("bus buses", "bus"),
        ("ring", "ring"),
        ("red", "red"),
        ("child children", "child"),
        ("fall falls falling", "fall"),
    ],
)
def test_forms_of_one_word(forms: str, base: str) -> None:
    assert {content_word(form) for form in forms.split()} == {base}


@pytest.mark.parametrize("word", ["the", "is", "you're", "going", "picture", "x", "um"])
def test_words_that_say_nothing_of_what_is_seen(word: str) -> None:
    assert content_word(word) is None


def test_tokens_are_numbers_by_text() -> None:
    found = tokens(["a dog", "", "a cat a"])
    assert [[found.vocabulary[i] for i in found.of(text)] for text in range(3)] == [
        ["a", "dog"],
        [],
        ["a", "cat", "a"],
    ]
    assert found.counts.tolist() == [2, 0, 3]
    assert found.owners().tolist() == [0, 0, 2, 2, 2]


def test_content_words_are_counted_once_a_text() -> None:
    found = content_tokens(["the dogs and a dog", "it is"])
    assert [found.vocabulary[i] for i in found.of(0)] == ["dog"]
    assert found.counts.tolist() == [1, 0]


def test_no_text_at_all() -> None:
    found = tokens([])
    assert (len(found.ids), found.counts.tolist()) == (0, [])
    assert np.issubdtype(found.ids.dtype, np.integer)
