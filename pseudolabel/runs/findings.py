"""What only the whole of a run, or of several, says of a row.

Repeats, near-duplicates and the floor of chance depend on other rows. They are computed over a
finished run, whenever it is looked at or released, and never kept in its parts: so a run that was
interrupted ends as one that was not. Two passes, 40 bytes a clip in memory.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pseudolabel.records import Flag
from pseudolabel.runs.floor import CHANCE_PERCENTILE, Floor
from pseudolabel.runs.folder import RunFolder
from pseudolabel.runs.near_duplicates import DISTANCE, near_duplicates

if TYPE_CHECKING:
    import pyarrow as pa

REPEATED_CLIPS = 10  # a caption on fewer clips is never called repeated
REPEATED_SHARE = 0.0001  # nor one on a smaller share of them
LEAST_BITS = 8  # of a perceptual hash; a picture with fewer is too plain to be told from others
MOST_REPEATED = 5  # captions named in a summary
COLUMNS = (
    *("video_id", "clip_index", "caption", "similarity", "perceptual_hash", "flags"),
    *("width", "height"),
)
WHOLE_RUN_RULES: Mapping[Flag, str] = {
    Flag.REPEATED: f"the same caption is on {REPEATED_CLIPS} clips or more, and on"
    f" {REPEATED_SHARE:.2%} of all or more",
    Flag.LOW_SIMILARITY: f"the caption is no more like its frame than {CHANCE_PERCENTILE:g} % of"
    " the captions of other videos are",
    Flag.NEAR_DUPLICATE: f"its frame's hash differs in {DISTANCE} bits of 64 or fewer from that of"
    " a clip of another video, and that one stays; pictures too plain to tell are left out",
}
_EMPTY = (Flag.EMPTY.value,)  # known to be of no use already
_NO_PICTURE = (Flag.BLACK.value, Flag.BLANK.value)  # all black frames look the same

Hashes = NDArray[np.uint64]
Tables = Callable[[Sequence[str]], Iterable[tuple[Floor, "pa.Table"]]]


@dataclass(frozen=True, slots=True)
class HealthSummary:
    """What there is to know of the captions of finished runs."""

    clips: int
    flags: Mapping[str, int]  # clips with each flag, in the order of the vocabulary
    without_flags: int  # clips with none
    most_repeated: tuple[tuple[str, int], ...]  # captions, and on how many clips they are


class Findings:
    """Repeats, near-duplicates and percentiles of all rows; use `find` or `find_in_run`."""

    def __init__(self, repeats: _Repeats, duplicates: _Duplicates, summary: HealthSummary) -> None:
        self._repeats, self._duplicates = repeats, duplicates
        self.summary = summary

    def duplicate_of(self, clips: pa.Table) -> pa.Array:
        """Of each clip the name of the one of another video that it looks like, or null.

        Args:
            clips: With `video_id` and `clip_index`.
        """
        return self._duplicates.of(clips)

    def add_to(self, clips: pa.Table, floor: Floor) -> pa.Table:
        """Rows with what was found of them.

        Args:
            clips: With the columns `COLUMNS` at least.
            floor: That of the run they are from.

        Returns:
            The rows with more in `flags`, and with `repeats` (int32), `chance_percentile`
            (float32 or null) and `duplicate_of` (string or null, such as "video.mp4#3").
        """
        import pyarrow as pa

        repeats = self._repeats.of(clips["caption"])
        percentile = floor.percentile(_floats(clips["similarity"]))
        duplicate_of = self.duplicate_of(clips)
        found = {
            Flag.REPEATED: self._repeats.are_many(repeats) & ~has_any(clips["flags"], _EMPTY),
            Flag.LOW_SIMILARITY: percentile <= CHANCE_PERCENTILE,
            Flag.NEAR_DUPLICATE: np.asarray(duplicate_of.is_valid()),
        }
        at = clips.column_names.index("flags")
        flagged = clips.set_column(at, clips.schema.field("flags"), _joined(clips["flags"], found))
        known = pa.array(percentile, pa.float32(), mask=np.isnan(percentile))
        return (
            flagged.append_column("repeats", pa.array(repeats, pa.int32()))
            .append_column("chance_percentile", known)
            .append_column("duplicate_of", duplicate_of)
        )


def find_in_run(folder: RunFolder) -> tuple[Findings, Floor]:
    """What a run as a whole says of its rows, and its floor, which `Findings.add_to` takes.

    Raises:
        RunError: If a part cannot be read.
    """
    floor = Floor(folder.floor())

    def tables(columns: Sequence[str]) -> Iterator[tuple[Floor, pa.Table]]:
        return ((floor, table) for table in folder.rows("clips", columns))

    return find(tables), floor


def find(tables: Tables) -> Findings:
    """What all rows together say of each.

    Args:
        tables: Gives all rows, as often as it is called in the same order, with the columns asked
            for; each table with the floor of the run it is from.
    """
    seen = _Seen()
    for floor, table in tables(COLUMNS):
        seen.add(table, floor)
    rows = seen.rows()
    repeats = _Repeats(rows.caption)
    kept = _duplicated(rows)
    is_repeated = repeats.are_many(repeats.counts_of(rows.caption)) & ~rows.is_empty
    top = repeats.most()
    named, captions = _named(tables, np.unique(kept[kept >= 0]), [key for key, _ in top])
    most_repeated = tuple((captions[key], count) for key, count in top)
    flags = {flag.value: seen.flags[flag.value] for flag in Flag}
    flags |= {
        Flag.REPEATED: int(is_repeated.sum()),
        Flag.LOW_SIMILARITY: int(rows.is_unlike.sum()),
        Flag.NEAR_DUPLICATE: int((kept >= 0).sum()),
    }
    is_clean = ~(rows.is_flagged | is_repeated | rows.is_unlike | (kept >= 0))
    summary = HealthSummary(len(kept), flags, int(is_clean.sum()), most_repeated)
    dropped = np.flatnonzero(kept >= 0)
    names = [named[at] for at in kept[dropped].tolist()]
    return Findings(repeats, _Duplicates(_keys(rows.video, rows.clip)[dropped], names), summary)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Of every clip, in the order of the tables: `(clips,)` each."""

    caption: Hashes
    video: Hashes
    clip: NDArray[np.int32]
    picture: Hashes
    has_picture: NDArray[np.bool_]
    area: NDArray[np.int32]  # pixels as shown
    is_empty: NDArray[np.bool_]
    is_flagged: NDArray[np.bool_]  # by its own row
    is_unlike: NDArray[np.bool_]  # its frame, by the floor


class _Seen:
    """Collects what `_Rows` holds, table by table."""

    def __init__(self) -> None:
        self._tables: list[tuple[NDArray[Any], ...]] = []
        self.flags: Counter[str] = Counter()

    def add(self, table: pa.Table, floor: Floor) -> None:
        import pyarrow.compute as pc

        flags = table["flags"].combine_chunks()
        self.flags.update(pc.list_flatten(flags).to_pylist())
        no_picture = has_any(table["flags"], _NO_PICTURE)
        pictures = table["perceptual_hash"]
        area = np.asarray(table["width"]) * np.asarray(table["height"])
        percentile = floor.percentile(_floats(table["similarity"]))
        self._tables.append(
            (
                hashed(table["caption"]),
                hashed(table["video_id"]),
                np.asarray(table["clip_index"], np.int32),
                _bits(pictures),
                (np.bitwise_count(_bits(pictures)) >= LEAST_BITS) & ~no_picture,
                area.astype(np.int32),
                has_any(table["flags"], _EMPTY),
                np.asarray(pc.list_value_length(flags)) > 0,
                percentile <= CHANCE_PERCENTILE,
            )
        )

    def rows(self) -> _Rows:
        none = (
            *(np.zeros(0, kind) for kind in ("u8", "u8", "i4", "u8", "?", "i4", "?", "?", "?")),
        )
        columns = zip(none, *self._tables, strict=True)
        return _Rows(*(np.concatenate(column) for column in columns))


class _Repeats:
    """On how many clips each caption is."""

    def __init__(self, captions: Hashes) -> None:
        self._captions, self._counts = np.unique(captions, return_counts=True)
        self._many = max(REPEATED_CLIPS, math.ceil(REPEATED_SHARE * len(captions)))

    def of(self, captions: pa.ChunkedArray) -> NDArray[np.int64]:
        return self.counts_of(hashed(captions))

    def counts_of(self, captions: Hashes) -> NDArray[np.int64]:
        if not len(self._captions):
            return np.zeros(0, np.int64)
        return np.asarray(self._counts[np.searchsorted(self._captions, captions)])

    def are_many(self, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray(counts >= self._many)

    def most(self) -> list[tuple[int, int]]:
        """Hash and count of the captions that are on most clips, if on more than one."""
        order = np.argsort(-self._counts, kind="stable")[:MOST_REPEATED]
        found = zip(self._captions[order].tolist(), self._counts[order].tolist(), strict=True)
        return [(key, count) for key, count in found if count > 1]


class _Duplicates:
    """Which clips look like a clip of another video, and like which."""

    def __init__(self, keys: Hashes, names: Sequence[str]) -> None:
        order = np.argsort(keys)
        self._keys = keys[order]
        self._names = [names[at] for at in order.tolist()]

    def of(self, clips: pa.Table) -> pa.Array:
        import pyarrow as pa

        keys = _keys(hashed(clips["video_id"]), np.asarray(clips["clip_index"], np.int32))
        found: list[str | None] = [None] * len(keys)
        for at in np.flatnonzero(np.isin(keys, self._keys)).tolist():
            found[at] = self._names[int(np.searchsorted(self._keys, keys[at]))]
        return pa.array(found, pa.string())


def _duplicated(rows: _Rows) -> NDArray[np.int64]:
    """For each clip which one it repeats, -1 for none; of two the larger picture stays."""
    kept = np.full(len(rows.video), -1, np.int64)
    looked_at = np.flatnonzero(rows.has_picture)
    order = np.lexsort(
        (rows.clip[looked_at], rows.video[looked_at], -rows.area[looked_at].astype(np.int64))
    )
    found = near_duplicates(rows.picture[looked_at], rows.video[looked_at].view(np.int64), order)
    has = found >= 0
    kept[looked_at[has]] = looked_at[found[has]]
    return kept


def _named(
    tables: Tables, rows: NDArray[np.int64], captions: Sequence[int]
) -> tuple[dict[int, str], dict[int, str]]:
    """The names of some clips, by row, and some captions, by hash: a second look at the tables."""
    names: dict[int, str] = {}
    texts: dict[int, str] = {}
    start = 0
    for _, table in tables(("video_id", "clip_index", "caption")):
        if len(names) == len(rows) and len(texts) == len(captions):
            break
        here = rows[(rows >= start) & (rows < start + table.num_rows)] - start
        few = table.take(here)
        for at, video_id, clip in zip(
            here.tolist(), few["video_id"].to_pylist(), few["clip_index"].to_pylist(), strict=True
        ):
            names[start + at] = f"{video_id}#{clip}"
        keys = hashed(table["caption"])
        for key in captions:
            found = np.flatnonzero(keys == np.uint64(key))
            if key not in texts and len(found):
                texts[key] = table["caption"][int(found[0])].as_py()
        start += table.num_rows
    return names, texts


def hashed(texts: pa.ChunkedArray) -> Hashes:
    """64 bits of each text; the same in every process."""
    from pandas.util import hash_array

    encoded = texts.combine_chunks().dictionary_encode()
    distinct = np.asarray(encoded.dictionary.to_pylist(), object)
    hashes = hash_array(distinct, categorize=False) if len(distinct) else np.zeros(0, np.uint64)
    return np.asarray(hashes[np.asarray(encoded.indices)], np.uint64)


def _keys(video: Hashes, clip: NDArray[np.int32]) -> Hashes:
    """64 bits of a clip."""
    mixed = video ^ (clip.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return np.asarray(mixed * np.uint64(0xD6E8FEB86659FD93), np.uint64)


def _bits(hashes: pa.ChunkedArray) -> Hashes:
    """16 hex digits to 64 bits; 0 where there is none."""
    import pyarrow.compute as pc

    text = pc.fill_null(hashes, "0" * 16).combine_chunks()
    digits = "".join(text.to_pylist())
    return np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64)


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(column.to_numpy(), np.float64)  # null is NaN


def has_any(flags: pa.ChunkedArray, names: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each row has one of the flags, `(rows,)`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = flags.combine_chunks()
    found = np.zeros(len(lists), bool)
    known = pc.is_in(pc.list_flatten(lists), value_set=pa.array(names, pa.string()))
    found[np.asarray(pc.list_parent_indices(lists))[np.asarray(known)]] = True
    return found


def _joined(flags: pa.ChunkedArray, found: Mapping[Flag, NDArray[np.bool_]]) -> pa.ListArray:
    """Each row's flags, and those found of it after them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = flags.combine_chunks()
    rows = [np.asarray(pc.list_parent_indices(lists), np.int64)]
    values = [pc.list_flatten(lists)]
    for flag, mask in found.items():
        at = np.flatnonzero(mask)
        rows.append(at)
        values.append(pa.repeat(pa.scalar(flag.value, pa.string()), len(at)))
    row = np.concatenate(rows)
    order = np.argsort(row, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(lists)))])
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.concat_arrays(values).take(pa.array(order))
    )
