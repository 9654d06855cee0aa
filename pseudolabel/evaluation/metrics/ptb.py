"""Texts as words, the way caption metrics count them: Penn Treebank tokens, no punctuation.

`PtbTokenizer` runs Stanford's tokenizer, the jar that pycocoevalcap carries, with pycocoevalcap's
options. The package's own wrapper writes a file beside the jar, which an installation that cannot
be written to refuses, and gives captions to the wrong ids if one has a line separator in it; here
text goes through a pipe and lines are counted. `PtbLikeTokenizer` needs no Java.
"""

from __future__ import annotations

import re
import subprocess
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pycocoevalcap.tokenizer import ptbtokenizer

from pseudolabel.errors import EvaluationError
from pseudolabel.evaluation.metrics.java import find_java, last_line

JAR = Path(ptbtokenizer.__file__).with_name(ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR)
PUNCTUATION = frozenset(ptbtokenizer.PUNCTUATIONS)


class Tokenizer(Protocol):
    """Makes words of captions."""

    @property
    def name(self) -> str:
        """Which one it is, for whoever compares scores."""

    def tokenize(self, captions: Sequence[str]) -> list[str]:
        """Captions in lower case, their words apart by one space, in order; may be empty."""


def normalized(caption: str) -> str:
    """A caption on one line, as any encoding holds it.

    Lone surrogates and characters that only control are left out; every kind of line end and
    white space becomes a space.
    """
    text = caption.encode("utf-8", "ignore").decode()
    spaced = " ".join(text.split())
    return "".join(c for c in spaced if unicodedata.category(c) != "Cc")


class PtbTokenizer:
    """Stanford's tokenizer: the one that published scores were made with.

    Raises:
        EvaluationError: If there is no Java.
    """

    name = "PTBTokenizer"

    def __init__(self) -> None:
        main = "edu.stanford.nlp.process.PTBTokenizer"
        self._command = [find_java(), "-cp", str(JAR), main, "-preserveLines", "-lowerCase"]

    def tokenize(self, captions: Sequence[str]) -> list[str]:
        """Captions as words.

        Raises:
            EvaluationError: If Java fails, or what it gives is not one line a caption.
        """
        if not captions:
            return []
        text = "".join(f"{normalized(caption)}\n" for caption in captions)
        done = subprocess.run(self._command, input=text.encode(), capture_output=True, check=False)
        if done.returncode:
            raise EvaluationError(
                f"PTBTokenizer ended with {done.returncode}: {last_line(done.stderr)}",
                hint="--no-java scores without it",
            )
        lines = done.stdout.decode("utf-8").split("\n")[:-1]
        if len(lines) != len(captions):
            raise EvaluationError(
                f"PTBTokenizer made {len(lines)} lines of {len(captions)} captions: scores "
                "would go to the wrong ids",
                hint="--no-java scores without it",
            )
        return [_without_punctuation(line.rstrip().split(" ")) for line in lines]


class PtbLikeTokenizer:
    """Most of the Penn Treebank's rules, in Python: on plain captions the same words."""

    name = "PTB-like, without Java"

    def tokenize(self, captions: Sequence[str]) -> list[str]:
        """Captions as words."""
        return [_without_punctuation(_ptb_like(normalized(caption))) for caption in captions]


def _without_punctuation(words: Sequence[str]) -> str:
    return " ".join(word for word in words if word not in PUNCTUATION)


_ABBREVIATED = "mr|mrs|ms|dr|prof|gen|col|sgt|capt|jr|sr|st|mt|ft|vs|etc|inc|ltd|corp|co|dept"
_LETTER = r"[^\W\d_]"
_TOKEN = re.compile(
    rf"""
      https?://[^\s<>"]*[^\s<>".,!?;:)] | www\.[^\s<>"]*[^\s<>".,!?;:)]
    | [\w.+-]{{1,64}}@[\w-]+(?:\.[\w-]+)+                    # mail addresses
    | </?{_LETTER}\w*>                                  # tags
    | \b(?:{_ABBREVIATED}|{_LETTER})\.(?!\w)
    | (?:{_LETTER}\.){{2,}}                             # u.s., a.m.
    | \b(?:can(?=not\b) | gon(?=na\b) | wan(?=na\b) | got(?=ta\b) | gim(?=me\b) | lem(?=me\b))
    | (?<=can)not\b | (?<=gon|wan)na\b | (?<=got)ta\b | (?<=gim|lem)me\b
    | o'clock\b | o'{_LETTER}+ | '?n'(?=\s)             # rock 'n' roll
    | n't\b | '(?:s|re|ve|ll|d|m)\b
    | '\d\ds?\b                                         # '90s
    | [-+]?\d+(?:[.,:/-]\d+)*(?:{_LETTER}+(?:-\w+)*|(?:-\w+)+)?
    | (?:@|\#(?=[^\W\d]))?\w+(?:[-/]\w+)*
    | \.{{2,}} | --+ | ([*#<>=~])\1+ | \S
    """,
    re.X,
)
_NOT = re.compile(r"(?<=\w)n't\b")
_SPELLED = {
    "(": "-lrb-",
    ")": "-rrb-",
    "[": "-lsb-",
    "]": "-rsb-",
    "{": "-lcb-",
    "}": "-rcb-",
    "\u2026": "...",  # ellipsis
    "\u2013": "--",  # dashes
    "\u2014": "--",
    '"': "''",
    "\u00bd": "1\\/2",
}
_QUOTES = str.maketrans(dict.fromkeys("\u2018\u2019\u201b`\u00b4", "'"))
_QUOTES |= str.maketrans(dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"'))


def _ptb_like(caption: str) -> list[str]:
    text = _NOT.sub(" n't", caption.lower().translate(_QUOTES))
    found = (match[0] for match in _TOKEN.finditer(text))
    words = ("..." if set(word) == {"."} and len(word) > 1 else word for word in found)
    return [_SPELLED.get(word, word) for word in words if unicodedata.category(word[0]) != "So"]
