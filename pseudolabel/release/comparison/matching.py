"""Which rows of two tables are the same row: by key, in integers, whatever the order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pseudolabel.errors import ReleaseError
from pseudolabel.release.comparison.tables import StoredTable

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Numbers = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Keys:
    """The key of every row of a table, and which videos each split holds.

    `columns[0]` numbers the videos, in the order of their ids; the rest are the other columns of
    the key, -1 where null. All are integers `(rows,)`.
    """

    columns: tuple[Numbers, ...]
    videos_by_split: dict[str, Numbers]


@dataclass(frozen=True, slots=True)
class Matched:
    """Row numbers, each array in the order of the keys."""

    before: Numbers  # rows that both have ...
    after: Numbers  # ... and where the other has them
    removed: Numbers  # rows of `before` only
    added: Numbers  # rows of `after` only


@dataclass(slots=True)
class _Read:
    """Key columns as read: the ids of each batch as a dictionary and codes into it."""

    words: list[pa.Array]
    codes: list[Numbers]
    splits: list[str]
    others: list[list[Numbers]]


def read_keys(tables: Sequence[StoredTable], keys: Sequence[Sequence[str]]) -> tuple[Any, Any]:
    """The keys of several tables, with their videos numbered alike.

    Args:
        tables: To read.
        keys: For each table, the columns of its key; the first is `video_id`.

    Returns:
        The ids of all videos, sorted, and one `Keys` for each table.

    Raises:
        ReleaseError: If a file cannot be read, or lacks a column of the key.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    read = [_read(table, key) for table, key in zip(tables, keys, strict=True)]
    words = pa.chunked_array([w for r in read for w in r.words], pa.large_string())
    ids = pc.unique(words)
    ids = ids.take(pc.array_sort_indices(ids))
    numbers = np.asarray(pc.index_in(words, value_set=ids)).astype(np.int64)
    start, numbered = 0, []
    for table in read:
        videos: list[Numbers] = []
        by_split: dict[str, list[Numbers]] = {}
        for these, codes, split in zip(table.words, table.codes, table.splits, strict=True):
            number_of = numbers[start : start + len(these)]
            start += len(these)
            videos.append(number_of[codes])
            by_split.setdefault(split, []).append(np.unique(videos[-1]))
        columns = [_joined(videos), *(_joined(other) for other in table.others)]
        held = {split: np.unique(np.concatenate(some)) for split, some in by_split.items()}
        numbered.append(Keys(tuple(columns), held))
    return ids, numbered


def match(before: Keys, after: Keys) -> Matched:
    """Rows of two tables with the same key.

    Raises:
        LookupError: If a key stands in one table twice; `args[0]` is 0 for `before`, 1 for
            `after`, and `args[1]` the number of a row that has it.
    """
    ids = dense(before.columns, after.columns)
    orders = [np.argsort(side, kind="stable") for side in ids]
    for side, order in enumerate(orders):
        same = np.flatnonzero(np.diff(ids[side][order]) == 0)
        if len(same):
            raise LookupError(side, int(order[same[0]]))
    left, right = (side[order] for side, order in zip(ids, orders, strict=True))
    at = np.searchsorted(right, left)
    is_there = at < len(right)
    is_there[is_there] = right[at[is_there]] == left[is_there]
    is_new = np.ones(len(right), np.bool_)
    is_new[at[is_there]] = False
    return Matched(
        before=orders[0][is_there],
        after=orders[1][at[is_there]],
        removed=orders[0][~is_there],
        added=orders[1][is_new],
    )


def count_changes(
    before: tuple[Sequence[Numbers], Numbers], after: tuple[Sequence[Numbers], Numbers]
) -> tuple[int, int, int]:
    """How many rows were added, removed and changed, where several may share a key.

    A row that the other table has too, key and content, counts as kept; what is left of a key on
    both sides counts as changed.

    Args:
        before: The columns of the key, and a number for the content, of every row: `(rows,)`.
        after: The same of the other table.
    """
    keys = dense(before[0], after[0], densely=True)
    rows = dense((keys[0], before[1]), (keys[1], after[1]), densely=True)
    row_count = max((int(side.max(initial=-1)) + 1 for side in rows), default=0)
    key_count = max((int(side.max(initial=-1)) + 1 for side in keys), default=0)
    key_of_row = np.zeros(row_count, np.int64)
    for side in (0, 1):
        key_of_row[rows[side]] = keys[side]
    held = [np.bincount(side, minlength=row_count) for side in rows]
    kept = np.minimum(*held)
    left = [
        np.bincount(key_of_row, side - kept, minlength=key_count).astype(np.int64) for side in held
    ]
    changed = np.minimum(*left)
    return (
        int((left[1] - changed).sum()),
        int((left[0] - changed).sum()),
        int(changed.sum()),
    )


def dense(
    before: Sequence[Numbers], after: Sequence[Numbers], *, densely: bool = False
) -> tuple[Numbers, Numbers]:
    """One integer a row from several: equal where all are equal, and in their order.

    Args:
        before: Integer columns of one table, each `(rows,)`.
        after: The same columns of the other.
        densely: Whether to number the distinct rows from 0 on, without gaps.
    """
    ids = np.zeros(len(before[0]) + len(after[0]), np.int64)
    for left, right in zip(before, after, strict=True):
        values = np.concatenate([left, right])
        if not len(values):
            continue
        low, high = int(values.min()), int(values.max())
        if (int(ids.max()) + 1) * (high - low + 1) >= 2**63:
            # Both become smaller than the number of rows, so the product fits.
            values, low = np.unique(values, return_inverse=True)[1], 0
            ids, high = np.unique(ids, return_inverse=True)[1], int(values.max())
        ids = ids * (high - low + 1) + (values - low).astype(np.int64)
    if densely:
        ids = np.unique(ids, return_inverse=True)[1]
    return ids[: len(before[0])], ids[len(before[0]) :]


def _read(table: StoredTable, key: Sequence[str]) -> _Read:
    import pyarrow as pa

    read = _Read([], [], [], [[] for _ in key[1:]])
    for split, batch in table.batches(key):
        ids = batch["video_id"]
        if not pa.types.is_dictionary(ids.type):
            ids = ids.cast(pa.large_string()).dictionary_encode()
        if ids.null_count:
            raise ReleaseError(
                f"{table.release}: {table.config} has rows without a video_id",
                hint="pseudolabel validate lists them",
            )
        read.words.append(ids.dictionary.cast(pa.large_string()))
        read.codes.append(np.asarray(ids.indices))
        read.splits.append(split)
        for name, column in zip(key[1:], read.others, strict=True):
            column.append(np.asarray(batch[name].cast(pa.int64()).fill_null(-1)))
    return read


def _joined(pieces: list[Numbers]) -> Numbers:
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)
