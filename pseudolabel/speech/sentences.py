"""From words with times to segments: a sentence, or as much of one as a reader takes in at once."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pseudolabel.records import Span, TimedWord, TranscriptSegment

LONGEST_S = 12.0  # of a segment; a longer sentence is cut between words
PAUSE_S = 1.0  # a silence this long ends a segment, sentence or not
_TICK_S = 0.001  # what WebVTT can tell; recognizers give words that last no time at all
_SENTENCE_END = re.compile(r"[.!?…。！？।؟][\"'”’»)\]]*$")  # noqa: RUF001  # as they are written


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word as a recognizer gave it: unchecked times, its text with the space before it."""

    start_s: float
    end_s: float
    text: str
    probability: float  # 0 to 1


@dataclass(frozen=True, slots=True)
class HeardSegment:
    """A segment, with how sure the recognizer was of each of its words."""

    segment: TranscriptSegment
    probabilities: tuple[float, ...]  # as many as the segment has words

    def __post_init__(self) -> None:
        if len(self.probabilities) != len(self.segment.words or ()):
            raise ValueError(
                f"{len(self.probabilities)} probabilities of {len(self.segment.words or ())} words"
            )


def as_sentences(words: Iterable[HeardWord]) -> list[HeardSegment]:
    """Segments that end with a sentence, before a pause, or at `LONGEST_S`.

    Times are rounded to milliseconds, and each word lasts one at least, so that every form of the
    transcript tells the same.

    Args:
        words: In the order in which they were said.
    """
    kept = [word for word in words if word.text.strip()]
    return [_segment(group) for group in _groups(kept)]


def plain_segment(start_s: float, end_s: float, text: str) -> HeardSegment | None:
    """A segment of which no times of words are known; None where it has no text."""
    text = " ".join(text.split())
    if not text:
        return None
    return HeardSegment(TranscriptSegment(_span(start_s, end_s), text), ())


def _groups(words: Sequence[HeardWord]) -> Iterator[list[HeardWord]]:
    group = list(words[:1])
    for before, word in itertools.pairwise(words):
        is_end = (
            _SENTENCE_END.search(before.text.rstrip())
            or word.start_s - before.end_s >= PAUSE_S
            or word.end_s - group[0].start_s > LONGEST_S
        )
        if is_end:
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _segment(group: Sequence[HeardWord]) -> HeardSegment:
    words = tuple(TimedWord(_span(w.start_s, w.end_s), " ".join(w.text.split())) for w in group)
    # By the extremes: alignment can put a word a little before the one it follows.
    span = Span(min(w.span.start_s for w in words), max(w.span.end_s for w in words))
    text = " ".join("".join(word.text for word in group).split())
    return HeardSegment(
        TranscriptSegment(span, text, words), tuple(word.probability for word in group)
    )


def _span(start_s: float, end_s: float) -> Span:
    start_s = round(max(0.0, start_s), 3)
    return Span(start_s, round(max(end_s, start_s + _TICK_S), 3))
