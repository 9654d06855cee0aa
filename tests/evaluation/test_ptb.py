"""Words are those of PTBTokenizer, with Java and, on plain captions, without."""

from __future__ import annotations

import shutil

import pytest

from pseudolabel.evaluation.metrics.ptb import PtbLikeTokenizer, PtbTokenizer, normalized

needs_java = pytest.mark.skipif(
    shutil.which("java") is None, reason="no java on this machine: PTBTokenizer needs it"
)

CAPTIONS = {
    "A man is riding a bike.": "a man is riding a bike",
    "Two dogs, a cat; and a bird!": "two dogs a cat and a bird",
    "He doesn't know what she's doing": "he does n't know what she 's doing",
    "They can't, won't and cannot stop": "they ca n't wo n't and can not stop",
    "the dogs' bowl, the dog's bowl": "the dogs bowl the dog 's bowl",
    "I'm sure they've said we'll or he'd go": "i 'm sure they 've said we 'll or he 'd go",
    "a black-and-white T-shirt": "a black-and-white t-shirt",
    "a man (in red) speaks": "a man -lrb- in red -rrb- speaks",
    'she says "hello there" to him': "she says hello there to him",
    "she says \u201chello\u201d \u2013 it\u2019s odd\u2026": "she says hello it 's odd",
    "1,000 people and 3.5 kg at 10:30": "1,000 people and 3.5 kg at 10:30",
    "Mr. Smith and Dr. Who at 5 p.m. today": "mr. smith and dr. who at 5 p.m. today",
    "a U.S. flag on St. Peter's square": "a u.s. flag on st. peter 's square",
    "50% off for $20 & more": "50 % off for $ 20 & more",
    "it is gonna rain, I wanna go": "it is gon na rain i wan na go",
    "he rides and/or walks": "he rides and/or walks",
    "a 20-year-old man in the 1980s": "a 20-year-old man in the 1980s",
    "it's 5 o'clock": "it 's 5 o'clock",
    "wait... what -- no": "wait what no",
    "a caf\u00e9 in M\u00fcnchen": "a caf\u00e9 in m\u00fcnchen",
    "a cat \U0001f600 sleeps": "a cat sleeps",
    "see www.example.com or https://example.com/a?b=c": (
        "see www.example.com or https://example.com/a?b=c"
    ),
    "  two   spaces ": "two spaces",
    "": "",
    "...": "",
    "no end": "no end",
}


@needs_java
def test_words_of_java() -> None:
    assert PtbTokenizer().tokenize(list(CAPTIONS)) == list(CAPTIONS.values())


def test_words_without_java_are_the_same() -> None:
    assert PtbLikeTokenizer().tokenize(list(CAPTIONS)) == list(CAPTIONS.values())


@pytest.mark.parametrize(
    "tokenizer", [pytest.param(PtbTokenizer, marks=needs_java), PtbLikeTokenizer]
)
def test_one_line_a_caption_whatever_is_in_it(
    tokenizer: type[PtbTokenizer | PtbLikeTokenizer],
) -> None:
    """Every character that ends a line somewhere, and every other below U+3000."""
    odd = [f"a{chr(code)}b" for code in [*range(0x3000), 0xFEFF, 0xD800, 0xDFFF, 0xFFFF, 0x1F600]]
    words = tokenizer().tokenize(["first", *odd, "last"])
    assert (words[0], words[-1], len(words)) == ("first", "last", len(odd) + 2)
    assert all(text.startswith("a") for text in words[1:-1])


def test_a_normalized_caption_is_one_line() -> None:
    assert normalized("a\u2028b\r\nc\x85d\x0be\x00f\ud800g") == "a b c d efg"
