"""What a release has that another one has not, kind by kind: the parts of a `ReleaseDiff`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pseudolabel.release.version import Bump


@dataclass(frozen=True, slots=True)
class ClipExample:
    """A clip that was added or removed."""

    video_id: str
    clip_index: int
    start_s: float
    end_s: float
    caption: str


@dataclass(frozen=True, slots=True)
class Recaptioned:
    """A clip of the same span whose caption has other words."""

    video_id: str
    clip_index: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class SpanChange:
    """A clip that is at another place in its video."""

    video_id: str
    clip_index: int
    before_s: tuple[float, float]
    after_s: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Moved:
    """A video that is in another split."""

    video_id: str
    before: tuple[str, ...]  # more than one split only where the release is wrong
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowChanges:
    """How the rows of a config changed."""

    before: int
    after: int
    added: int = 0
    removed: int = 0
    changed: int = 0  # the same key with other content
    columns: Mapping[str, int] | None = None  # rows by changed column; None where rows have no key

    @property
    def is_same(self) -> bool:
        """Whether both hold the same rows."""
        return not (self.added or self.removed or self.changed)


@dataclass(frozen=True, slots=True)
class ColumnChanges:
    """How the columns of a config changed, with their Arrow types."""

    added: Mapping[str, str]
    removed: Mapping[str, str]
    retyped: Mapping[str, tuple[str, str]]  # their values are not compared

    @property
    def is_empty(self) -> bool:
        """Whether no column changed."""
        return not (self.added or self.removed or self.retyped)


@dataclass(frozen=True, slots=True)
class ClipChanges:
    """What changed in the config `clips`; examples are the first few in the order of the ids."""

    added: tuple[ClipExample, ...]
    removed: tuple[ClipExample, ...]
    recaptioned: int
    recaptioned_examples: tuple[Recaptioned, ...]
    spans_changed: int
    span_examples: tuple[SpanChange, ...]
    videos_before: int  # with at least one clip, as the next three
    videos_after: int
    videos_added: int
    videos_removed: int
    videos_added_examples: tuple[str, ...]
    videos_removed_examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SplitChanges:
    """How the splits changed."""

    shares_before: Mapping[str, float]
    shares_after: Mapping[str, float]
    moved: int  # videos of both releases
    moved_examples: tuple[Moved, ...]

    @property
    def is_same_shares(self) -> bool:
        """Whether the splits have the same names, shares and order."""
        return list(self.shares_before.items()) == list(self.shares_after.items())


@dataclass(frozen=True, slots=True)
class Change:
    """A value of the manifest that is another one."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a new version has to be so much higher."""

    bump: Bump
    text: str  # such as "48 clips were added"
