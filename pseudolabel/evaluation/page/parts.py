"""What a page is made of. Every text here may hold anything: the page shows it as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "number", "time", "flags", "clip"]  # "clip": the key of another one
Value = str | float | Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Column:
    """What one value of a clip is called and how it is shown, sorted and filtered."""

    key: str
    label: str
    kind: Kind
    help: str = ""  # one sentence, shown where the column is explained
    digits: int = 3  # after the point; of a time, of its seconds
    good: Literal["high", "low"] | None = None  # which end is better, for "worst first"
    listed: bool = True  # False: in a clip's details, filters and sorting only

    def __post_init__(self) -> None:
        if not 0 <= self.digits <= 12:
            raise ValueError(f"{self.key}: {self.digits} digits, expected 0 to 12")


@dataclass(frozen=True, slots=True)
class Headline:
    """A figure that answers the reader's first question, at the top of the page."""

    value: str  # such as "71 %"
    label: str
    note: str = ""  # such as its interval


@dataclass(frozen=True, slots=True)
class Table:
    """Texts in rows; a column whose texts all start like numbers is set to the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    finds: Literal["flag", "text"] | None = None  # in the list, by a press on a row's first cell

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} cells under {len(self.columns)} columns")


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot."""

    title: str
    svg: str  # from `plots`: written into the page as it is
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the summary."""

    title: str
    paragraphs: Sequence[str] = ()
    table: Table | None = None
    figures: Sequence[Figure] = ()


@dataclass(frozen=True, slots=True)
class FrameText:
    """What was written for one frame of a clip."""

    time_s: float
    texts: Sequence[str]  # one a sample
    chosen: int | None = None  # which of them became, or is part of, the clip's caption
    scores: Sequence[float | None] = ()  # one a text, such as image-text similarity; or none at all
    image: bytes | None = None  # JPEG
    logprobs: Sequence[float | None] = ()  # one a text, or none at all
    marks: Sequence[str] = ()  # one a text: what else there is to say of it
    note: str = ""  # what there is to say of the frame

    def __post_init__(self) -> None:
        if self.chosen is not None and not 0 <= self.chosen < len(self.texts):
            raise ValueError(f"chosen text {self.chosen} of {len(self.texts)}")
        for name in ("scores", "logprobs", "marks"):
            values = getattr(self, name)
            if values and len(values) != len(self.texts):
                raise ValueError(f"{len(values)} {name} of {len(self.texts)} texts")


@dataclass(frozen=True, slots=True)
class Timeline:
    """The stretch of time that a clip's frames lie in, in seconds."""

    start_s: float
    end_s: float
    parts: Sequence[tuple[float, float]] = ()  # from when to when its caption says what is seen
    cuts_s: Sequence[float] = ()  # shot changes
    pictured: int | None = None  # which of its frames `PageClip.image` is


@dataclass(frozen=True, slots=True)
class PageClip:
    """One clip: a row of the list."""

    key: str  # unique on the page, and its address: report.html#KEY
    title: str
    values: Mapping[str, Value]  # by `Column.key`; others are left out, a missing one is None
    image: bytes | None = None  # JPEG; about 160 pixels wide keeps 10,000 clips light
    frames: Sequence[FrameText] = ()
    timeline: Timeline | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Texts about one picture, to be judged without knowing where they come from."""

    clip: str  # `PageClip.key`
    title: str
    texts: Mapping[str, str]  # by side, such as "pseudolabel"; an empty one is never asked about
    image: bytes | None = None  # JPEG, large enough to judge: about 480 pixels wide


@dataclass(frozen=True, slots=True)
class Rating:
    """A sheet that asks every question about every text of every pair."""

    pairs: Sequence[Pair]
    questions: Sequence[str] = (
        "Is at least one object or action named in this text visible in the frame?",
    )
    seed: int = 0  # of the order in which the sides of a pair are shown

    def __post_init__(self) -> None:
        if not self.pairs or not self.questions:
            raise ValueError("a rating sheet needs at least one pair and one question")
        if len({pair.clip for pair in self.pairs}) != len(self.pairs):
            raise ValueError("a rating sheet holds two pairs of one clip")
