"""Words become segments of a length that people read."""

from __future__ import annotations

import pytest

from pseudolabel.records import Span
from pseudolabel.speech.sentences import (
    LONGEST_S,
    HeardSegment,
    HeardWord,
    as_sentences,
    plain_segment,
)


def said(text: str, *, each_s: float = 0.5, start_s: float = 0.0) -> list[HeardWord]:
    """Words of a text, one after the other."""
    return [
        HeardWord(start_s + n * each_s, start_s + (n + 1) * each_s, f" {word}", 0.9)
        for n, word in enumerate(text.split())
    ]


def texts(words: list[HeardWord]) -> list[str]:
    return [heard.segment.text for heard in as_sentences(words)]


def test_a_segment_is_a_sentence() -> None:
    words = said('Stir it. "Is it done?" Yes! 3.5 minutes more')
    assert texts(words) == ["Stir it.", '"Is it done?"', "Yes!", "3.5 minutes more"]


def test_sentences_of_a_script_without_spaces() -> None:
    words = [HeardWord(n, n + 1, text, 0.9) for n, text in enumerate(["切", "菜。", "煮", "汤。"])]
    assert texts(words) == ["切菜。", "煮汤。"]


def test_a_pause_ends_a_segment() -> None:
    assert texts([*said("and then"), *said("we wait", start_s=2.0)]) == ["and then", "we wait"]
    assert texts([*said("and then"), *said("we wait", start_s=1.9)]) == ["and then we wait"]


def test_without_an_end_in_sight_a_segment_is_cut() -> None:
    found = as_sentences(said("on " * 100))
    assert len(found) == 5
    assert all(f.segment.span.end_s - f.segment.span.start_s <= LONGEST_S for f in found)
    assert " ".join(f.segment.text for f in found).split() == ["on"] * 100


def test_every_word_keeps_its_time() -> None:
    (found,) = as_sentences(said("chop two onions", start_s=10.0))
    assert found.segment.span == Span(10.0, 11.5)
    assert found.segment.words is not None
    assert [word.text for word in found.segment.words] == ["chop", "two", "onions"]
    assert found.segment.words[1].span == Span(10.5, 11.0)
    assert found.probabilities == (0.9, 0.9, 0.9)


def test_times_that_no_span_may_have() -> None:
    """Alignment gives words that last no time, that begin before 0, and that overlap."""
    words = [
        HeardWord(-0.3, 0.2, " so", 0.5),
        HeardWord(0.2, 0.2, " we", 0.5),
        HeardWord(0.1, 0.15, " go", 0.5),
        HeardWord(0.3, 0.3, " ", 0.5),
    ]
    (found,) = as_sentences(words)
    assert found.segment.text == "so we go"
    assert found.segment.span == Span(0.0, 0.201)
    assert found.segment.words is not None
    assert found.segment.words[1].span == Span(0.2, 0.201)


def test_nothing_said() -> None:
    assert as_sentences([]) == []
    assert plain_segment(0.0, 1.0, " \n") is None


def test_text_without_times_of_words() -> None:
    found = plain_segment(1.0, 1.0, " hm\n hm ")
    assert found is not None
    assert (found.segment.text, found.segment.words) == ("hm hm", None)
    assert found.segment.span == Span(1.0, 1.001)


def test_as_many_probabilities_as_words() -> None:
    (found,) = as_sentences(said("two words"))
    with pytest.raises(ValueError, match="1 probabilities of 2 words"):
        HeardSegment(found.segment, (0.9,))
