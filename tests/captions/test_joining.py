"""Captions of moments as one text."""

from __future__ import annotations

import pytest

from pseudolabel.captions.joining import capitalized, joined


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["a red circle", "a blue square"], "A red circle, then a blue square."),
        (
            ["a red circle", "a blue square left of a star", "a green cross"],
            "A red circle, then a blue square left of a star, and at the end a green cross.",
        ),
        (["a", "b", "c", "d", "e"], "A, then b, then c, then d, and at the end e."),
        (["A dog runs.", "The cat sleeps ."], "A dog runs, then the cat sleeps."),
        (["A goal!", "People cheering..."], "A goal, then people cheering."),
        (["  a dog \n runs ", "a\tcat"], "A dog runs, then a cat."),
        (["a dog", "Paris at night"], "A dog, then Paris at night."),
        (["TV on a wall", "TV off"], "TV on a wall, then TV off."),
        (["a dog", "I see a cat"], "A dog, then I see a cat."),
        (["a dog", "US flags"], "A dog, then US flags."),
        (["ein Hund", "eine Katze"], "Ein Hund, then eine Katze."),
        (["犬。", "猫。"], "犬, then 猫."),
        (['a sign that says "stop."', "a dog"], 'A sign that says "stop.", then a dog.'),
    ],
)
def test_phrases_and_sentences_become_one_sentence(texts: list[str], expected: str) -> None:
    assert joined(texts) == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["A dog runs. It barks.", "A cat."], "A dog runs. It barks. Then a cat."),
        (
            ["a dog", "A cat sits. It sleeps", "A cow."],
            "A dog. Then a cat sits. It sleeps. At the end, a cow.",
        ),
    ],
)
def test_captions_of_several_sentences_stay_sentences(texts: list[str], expected: str) -> None:
    assert joined(texts) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("a dog", "A dog"), ("", ""), ("ßx", "ßx"), ("1 dog", "1 dog")]
)
def test_capitals(text: str, expected: str) -> None:
    assert capitalized(text) == expected
