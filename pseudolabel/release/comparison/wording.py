"""Changes in words, for a terminal: a line each, and a few indented examples below it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pseudolabel.release.comparison.differences import (
    ClipChanges,
    ClipExample,
    ColumnChanges,
    Reason,
    RowChanges,
    SplitChanges,
)
from pseudolabel.release.version import Bump

_TEXT_SHOWN = 100  # characters of a caption


def counted(count: int, noun: str) -> str:
    """A count with its noun: "1 clip", "1,200 clips"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def noun_of(config: str) -> str:
    """What one row of a config is called."""
    known = {"clips": "clip", "frames": "frame"}
    return known.get(config, f"{config} row")


def span(start_s: float, end_s: float) -> str:
    """A span in words: "8-16 s"."""
    return f"{start_s:g}-{end_s:g} s"


def shares(splits: Mapping[str, float]) -> str:
    """Splits as the option takes them: "train=0.9,validation=0.1"."""
    return ",".join(f"{name}={share:g}" for name, share in splits.items())


def conclusion(bump: Bump, reasons: Sequence[Reason]) -> str:
    """Which new version is called for, and why."""
    if bump is Bump.NONE:
        return "nothing has changed"
    told = [reason.text for reason in reasons if reason.bump is bump]
    return f"calls for {bump.name}: {'; '.join(told)}"


def clip_lines(clips: ClipChanges, rows: RowChanges) -> Iterator[str]:
    """What changed in the config `clips`."""
    yield f"clips {_from_to(rows)}"
    yield from _examples((f"+ {_clip(clip)}" for clip in clips.added), rows.added)
    yield from _examples((f"- {_clip(clip)}" for clip in clips.removed), rows.removed)
    if clips.videos_added or clips.videos_removed:
        videos = RowChanges(
            clips.videos_before, clips.videos_after, clips.videos_added, clips.videos_removed
        )
        yield f"videos {_from_to(videos)}"
    if clips.recaptioned:
        yield f"recaptioned {counted(clips.recaptioned, 'clip')}"
        told = (
            f"{_key(e.video_id, e.clip_index)}: {_quoted(e.before)} -> {_quoted(e.after)}"
            for e in clips.recaptioned_examples
        )
        yield from _examples(told, clips.recaptioned)
    if clips.spans_changed:
        yield f"other spans of {counted(clips.spans_changed, 'clip')}"
        told = (
            f"{_key(e.video_id, e.clip_index)}: {span(*e.before_s)} -> {span(*e.after_s)}"
            for e in clips.span_examples
        )
        yield from _examples(told, clips.spans_changed)
    yield from _values("clips", rows, but={"caption", "start_s", "end_s"})


def row_lines(
    changes: Mapping[str, RowChanges], skipped: Mapping[str, int], skipped_after: Mapping[str, int]
) -> Iterator[str]:
    """What changed in the other configs.

    Args:
        changes: By config.
        skipped: Skipped rows before, by reason.
        skipped_after: Skipped rows after, by reason.
    """
    for config, rows in changes.items():
        if config == "clips" or rows.is_same:
            continue
        yield f"{config} {_from_to(rows)}"
        yield from _values(config, rows)
        if config == "skipped":
            for reason in sorted({*skipped, *skipped_after}):
                before, after = skipped.get(reason, 0), skipped_after.get(reason, 0)
                if before != after:
                    yield f"  {reason} {before:,} -> {after:,}"


def column_lines(changes: Mapping[str, ColumnChanges]) -> Iterator[str]:
    """Which columns changed, by config."""
    for config, columns in changes.items():
        told = [f"+ {name} ({kind})" for name, kind in columns.added.items()]
        told += [f"- {name} ({kind})" for name, kind in columns.removed.items()]
        told += [f"{n} ({old} -> {new})" for n, (old, new) in columns.retyped.items()]
        yield f"columns of {config}: {', '.join(told)}"


def split_lines(splits: SplitChanges) -> Iterator[str]:
    """What changed in the splits."""
    if not splits.is_same_shares:
        yield f"splits {shares(splits.shares_before)} -> {shares(splits.shares_after)}"
    if splits.moved:
        yield f"moved to another split: {counted(splits.moved, 'video')}"
        told = (
            f"{_named(e.video_id)}: {'+'.join(e.before)} -> {'+'.join(e.after)}"
            for e in splits.moved_examples
        )
        yield from _examples(told, splits.moved)


def _from_to(rows: RowChanges) -> str:
    """Such as "48 -> 96 (48 added)"."""
    counts = {"added": rows.added, "removed": rows.removed, "changed": rows.changed}
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    if rows.before == rows.after:
        return f"{rows.before:,} ({told})" if told else f"{rows.before:,}, all the same"
    return f"{rows.before:,} -> {rows.after:,} ({told})"


def _values(config: str, rows: RowChanges, but: Iterable[str] = ()) -> Iterator[str]:
    """In how many rows each column has another value."""
    counts = {name: count for name, count in (rows.columns or {}).items() if name not in but}
    if counts:
        told = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        yield f"other values in {config}: {told}"


def _examples(told: Iterable[str], count: int) -> Iterator[str]:
    shown = [f"  {text}" for text in told]
    yield from shown
    if shown and len(shown) < count:
        yield f"  and {count - len(shown):,} more"


def _clip(clip: ClipExample) -> str:
    where = _key(clip.video_id, clip.clip_index)
    return f"{where} {span(clip.start_s, clip.end_s)}: {_quoted(clip.caption)}"


def _key(video_id: str, clip_index: int) -> str:
    return f"{_named(video_id)}#{clip_index}"


def _named(video_id: str) -> str:
    """An id that cannot be taken for something else."""
    return video_id if video_id.isprintable() and video_id.strip() else repr(video_id)


def _quoted(text: str) -> str:
    """A caption in quotes on one line, with escapes for what a terminal would act on."""
    return repr(text if len(text) <= _TEXT_SHOWN else text[: _TEXT_SHOWN - 1] + "…")
