"""What changed between two releases, and which new version that calls for.

Content is compared, never files: other shards, another order of rows and other compression are no
change. Columns are read one at a time, in pieces, and kept as 8 bytes a row, so a million clips
need little memory whatever they hold.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pseudolabel.errors import ReleaseError
from pseudolabel.release.comparison.changes import ReleaseDiff
from pseudolabel.release.comparison.differences import (
    ClipChanges,
    ClipExample,
    ColumnChanges,
    Moved,
    Recaptioned,
    RowChanges,
    SpanChange,
    SplitChanges,
)
from pseudolabel.release.comparison.fingerprints import combined, fingerprints
from pseudolabel.release.comparison.matching import Keys, Matched, count_changes, match, read_keys
from pseudolabel.release.comparison.provenance import (
    captioning_changes,
    is_made_another_way,
    metadata_changes,
)
from pseudolabel.release.comparison.reasons import with_reasons
from pseudolabel.release.comparison.tables import StoredTable
from pseudolabel.release.manifest import Manifest, read_manifest
from pseudolabel.release.rows import KEYS, UNIQUE

if TYPE_CHECKING:
    from pseudolabel.release.comparison.matching import Numbers

__all__ = ["ReleaseDiff", "diff"]

_EXAMPLE_COLUMNS = ("video_id", "clip_index", "start_s", "end_s", "caption")
_MADE_BY = ("model", "model_revision", "prompt", "decoding", "dtype", "strategy")
_SPAN = ("start_s", "end_s")
_LOOKED_INTO = {"caption", *_SPAN, *_MADE_BY}


@dataclass(frozen=True, slots=True)
class _Pair:
    """One config as both releases have it."""

    before: StoredTable
    after: StoredTable
    columns: ColumnChanges
    compared: tuple[str, ...]  # columns of one type in both, without the key
    keys: tuple[Keys, Keys]


@dataclass(frozen=True, slots=True)
class _Compared:
    """The rows that both have, and where their columns differ."""

    matched: Matched
    differing: dict[str, Numbers]  # of the columns in _LOOKED_INTO that differ somewhere
    rows: RowChanges

    def differs(self, *columns: str) -> Numbers:
        """Where any of some columns differs: bool `(len(matched.before),)`."""
        somewhere = np.zeros(len(self.matched.before), np.bool_)
        for name in columns:
            somewhere |= self.differing.get(name, False)
        return somewhere


def diff(before: str | Path, after: str | Path, *, examples: int = 5) -> ReleaseDiff:
    """Compare two releases.

    Args:
        before: The folder of the older one.
        after: The folder of the newer one.
        examples: At most so many clips or videos are named for each kind of change.

    Raises:
        ReleaseError: If a folder is not a release, a file of it cannot be read, or a clip or
            frame stands in it twice.
    """
    folders = (Path(before), Path(after))
    manifests = (read_manifest(folders[0]), read_manifest(folders[1]))
    ids, pairs = _pairs(folders, manifests)
    compared = {config: _compare(pair) for config, pair in pairs.items() if config in UNIQUE}
    rows = {config: result.rows for config, result in compared.items()}
    rows |= {config: _count(pair) for config, pair in pairs.items() if config not in rows}
    clips = compared["clips"]
    skipped = _by_reason(pairs["skipped"])
    columns = {config: pair.columns for config, pair in pairs.items()}
    return with_reasons(
        ReleaseDiff(
            before=manifests[0].version,
            after=manifests[1].version,
            configs_added=_only_in(manifests[1], manifests[0]),
            configs_removed=_only_in(manifests[0], manifests[1]),
            columns={config: some for config, some in columns.items() if not some.is_empty},
            rows=rows,
            clips=_clip_changes(pairs["clips"], clips, ids, examples),
            splits=_split_changes(manifests, list(pairs.values()), ids, examples),
            skipped_before=skipped[0],
            skipped_after=skipped[1],
            captioning=captioning_changes(*manifests),
            is_made_another_way=is_made_another_way(*manifests)
            or bool(clips.differs(*_MADE_BY).any()),
            metadata=metadata_changes(*manifests),
            reasons=(),
        )
    )


def _pairs(
    folders: tuple[Path, Path], manifests: tuple[Manifest, Manifest]
) -> tuple[Any, dict[str, _Pair]]:
    """The ids of all videos, sorted, and the configs that both releases have."""
    configs = [config for config in manifests[0].configs if config in manifests[1].configs]
    tables = {
        config: tuple(
            StoredTable.of(folder, manifest, config)
            for folder, manifest in zip(folders, manifests, strict=True)
        )
        for config in configs
    }
    keyed = [(table, KEYS[c]) for c in configs if c in KEYS for table in tables[c]]
    ids, keys = read_keys([table for table, _ in keyed], [key for _, key in keyed])
    left = iter(keys)
    pairs = {}
    for config in configs:
        before, after = tables[config]
        columns, compared = _columns(before, after, KEYS.get(config, ()))
        both = (next(left) if config in KEYS else _no_keys(table) for table in (before, after))
        pairs[config] = _Pair(before, after, columns, compared, (next(both), next(both)))
    return ids, pairs


def _no_keys(table: StoredTable) -> Keys:
    return Keys((np.zeros(table.count(), np.int64),), {})


def _only_in(one: Manifest, other: Manifest) -> tuple[str, ...]:
    return tuple(config for config in one.configs if config not in other.configs)


def _columns(
    before: StoredTable, after: StoredTable, key: tuple[str, ...]
) -> tuple[ColumnChanges, tuple[str, ...]]:
    """How the columns changed, and those whose values can be compared."""
    left, right = before.columns(), after.columns()
    if not left or not right:  # no file to say
        return ColumnChanges({}, {}, {}), ()
    shared = [name for name in left if name in right]
    changes = ColumnChanges(
        added={name: str(right[name]) for name in right if name not in left},
        removed={name: str(left[name]) for name in left if name not in right},
        retyped={n: (str(left[n]), str(right[n])) for n in shared if left[n] != right[n]},
    )
    return changes, tuple(n for n in shared if left[n] == right[n] and n not in key)


def _compare(pair: _Pair) -> _Compared:
    """Compare the rows of a config whose rows have a key, column by column."""
    try:
        matched = match(*pair.keys)
    except LookupError as repeated:
        side, row = repeated.args
        raise _twice((pair.before, pair.after)[side], row) from None
    is_changed = np.zeros(len(matched.before), np.bool_)
    differing, counts = {}, {}
    for name in pair.compared if len(is_changed) else ():
        left, right = _hash_column(pair.before, name), _hash_column(pair.after, name)
        differs = left[matched.before] != right[matched.after]
        if differs.any():
            counts[name] = int(differs.sum())
            is_changed |= differs
            if name in _LOOKED_INTO:
                differing[name] = differs
    rows = RowChanges(
        before=len(pair.keys[0].columns[0]),
        after=len(pair.keys[1].columns[0]),
        added=len(matched.added),
        removed=len(matched.removed),
        changed=int(is_changed.sum()),
        columns=counts,
    )
    return _Compared(matched, differing, rows)


def _twice(table: StoredTable, row: int) -> ReleaseError:
    key = KEYS[table.config]
    (found,) = table.take(np.array([row]), key)
    told = ", ".join(f"{name} {found[name]!r}" for name in key)
    return ReleaseError(
        f"{table.release}: {table.config} has two rows with {told}",
        hint="pseudolabel validate lists all that is wrong",
    )


def _count(pair: _Pair) -> RowChanges:
    """Compare the rows of a config where several rows may have one key."""
    sides = []
    for table, keys in zip((pair.before, pair.after), pair.keys, strict=True):
        columns = [_hash_column(table, name) for name in pair.compared]
        rows = len(keys.columns[0])
        sides.append((keys.columns, combined(columns) if columns else np.zeros(rows, np.uint64)))
    return RowChanges(len(sides[0][1]), len(sides[1][1]), *count_changes(*sides))


def _hash_column(table: StoredTable, column: str) -> Numbers:
    """The fingerprints of a column: uint64 `(rows,)`."""
    pieces = [fingerprints(batch[column]) for _, batch in table.batches([column])]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.uint64)


def _clip_changes(pair: _Pair, clips: _Compared, ids: Any, examples: int) -> ClipChanges:
    matched = clips.matched
    has_moved = clips.differs(*_SPAN)
    is_recaptioned = clips.differs("caption") & ~has_moved
    videos = [np.unique(keys.columns[0]) for keys in pair.keys]
    new, gone = np.setdiff1d(videos[1], videos[0]), np.setdiff1d(videos[0], videos[1])
    return ClipChanges(
        added=_clips(pair.after, matched.added[:examples]),
        removed=_clips(pair.before, matched.removed[:examples]),
        recaptioned=int(is_recaptioned.sum()),
        recaptioned_examples=tuple(
            Recaptioned(old.video_id, old.clip_index, old.caption, now.caption)
            for old, now in _both(pair, matched, is_recaptioned, examples)
        ),
        spans_changed=int(has_moved.sum()),
        span_examples=tuple(
            SpanChange(
                old.video_id, old.clip_index, (old.start_s, old.end_s), (now.start_s, now.end_s)
            )
            for old, now in _both(pair, matched, has_moved, examples)
        ),
        videos_before=len(videos[0]),
        videos_after=len(videos[1]),
        videos_added=len(new),
        videos_removed=len(gone),
        videos_added_examples=tuple(ids.take(new[:examples]).to_pylist()),
        videos_removed_examples=tuple(ids.take(gone[:examples]).to_pylist()),
    )


def _clips(table: StoredTable, rows: Numbers) -> tuple[ClipExample, ...]:
    return tuple(ClipExample(**row) for row in table.take(rows, _EXAMPLE_COLUMNS))


def _both(
    pair: _Pair, matched: Matched, chosen: Numbers, examples: int
) -> list[tuple[ClipExample, ClipExample]]:
    """The first chosen clips as they were and as they are."""
    at = np.flatnonzero(chosen)[:examples]
    before = _clips(pair.before, matched.before[at])
    return list(zip(before, _clips(pair.after, matched.after[at]), strict=True))


def _split_changes(
    manifests: tuple[Manifest, Manifest], pairs: list[_Pair], ids: Any, examples: int
) -> SplitChanges:
    sides = [_splits_of([pair.keys[side] for pair in pairs]) for side in (0, 1)]
    names = sorted({*sides[0], *sides[1]})
    held = [{name: side.get(name, _union([])) for name in names} for side in sides]
    videos = [_union(list(side.values())) for side in held]
    in_both = np.intersect1d(videos[0], videos[1])
    elsewhere = [np.setxor1d(held[0][name], held[1][name]) for name in names]
    moved = np.intersect1d(_union(elsewhere), in_both)
    found = []
    for video in moved[:examples]:
        before, after = (
            tuple(name for name in names if np.isin(video, side[name])) for side in held
        )
        found.append(Moved(ids[int(video)].as_py(), before, after))
    return SplitChanges(
        manifests[0].splits.shares, manifests[1].splits.shares, len(moved), tuple(found)
    )


def _splits_of(configs: list[Keys]) -> dict[str, Numbers]:
    """The videos of each split over all configs, sorted."""
    found: dict[str, list[Numbers]] = {}
    for keys in configs:
        for split, videos in keys.videos_by_split.items():
            found.setdefault(split, []).append(videos)
    return {split: _union(pieces) for split, pieces in found.items()}


def _union(pieces: list[Numbers]) -> Numbers:
    return np.unique(np.concatenate(pieces)) if pieces else np.zeros(0, np.int64)


def _by_reason(pair: _Pair) -> tuple[dict[str, int], dict[str, int]]:
    """Skipped rows by reason."""
    sides = []
    for table in (pair.before, pair.after):
        counts: Counter[str] = Counter()
        for _, batch in table.batches(["reason"]):
            for found in batch["reason"].value_counts().to_pylist():
                counts[found["values"]] += found["counts"]
        sides.append(dict(sorted(counts.items())))
    return sides[0], sides[1]
