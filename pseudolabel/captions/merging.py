"""Text of the `llm` strategy: what a language model is asked, and whether its answer may stand.

A language model that merges captions loses their order and invents; for training it buys little
(zero-shot MSR-VTT R@1 of 39.8, against 39.5 of frame captions as they are). So its sentence stands
only if the frames vouch for it: `refused` lets no word of content pass that no caption has, but for
a small allowance.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from pseudolabel.captions.consolidate import moments
from pseudolabel.captions.similarity import terms
from pseudolabel.captions.words import content_word, listed, words
from pseudolabel.records import Consolidated, FrameCaption, Part, Span

NEW_WORDS_SHARE = 0.2  # of the content words of a sentence, how many no caption needs to have
WORDS_A_MOMENT = 6  # a sentence may spend on each, beyond those of the longest caption
ECHOED_WORDS = 5  # in a row, that are the request's

_REQUEST = (
    "Join the captions of a video clip into one English sentence. Keep their order. Say only what "
    "they say: no other things, actions, names, feelings or guesses, and no times."
)
# A weak model that does not do as it is told still goes on as examples do.
_EXAMPLES = """

Captions:
0.5 s: a boy opening a gift
4.5 s: a boy wearing a hat
Sentence: A boy opens a gift, then wears a hat.

Captions:
1.0 s: two birds on a roof
3.0 s: an old truck left of a tree
7.0 s: a lake at night
Sentence: Two birds are on a roof, then an old truck is left of a tree, and at the end there is a \
lake at night.

Captions:
"""

# Words of content that put moments in order, or speak of the clip; they claim nothing of it.
_CONNECTING = {
    content_word(word) or word
    for word in listed(
        """
        afterwards appear begin clip depict end eventually final finally finish follow following
        initially later meanwhile next scene second seen sequence show shown start subsequently
        switch transition change visible
        """
    )
}
_LABEL = re.compile(
    r"(?:(?:sure|certainly|okay|ok)\W+)?here(?: is|['\u2019]s)\s[^:\n]{1,60}:\s*"
    r"|(?:\w+\s+){0,2}(?:caption|sentence|answer|output|summary|description|response)\s*:\s*",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"""["'`*_\u2018\u201c\u00ab]+([^"`*_\u201c\u201d\u00ab\u00bb]+?)["'`*_\u2019\u201d\u00bb]+\.?"""
)
_ENDS = (".", "!", "?", "\u2026", "\u3002")
_BULLET = re.compile(r"^\s*(?:[-*\u2022\u2013]|\(?\d+[.):])\s", re.MULTILINE)
_MARKUP = re.compile(r"[{}\[\]<>|#\\]|\*\*|```|__")
_OF_THE_REQUEST = re.compile(
    r"\bframes?\b|\bcaptions?\b|\b\d+(?:\.\d+)?\s*s(?:ec(?:onds?)?)?\b", re.IGNORECASE
)
_APOLOGY = re.compile(
    r"\bi(?:['\u2019]m| am) (?:sorry|unable|not able)\b|\bi (?:can ?not|can['\u2019]t|do not"
    r"|don['\u2019]t|apologi[sz]e|won['\u2019]t)\b|\bas an ai\b|\blanguage model\b"
    r"|\bplease provide\b",
    re.IGNORECASE,
)


def prompt(span: Span, frames: Sequence[FrameCaption]) -> str:
    """What a language model is asked of a clip: its captions in order, and one sentence of them.

    Args:
        span: The clip; times are given from its start.
        frames: Its captioned frames, in time order; at least one.
    """
    lines = [
        f"{frames[part.frame].time_s - span.start_s:.1f} s: {' '.join(text.split())}"
        for part, text in _told(frames)
    ]
    return _REQUEST + _EXAMPLES + "\n".join([*lines, "Sentence:"])


def cleaned(answer: str) -> str:
    """The sentence of an answer: its first paragraph, without a label or quotes around it.

    Lines of a list stay lines, so that `refused` sees them.
    """
    paragraphs = re.split(r"\n\s*\n", answer.strip())
    while len(paragraphs) > 1 and paragraphs[0].rstrip("*_ ").endswith(":"):
        del paragraphs[0]  # "Here is the sentence:"
    text, before = paragraphs[0].strip(), None
    while text != before:
        before, text = text, _unlabelled(_unquoted(text)).strip()
    return text if _BULLET.search(text) else " ".join(text.split())


def _unquoted(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    return quoted.group(1) if quoted else text


def _unlabelled(text: str) -> str:
    label = _LABEL.match(text)
    return text[label.end() :] if label else text


def refused(text: str, frames: Sequence[FrameCaption], *, truncated: bool) -> str | None:
    """Why a language model's sentence may not stand for a clip; None: it may.

    Args:
        text: Its answer, `cleaned`.
        frames: The clip's captioned frames, in time order; at least one.
        truncated: Whether it stopped at its token limit.
    """
    return next(_reasons(text, frames, truncated=truncated), None)


def _reasons(text: str, frames: Sequence[FrameCaption], *, truncated: bool) -> Iterator[str]:
    told = [caption for _, caption in _told(frames)]
    captions = [caption.text for frame in frames for caption in frame.captions]
    if not words(text):
        yield "it is empty"
    if truncated and not text.endswith(_ENDS):  # what came after the sentence was cut off
        yield "it does not end"
    if _APOLOGY.search(text):
        yield "it is a refusal"
    if _is_echo(text, captions):
        yield "it repeats the request"
    if _is_list(text, told):
        yield "it is a list, not a sentence"
    longest = (max(len(words(caption)) for caption in told) + WORDS_A_MOMENT) * len(told)
    if len(words(text)) > longest:
        yield f"it has {len(words(text))} words, more than {longest}"
    if _has_other_script(text) and not _has_other_script(" ".join(captions)):
        yield "it is in a script that no caption is in"
    if _is_out_of_order(text, told):
        yield "it tells what the captions say in another order"
    said = _content(text)
    if not said:
        yield "it says nothing of the clip"
    invented = said.keys() - {term for caption in captions for term in _content(caption)}
    if len(invented) > max(1, int(NEW_WORDS_SHARE * len(said))) or len(invented) == len(said):
        yield f"no caption says: {', '.join(word for word in said if word in invented)}"


def captioned_by_merge(text: str, frames: Sequence[FrameCaption]) -> Consolidated:
    """A language model's sentence that was not refused, made from all moments of the clip."""
    return Consolidated(text, moments(frames), is_rewritten=True)


def _told(frames: Sequence[FrameCaption]) -> list[tuple[Part, str]]:
    """The moments that the prompt tells of, and the caption of each."""
    return [(part, frames[part.frame].captions[part.sample].text) for part in moments(frames)]


def _is_echo(text: str, captions: Sequence[str]) -> bool:
    known = " ".join(captions).lower()
    if any(found.group().lower() not in known for found in _OF_THE_REQUEST.finditer(text)):
        return True
    theirs = set().union(*map(_groups, captions))
    return bool(_groups(text) & _groups(_REQUEST) - theirs)


def _groups(text: str) -> set[tuple[str, ...]]:
    said = words(text)
    return {tuple(said[at : at + ECHOED_WORDS]) for at in range(len(said) - ECHOED_WORDS + 1)}


def _is_list(text: str, told: Sequence[str]) -> bool:
    commas = sum(caption.count(",") for caption in told) + 2 * len(told)
    return bool(_BULLET.search(text) or _MARKUP.search(text)) or text.count(",") > commas


def _is_out_of_order(text: str, told: Sequence[str]) -> bool:
    """Whether what only a later moment has is said before what only an earlier one has."""
    said = terms(text)
    moments_of = Counter(term for caption in told for term in set(terms(caption)))
    own = [{term for term in terms(caption) if moments_of[term] == 1} for caption in told]
    firsts = [next((at for at, term in enumerate(said) if term in some), None) for some in own]
    known = [first for first in firsts if first is not None]
    return known != sorted(known)


def _has_other_script(text: str) -> bool:
    """Whether it has letters beyond the Latin ones."""
    return any(
        letter.isalpha() and letter > "\u024f" and not "\u1e00" <= letter <= "\u1eff"
        for letter in text
    )


def _content(text: str) -> dict[str, None]:
    """The words that claim something, in base form, in order, each once."""
    return {term: None for term in terms(text) if term not in _CONNECTING}
