"""What captioners put before what they see."""

from __future__ import annotations

import pytest

from pseudolabel.captions.boilerplate import has_boilerplate, strip_boilerplate


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("a photo of a dog", "a dog"),
        ("A photo of a dog.", "A dog."),
        ("this is an image showing two cats", "two cats"),
        ("It's a picture of Paris", "Paris"),
        ("picture of a photo of a dog", "a dog"),
        ("stock video of a beach", "a beach"),
        ("This image shows a cat", "A cat"),
        ("the clip contains a cat", "a cat"),
        ("an image that depicts a cat", "a cat"),
        ("in this picture we can see a dog", "a dog"),
        ("In the image, there is a dog", "There is a dog"),
        ("In the video a man walks", "A man walks"),
        ("we can see a dog", "a dog"),
        ("arafed man in a suit", "man in a suit"),
        ("araffe image of a dog", "a dog"),
        ("Caption: a dog", "A dog"),
        ("caption:a dog", "a dog"),
        ("Sure, here's a short caption: a dog runs", "A dog runs"),
    ],
)
def test_boilerplate_comes_off(text: str, stripped: str) -> None:
    assert has_boilerplate(text)
    assert strip_boilerplate(text) == stripped


@pytest.mark.parametrize(
    "text",
    [
        "There is a man riding a horse.",
        "a dog next to a photo of a cat",
        "a photographer takes a picture of a bride",
        "a black and white photo of a dog",
        "a video game on a screen",
        "in the picture frame stands a man",
        "a picture frame on a wall",
        "an image-based index",
        "here is a dog",
        "",
        "犬",
    ],
)
def test_what_says_something_stays(text: str) -> None:
    assert not has_boilerplate(text)
    assert strip_boilerplate(text) == text


@pytest.mark.parametrize("text", ["a photo of", "A photo of a photo of.", "arafed", "this image:"])
def test_nothing_but_boilerplate_is_never_stripped_to_nothing(text: str) -> None:
    assert any(letter.isalpha() for letter in strip_boilerplate(text))


@pytest.mark.parametrize("text", ["a photo of a dog", "this image shows an image of a cat"])
def test_stripped_text_has_none_left(text: str) -> None:
    assert not has_boilerplate(strip_boilerplate(text))
