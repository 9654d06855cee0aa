"""Times of words: what a file tells of them, made whole."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pseudolabel.records import Span, TimedWord
from pseudolabel.speech.cues import CueWord


@dataclass(slots=True)
class _Group:
    """A word whose start is known, and those after it that tell nothing usable."""

    start_s: float
    end_s: float | None  # of its first word
    texts: list[str]


def timed_words(words: Sequence[CueWord], span: Span) -> tuple[TimedWord, ...] | None:
    """The words of a segment, in order and apart; None where no word has a usable time.

    Recognizers leave single words without times (WhisperX does for numerals), or give two words
    one start. Such a word shares, evenly, the time from the word before it to the next one that
    has a time. A time outside the segment, or before the word before, counts as not told.

    Args:
        words: As the file tells them.
        span: The segment they belong to.
    """
    groups = _groups(list(_single(words)), span)
    starts = [group.start_s for group in groups]
    limits = [*starts[1:], span.end_s]
    timed = [
        (start_s, end_s, text)
        for group, limit_s in zip(groups, limits, strict=bool(groups))
        for start_s, end_s, text in _shared(group, limit_s)
    ]
    # Where floats are too coarse to tell the words apart there are no times to speak of.
    if not timed or not all(start_s < end_s for start_s, end_s, _ in timed):
        return None
    return tuple(TimedWord(Span(start_s, end_s), text) for start_s, end_s, text in timed)


def _single(words: Sequence[CueWord]) -> Iterator[CueWord]:
    """Words one by one, where a file times a few as one."""
    for word in words:
        texts = word.text.split()
        if len(texts) < 2:
            yield from [word] * len(texts)
        elif word.end_s is not None and word.start_s < word.end_s:
            cuts = list(_even(word.start_s, word.end_s, len(texts)))
            yield from (
                CueWord(start_s, end_s, text)
                for (start_s, end_s), text in zip(cuts, texts, strict=True)
            )
        else:
            yield CueWord(word.start_s, None, texts[0])
            yield from (CueWord(float("nan"), None, text) for text in texts[1:])


def _groups(words: Sequence[CueWord], span: Span) -> list[_Group]:
    groups: list[_Group] = []
    early: list[str] = []  # before the first word with a time
    for word in words:
        is_later = not groups or word.start_s > groups[-1].start_s
        if is_later and span.start_s <= word.start_s < span.end_s:
            groups.append(_Group(word.start_s, word.end_s, [word.text]))
        else:
            (groups[-1].texts if groups else early).append(word.text)
    if not groups or not early:
        return groups
    if span.start_s < groups[0].start_s:
        return [_Group(span.start_s, None, early), *groups]
    groups[0] = _Group(span.start_s, None, early + groups[0].texts)
    return groups


def _shared(group: _Group, limit_s: float) -> Iterator[tuple[float, float, str]]:
    """Start, end and text of each word of a group that must end by `limit_s`."""
    first, *rest = group.texts
    end_s = limit_s if group.end_s is None else min(group.end_s, limit_s)
    if not rest:
        yield group.start_s, end_s if end_s > group.start_s else limit_s, first
    elif group.start_s < end_s < limit_s:
        yield group.start_s, end_s, first
        for (start_s, until_s), text in zip(_even(end_s, limit_s, len(rest)), rest, strict=True):
            yield start_s, until_s, text
    else:
        cuts = _even(group.start_s, limit_s, len(group.texts))
        for (start_s, until_s), text in zip(cuts, group.texts, strict=True):
            yield start_s, until_s, text


def _even(start_s: float, end_s: float, count: int) -> Iterator[tuple[float, float]]:
    width_s = (end_s - start_s) / count
    inner = (start_s + position * width_s for position in range(1, count))
    return itertools.pairwise([start_s, *inner, end_s])
