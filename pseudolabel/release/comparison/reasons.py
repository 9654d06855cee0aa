"""Which new version the changes from one release to another call for, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pseudolabel.release.comparison.changes import ReleaseDiff
from pseudolabel.release.comparison.differences import Reason
from pseudolabel.release.comparison.wording import counted, noun_of
from pseudolabel.release.version import Bump

_NEW_ROWS = ("clips", "frames")  # another row of `skipped` is something less, not something more


def with_reasons(diff: ReleaseDiff) -> ReleaseDiff:
    """The same with its reasons filled in, the most serious first."""
    reasons = [Reason(Bump.MAJOR, text) for text in _breaking(diff)]
    reasons += [Reason(Bump.MINOR, text) for text in _more(diff)]
    reasons += [Reason(Bump.PATCH, text) for text in _corrected(diff)]
    return replace(diff, reasons=tuple(reasons))


def _breaking(diff: ReleaseDiff) -> Iterator[str]:
    """What may break a program that reads the release."""
    yield from (f"config {config} was removed" for config in diff.configs_removed)
    for config, columns in diff.columns.items():
        for name in columns.removed:
            yield f"column {name} of {config} was removed"
        for name, (before, after) in columns.retyped.items():
            yield f"column {name} of {config} became {after}, from {before}"
    if not diff.splits.is_same_shares:
        yield "the splits were changed"
    if diff.splits.moved:
        yield _was(diff.splits.moved, "video", "moved to another split")


def _more(diff: ReleaseDiff) -> Iterator[str]:
    """What is there that was not, or is made another way."""
    yield from (f"config {config} was added" for config in diff.configs_added)
    for config, columns in diff.columns.items():
        yield from (f"column {name} of {config} was added" for name in columns.added)
    for config in _NEW_ROWS:
        if diff.rows[config].added:
            yield _was(diff.rows[config].added, noun_of(config), "added")
    if diff.is_made_another_way:
        names = ", ".join(change.what for change in diff.captioning)
        yield "captions were made another way" + (f": {names}" if names else "")


def _corrected(diff: ReleaseDiff) -> Iterator[str]:
    """What was put right or taken out."""
    for config, rows in diff.rows.items():
        if rows.added and config not in _NEW_ROWS:
            yield _was(rows.added, noun_of(config), "added")
        if rows.removed:
            yield _was(rows.removed, noun_of(config), "taken out")
        if rows.changed:
            yield _was(rows.changed, noun_of(config), "changed")
    told = [change.what for change in diff.metadata]
    if not diff.is_made_another_way:
        told += [change.what for change in diff.captioning]
    if told:
        yield f"the manifest says otherwise: {', '.join(told)}"


def _was(count: int, noun: str, done: str) -> str:
    """A clause such as "1 clip was added"."""
    return f"{counted(count, noun)} {'was' if count == 1 else 'were'} {done}"
