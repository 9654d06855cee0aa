"""CHANGELOG.md of a release, in the form of Keep a Changelog, and the version that changes need."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pseudolabel.errors import OptionError
from pseudolabel.release.card.escaping import inline_code
from pseudolabel.release.comparison.changes import ReleaseDiff
from pseudolabel.release.comparison.differences import ClipExample
from pseudolabel.release.comparison.wording import counted, noun_of, shares, span
from pseudolabel.release.version import Bump, Version

_HEAD = """\
# Changelog

What changed from version to version, in the form of
[Keep a Changelog](https://keepachangelog.com/en/1.1.0/). Versions are
[semantic](https://semver.org): MAJOR columns or splits changed, MINOR rows or columns added or
captions made another way, PATCH rows corrected or taken out.

"""
MOST_SHOWN = 200  # characters of a caption
_SECTION = re.compile(r"^## ", re.MULTILINE)


def changelog(diff: ReleaseDiff | None, version: str, date: str, previous: str | None) -> str:
    """The whole text of a release's CHANGELOG.md.

    Args:
        diff: From the release before to this one; None where it follows none.
        version: Of this one.
        date: Of this one, YYYY-MM-DD.
        previous: The text of the release before; its sections stand below the new one, byte for
            byte.
    """
    if diff is None:
        return first_entry(version, date)
    previous = previous or ""
    section = _section(diff, version, date)
    found = _SECTION.search(previous)
    if found is None:
        return (previous.rstrip() + "\n\n" if previous.strip() else _HEAD) + section
    return previous[: found.start()] + section + "\n" + previous[found.start() :]


def first_entry(version: str, date: str) -> str:
    """The whole text for a release that follows none."""
    return f"{_HEAD}{_title(version, date)}\n### Added\n\n- The first version.\n"


def check_version(version: Version, previous: Version, diff: ReleaseDiff | None) -> None:
    """Hold a new version to what has changed.

    Args:
        version: The version that is asked for.
        previous: The version of the release before.
        diff: From that release to the new one; None where it is not known yet.

    Raises:
        OptionError: If it is not higher than the one before, or not by as much as it should.
    """
    bump = Bump.NONE if diff is None else diff.bump
    lowest = previous.after(bump)
    hint = f"use {lowest} or higher"
    if version <= previous:
        raise OptionError(f"--version {version} does not come after {previous}", hint=hint)
    if diff is not None and version < lowest:
        told = [reason.text for reason in diff.reasons if reason.bump is bump]
        more = f"; and {len(told) - 3} more" if len(told) > 3 else ""
        raise OptionError(
            f"--version {version} is too low: since {previous}, {'; '.join(told[:3])}{more}",
            hint=hint,
        )


def _title(version: str, date: str) -> str:
    return f"## [{version}] - {date}\n"


def _section(diff: ReleaseDiff, version: str, date: str) -> str:
    parts = [_title(version, date)]
    for title, items in (
        ("Added", list(_added(diff))),
        ("Changed", list(_changed(diff))),
        ("Removed", list(_removed(diff))),
    ):
        if items:
            parts.append(f"### {title}\n")
            parts.append("".join(f"- {item}.\n" for item in items))
    if diff.bump is Bump.NONE:
        parts.append(f"No row, column or setting changed since {diff.before}.\n")
    return "\n".join(parts)


def _added(diff: ReleaseDiff) -> Iterator[str]:
    yield from (f"Config {_shown(config)}" for config in diff.configs_added)
    for config, columns in diff.columns.items():
        for name, kind in columns.added.items():
            yield f"Column {_shown(name)} of {_shown(config)}, {_shown(kind)}"
    yield from _rows(diff, "added")
    if diff.clips.videos_added:
        yield f"{_videos(diff.clips.videos_added, diff.clips.videos_added_examples)}"


def _removed(diff: ReleaseDiff) -> Iterator[str]:
    yield from (f"Config {_shown(config)}" for config in diff.configs_removed)
    for config, columns in diff.columns.items():
        for name, kind in columns.removed.items():
            yield f"Column {_shown(name)} of {_shown(config)}, {_shown(kind)}"
    yield from _rows(diff, "removed")
    if diff.clips.videos_removed:
        yield f"{_videos(diff.clips.videos_removed, diff.clips.videos_removed_examples)}"


def _changed(diff: ReleaseDiff) -> Iterator[str]:
    for config, columns in diff.columns.items():
        for name, (before, after) in columns.retyped.items():
            yield f"Column {_shown(name)} of {_shown(config)}: {_shown(before)} to {_shown(after)}"
    splits = diff.splits
    if not splits.is_same_shares:
        before, after = shares(splits.shares_before), shares(splits.shares_after)
        yield f"Splits: {_shown(before)} to {_shown(after)}"
    if splits.moved:
        yield f"{counted(splits.moved, 'video')} moved to another split, such as " + "; ".join(
            f"{_shown(e.video_id)} from {_shown('+'.join(e.before))} to {_shown('+'.join(e.after))}"
            for e in splits.moved_examples
        )
    yield from _changed_rows(diff)
    for change in (*diff.captioning, *diff.metadata):
        yield f"{_shown(change.what)}: {_shown(change.before)} to {_shown(change.after)}"


def _changed_rows(diff: ReleaseDiff) -> Iterator[str]:
    clips = diff.clips
    if clips.recaptioned:
        yield f"Captions of {counted(clips.recaptioned, 'clip')}, such as " + "; ".join(
            f"{_clip(e.video_id, e.clip_index)}: {_shown(e.before)} to {_shown(e.after)}"
            for e in clips.recaptioned_examples
        )
    if clips.spans_changed:
        yield f"Spans of {counted(clips.spans_changed, 'clip')}, such as " + "; ".join(
            f"{_clip(e.video_id, e.clip_index)}: {span(*e.before_s)} to {span(*e.after_s)}"
            for e in clips.span_examples
        )
    told = {"caption", "start_s", "end_s"}
    for config, rows in diff.rows.items():
        left = {n: c for n, c in (rows.columns or {}).items() if config != "clips" or n not in told}
        if left:
            values = ", ".join(f"{_shown(name)} in {count:,}" for name, count in left.items())
            yield f"Values of {_shown(config)}: {values}"
        elif rows.changed and rows.columns is None:
            yield counted(rows.changed, noun_of(config))


def _rows(diff: ReleaseDiff, how: str) -> Iterator[str]:
    clips: tuple[ClipExample, ...] = getattr(diff.clips, how)
    for config, rows in diff.rows.items():
        count: int = getattr(rows, how)
        if count:
            such = ""
            if config == "clips":
                such = ", such as " + "; ".join(
                    f"{_clip(c.video_id, c.clip_index)}: {_shown(c.caption)}" for c in clips[:2]
                )
            yield counted(count, noun_of(config)) + such


def _videos(count: int, examples: tuple[str, ...]) -> str:
    return f"{counted(count, 'video')}, such as {', '.join(map(_shown, examples))}"


def _clip(video_id: str, clip_index: int) -> str:
    return f"{_shown(video_id)} clip {clip_index}"


def _shown(text: str) -> str:
    return inline_code(text, limit=MOST_SHOWN)
