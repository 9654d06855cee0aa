"""What only the whole of a run, or of several, says of a row.

Repeats, near-duplicates and the floor of chance depend on other rows. They are computed over a
finished run, whenever it is looked at or released, and never kept in its parts: so a run that was
interrupted ends as one that was not. Two passes, some 150 bytes a clip in memory.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pseudolabel.errors import RunError
from pseudolabel.records import Flag
from pseudolabel.runs.findings.near_duplicates import DISTANCE, near_duplicates
from pseudolabel.runs.floor import CHANCE_PERCENTILE, Floor
from pseudolabel.runs.storage.folder import RunFolder

if TYPE_CHECKING:
    import pyarrow as pa

REPEATED_CLIPS = 10  # a caption on fewer clips is never called repeated
REPEATED_SHARE = 0.0001  # nor one on a smaller share of them
LEAST_BITS = 8  # of a perceptual hash; a picture with fewer is too plain to be told from others
LEAST_BITS_WITH_TEXT = 16  # where some are of text laid over it: titles on black look alike
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
_ODD = np.uint64(0x9E3779B97F4A7C15)
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

    def __init__(
        self,
        clips: Hashes,
        repeats: NDArray[np.int32],
        duplicate_of: Mapping[int, str],
        summary: HealthSummary,
    ) -> None:
        self.clips = clips  # which clip each row is of, of all rows in their order
        self.repeats = repeats
        self.duplicate_of = duplicate_of  # by row
        self.summary = summary
        self.many = _many(len(repeats))

    def reading(self) -> Reading:
        """A reading of all rows, from the first on, in the order in which they were found."""
        return Reading(self)


class Reading:
    """Adds to tables of rows, one after the other, what was found of them."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._at = 0

    def duplicate_of(self, clips: pa.Table) -> pa.Array:
        """Of each of the next rows the name of the clip it looks like, or null.

        Args:
            clips: The next rows.

        Raises:
            RunError: If they are not those that were found.
        """
        import pyarrow as pa

        rows = self._take(clips)
        known = self._findings.duplicate_of
        if not known:
            return pa.nulls(len(rows), pa.string())
        return pa.array([known.get(row) for row in rows], pa.string())

    def add_to(self, clips: pa.Table, floor: Floor) -> pa.Table:
        """The next rows with what was found of them.

        Args:
            clips: The next rows, with the columns `COLUMNS` at least.
            floor: That of the run they are from.

        Returns:
            The rows with more in `flags`, and with `repeats` (int32), `chance_percentile`
            (float32 or null) and `duplicate_of` (string or null, such as "video.mp4#3").

        Raises:
            RunError: If they are not those that were found: the run changed in between.
        """
        import pyarrow as pa

        first = self._at
        duplicate_of = self.duplicate_of(clips)
        repeats = self._findings.repeats[first : self._at]
        percentile = floor.percentile(_floats(clips["similarity"]))
        found = {
            Flag.REPEATED: (repeats >= self._findings.many) & ~has_any(clips["flags"], _EMPTY),
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

    def _take(self, clips: pa.Table) -> range:
        rows = range(self._at, self._at + clips.num_rows)
        if not np.array_equal(_clips(clips), self._findings.clips[rows.start : rows.stop]):
            raise _changed()
        self._at = rows.stop
        return rows


def find_in_run(folder: RunFolder) -> tuple[Findings, Floor]:
    """What a run as a whole says of its rows, and its floor, which `Reading.add_to` takes.

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
            for at least; each table with the floor of the run it is from.
    """
    seen = _Seen()
    for floor, table in tables(COLUMNS):
        seen.add(table, floor)
    rows = seen.rows()
    _, first, inverse, counts = np.unique(
        rows.caption, return_index=True, return_inverse=True, return_counts=True
    )
    repeats = counts[inverse].astype(np.int32)
    kept = _duplicated(rows)
    top = np.argsort(-counts, kind="stable")[:MOST_REPEATED]
    top = top[counts[top] > 1]
    wanted = np.union1d(np.unique(kept[kept >= 0]), first[top])
    named = _named(tables, wanted, rows.which)
    is_repeated = (repeats >= _many(len(repeats))) & ~rows.is_empty
    flags = {flag.value: seen.flags[flag.value] for flag in Flag} | {
        Flag.REPEATED.value: int(is_repeated.sum()),
        Flag.LOW_SIMILARITY.value: int(rows.is_unlike.sum()),
        Flag.NEAR_DUPLICATE.value: int((kept >= 0).sum()),
    }
    is_clean = ~(rows.is_flagged | is_repeated | rows.is_unlike | (kept >= 0))
    most_repeated = tuple((named[int(first[at])][1], int(counts[at])) for at in top)
    summary = HealthSummary(len(kept), flags, int(is_clean.sum()), most_repeated)
    dropped = np.flatnonzero(kept >= 0).tolist()
    duplicate_of = {row: named[int(kept[row])][0] for row in dropped}
    return Findings(rows.which, repeats, duplicate_of, summary)


def _many(clips: int) -> int:
    """On how many clips a caption is repeated."""
    return max(REPEATED_CLIPS, math.ceil(REPEATED_SHARE * clips))


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

    @property
    def which(self) -> Hashes:
        """Which clip each is."""
        return _which(self.video, self.clip)


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
        pictures = _bits(table["perceptual_hash"])
        has_text = has_any(table["flags"], (Flag.TEXT_OVERLAY.value,))
        least = np.where(has_text, LEAST_BITS_WITH_TEXT, LEAST_BITS)
        area = np.asarray(table["width"]) * np.asarray(table["height"])
        percentile = floor.percentile(_floats(table["similarity"]))
        self._tables.append(
            (
                hashed(table["caption"]),
                hashed(table["video_id"]),
                np.asarray(table["clip_index"], np.int32),
                pictures,
                (np.bitwise_count(pictures) >= least) & ~no_picture,
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


def _named(tables: Tables, rows: NDArray[np.int64], clips: Hashes) -> dict[int, tuple[str, str]]:
    """The names and captions of some rows, which are ascending: a second look at the tables."""
    found: dict[int, tuple[str, str]] = {}
    start = 0
    names = ("video_id", "clip_index", "caption")
    for _, table in tables(names) if len(rows) else ():
        here = rows[(rows >= start) & (rows < start + table.num_rows)]
        some = table.select(names).take(here - start)
        if not np.array_equal(_clips(some), clips[here]):
            raise _changed()
        columns = (column.to_pylist() for column in some.columns)
        for row, video_id, clip, caption in zip(here.tolist(), *columns, strict=True):
            found[row] = (f"{video_id}#{clip}", caption)
        start += table.num_rows
        if len(found) == len(rows):
            break
    if len(found) < len(rows):
        raise _changed()
    return found


def _clips(table: pa.Table) -> Hashes:
    """Which clip each row is of."""
    return _which(hashed(table["video_id"]), np.asarray(table["clip_index"], np.int32))


def _which(videos: Hashes, clips: NDArray[np.int32]) -> Hashes:
    return videos + clips.astype(np.uint64) * _ODD


def _changed() -> RunError:
    return RunError("the run changed while it was read", hint="try again when it is finished")


def hashed(texts: pa.ChunkedArray) -> Hashes:
    """64 bits of each text; the same in every process."""
    from pandas.util import hash_array

    encoded = texts.combine_chunks().dictionary_encode()
    distinct = np.asarray(encoded.dictionary.to_pylist(), object)
    hashes = hash_array(distinct, categorize=False) if len(distinct) else np.zeros(0, np.uint64)
    return np.asarray(hashes[np.asarray(encoded.indices)], np.uint64)


def _bits(hashes: pa.ChunkedArray) -> Hashes:
    """16 hex digits to 64 bits; 0 where there is none."""
    import pyarrow.compute as pc

    if hashes.null_count == len(hashes):
        return np.zeros(len(hashes), np.uint64)
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
