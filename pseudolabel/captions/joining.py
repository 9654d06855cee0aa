"""Captions of moments as one English text, in order: first this, then that, and at the end that.

The words of the captions stay as they are; only their capital letters and their last marks give
way to the sentence they become part of.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pseudolabel.captions.words import STOP_WORDS, listed

_SENTENCE_INSIDE = re.compile(r"[.!?\u2026]['\"\u201d]?\s+\S")
_LAST_MARKS = " \t\n.,:;!?\u2026\u3002"
# First words of captions that are nobody's name: after "then" they need no capital.
_NO_NAMES = STOP_WORDS | listed(
    """
    man men woman women person people boy boys girl girls child children kid kids baby group crowd
    couple several various close closeup view dog dogs cat cats player players
    """
)


def joined(texts: Sequence[str]) -> str:
    """Two or more captions as one text, in their order.

    Phrases and single sentences become one sentence: "A dog, then a cat, and at the end a cow."
    Where one of them is itself several sentences, each caption becomes sentences: "A dog runs. It
    barks. Then a cat. At the end, a cow."
    """
    bare = [" ".join(text.split()).rstrip(_LAST_MARKS) for text in texts]
    first, *between, last = bare
    if any(_SENTENCE_INSIDE.search(text) for text in bare):
        middle = [f"Then {_lowered(text)}" for text in between]
        ending = f"{'At the end,' if between else 'Then'} {_lowered(last)}"
        return ". ".join([capitalized(first), *middle, ending]) + "."
    middle = [f"then {_lowered(text)}" for text in between]
    ending = f"{'and at the end' if between else 'then'} {_lowered(last)}"
    return ", ".join([capitalized(first), *middle, ending]) + "."


def capitalized(text: str) -> str:
    """The text with a capital letter at its start, where it starts with a letter that has one."""
    capital = text[:1].upper()
    return capital + text[1:] if len(capital) == 1 else text


def _lowered(text: str) -> str:
    """The text as it reads inside a sentence; what may be a name keeps its capital."""
    word = re.split(r"[\W_]", text, maxsplit=1)[0]
    is_plain = word == "A" or (word[1:].islower() and word.lower() in _NO_NAMES)
    return text[:1].lower() + text[1:] if is_plain else text
