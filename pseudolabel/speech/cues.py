"""A cue: one line of a transcript as a file tells it, before it is known to be usable."""

from __future__ import annotations

import html
import math
import re
from dataclasses import dataclass

# Markup of WebVTT and SRT by name, so that "a < b > c" in plain text survives.
_TAG = re.compile(r"</?(?:b|c|font|i|lang|rt|ruby|s|u|v)\b[^<>]*>|<[\d:.]+>|\{\\[^{}]*\}", re.I)
_CLOCK = re.compile(r"(?:(\d{1,9}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,18})\d*)?")
_ENDLESS_ENTITY = re.compile(r"&#[xX]?[0-9a-fA-F]{10,};?")  # no character has so high a number
_UNPRINTABLE = re.compile(r"[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class CueWord:
    """A word, or a few that a file times as one, and when it was said; unchecked."""

    start_s: float  # NaN where it is not told
    end_s: float | None  # None where it is not told
    text: str  # clean, may be empty


@dataclass(frozen=True, slots=True)
class Cue:
    """A text and when it was said, unchecked."""

    start_s: float  # NaN where it cannot be read
    end_s: float | None  # NaN where it cannot be read, None where it is not told
    text: str  # clean, may be empty
    words: tuple[CueWord, ...] = ()


def clean_text(text: str) -> str:
    """Valid text without markup and control characters, entities resolved, white space single."""
    if "<" in text or "{" in text:
        text = _TAG.sub("", text)
    if "&" in text:
        text = html.unescape(_ENDLESS_ENTITY.sub("\ufffd", text))
    if not text.isprintable():
        if _SURROGATE.search(text):  # JSON can hold halves of characters
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = _UNPRINTABLE.sub(" ", text)
    return " ".join(text.split())


def clock_s(text: str) -> float:
    """Seconds of `[HH:]MM:SS[.mmm]`, with a comma as good as a point; NaN if it is not that."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        return math.nan
    hours, minutes, seconds, fraction = match.groups()
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return whole + float(f"0.{fraction or 0}")


def number_s(value: object) -> float:
    """Seconds of a number, of a number as text, or of a clock time; NaN if it is none of them."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return clock_s(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:  # JSON's integers have no upper end
            return math.nan
    return math.nan
