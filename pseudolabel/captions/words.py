"""Words of captions and transcripts: split, in their base form, content apart from the rest.

English, and light on purpose: a caption's "dogs" and a speaker's "dog" are one word, and that is
all that is needed to ask whether two texts speak of the same things.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_VOWEL = re.compile(r"[aeiouy]")


def listed(text: str) -> frozenset[str]:
    """The words of a list that is written as text."""
    return frozenset(text.split())


# Words that say nothing of what is seen or done; contractions are cut before they are looked up.
STOP_WORDS = listed(
    """
    a about above after again against all almost also although always am among an and another any
    anybody anyone anything are aren around as at away back be because become been before began
    behind being below between both but by came can cannot come could couldn d did didn do does
    doesn doing don done down during each either else enough even ever every everybody everyone
    everything few first for from further get gets getting go goes going gonna gone got gotta had
    hadn has hasn have haven having he her here hers herself him himself his how however i if in
    instead into is isn it its itself just kind know known last least less let like ll lot lots m
    made make makes making many may maybe me mean might more most much must my myself need needs
    never new next no nobody none nor not nothing now of off often oh ok okay on once one ones only
    onto or other others our ours ourselves out over own part per perhaps please put quite rather
    re really right s said same say says see seem seems shall she should shouldn since so some
    somebody someone something sometimes sort still such sure t take taken tell than thank thanks
    that the their theirs them themselves then there these they thing things think this those
    though through thus to today together too toward towards two uh um under until up upon us use
    used using ve very wanna want wants was wasn way we well went were weren what whatever when
    where whether which while who whom whose why will with within without won would wouldn yeah yes
    yet you your yours yourself image picture photo photograph video background front side
    """
)

_IRREGULAR = {
    **dict.fromkeys(("men", "mans"), "man"),
    **dict.fromkeys(("women",), "woman"),
    **dict.fromkeys(("people", "persons"), "person"),
    **dict.fromkeys(("ran",), "run"),
    **dict.fromkeys(("sat",), "sit"),
    **dict.fromkeys(("stood",), "stand"),
    **dict.fromkeys(("held",), "hold"),
    **dict.fromkeys(("ate", "eaten"), "eat"),
    **dict.fromkeys(("rode", "ridden"), "ride"),
    **dict.fromkeys(("drove", "driven"), "drive"),
    **dict.fromkeys(("wore", "worn"), "wear"),
    **dict.fromkeys(("threw", "thrown"), "throw"),
    **dict.fromkeys(("flew", "flown"), "fly"),
    **dict.fromkeys(("swam", "swum"), "swim"),
    **dict.fromkeys(("spoke", "spoken"), "speak"),
    **dict.fromkeys(("wrote", "written"), "write"),
    **dict.fromkeys(("drew", "drawn"), "draw"),
    **dict.fromkeys(("broke", "broken"), "break"),
    "children": "child",
    "feet": "foot",
    "teeth": "tooth",
    "mice": "mouse",
    "geese": "goose",
    "leaves": "leaf",
    "knives": "knife",
    "wolves": "wolf",
    "halves": "half",
    "loaves": "loaf",
    "lying": "lie",
    "tying": "tie",
    "cut": "cut",
    "bus": "bus",
    "buses": "bus",
    "glass": "glass",
    "grass": "grass",
    "gas": "gas",
    "lens": "lens",
    "tennis": "tennis",
    "news": "news",
    "bring": "bring",
    "string": "string",
    "spring": "spring",
    "thing": "thing",
    "ring": "ring",
    "king": "king",
    "wing": "wing",
    "sing": "sing",
    "ceiling": "ceiling",
    "building": "building",
    "morning": "morning",
    "evening": "evening",
    "red": "red",
    "bed": "bed",
    "seed": "seed",
    "bread": "bread",
    "shed": "shed",
    "sled": "sled",
    "feed": "feed",
    "weed": "weed",
    "speed": "speed",
}


def words(text: str) -> list[str]:
    """The words of a text, in lower case; punctuation is left out."""
    return _WORD.findall(text.lower())


@lru_cache(maxsize=1_000_000)
def content_word(word: str) -> str | None:
    """The base form of a word in lower case; None: it says nothing of what is seen or done."""
    word = re.split("['\u2019]", word)[0]
    if word in STOP_WORDS or (len(word) < 2 and not word.isdigit()):
        return None
    base = _base(word)
    return None if base in STOP_WORDS else base


def _base(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes", "zes", "oes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return _base(word[:-1])
    for ending in ("ing", "ed"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 2 and _VOWEL.search(stem):
            return _restored(stem)
    return word


def _restored(stem: str) -> str:
    """The verb that a stem without -ing or -ed comes from: run(n), tak(e), play."""
    if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "lsz":
        return stem[:-1]
    if stem.endswith(("at", "iz", "bl", "v", "c", "u")) or _ends_short(stem):
        return stem + "e"
    return stem


def _ends_short(stem: str) -> bool:
    """One vowel between single consonants, as in tak(e), rid(e), hop(e)."""
    return bool(re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]", stem))


@dataclass(frozen=True, slots=True)
class Tokens:
    """Many texts as numbers: those of text `i` are `ids[offsets[i]:offsets[i + 1]]`."""

    vocabulary: tuple[str, ...]
    ids: NDArray[np.int32]  # (all tokens,)
    offsets: NDArray[np.int64]  # (texts + 1,)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Tokens of each text: `(texts,)`."""
        return np.diff(self.offsets)

    def of(self, text: int) -> NDArray[np.int32]:
        """The tokens of one text."""
        return self.ids[self.offsets[text] : self.offsets[text + 1]]

    def owners(self) -> NDArray[np.int64]:
        """Which text each token is of: `(all tokens,)`."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.counts)


def tokens(texts: Sequence[str]) -> Tokens:
    """All words of each text."""
    return _numbered([words(text) for text in texts])


def content_tokens(texts: Sequence[str]) -> Tokens:
    """The distinct content words of each text, in their base form."""
    return _numbered(
        [list(dict.fromkeys(filter(None, map(content_word, words(text))))) for text in texts]
    )


def _numbered(split: Sequence[Sequence[str]]) -> Tokens:
    numbers: dict[str, int] = {}
    ids = np.fromiter(
        (numbers.setdefault(word, len(numbers)) for word in chain.from_iterable(split)), np.int32
    )
    offsets = np.zeros(len(split) + 1, np.int64)
    np.cumsum([len(some) for some in split], out=offsets[1:])
    return Tokens(tuple(numbers), ids, offsets)
