"""`compact`: the many small parts of a long run, joined into few large ones.

A joined part is written under a number above all others before those it was made of are deleted.
The newest part holds a video's rows, so at any moment, and whenever it is killed, a run reads the
same. Of a part that is deleted, the file that commits it goes first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pseudolabel.runs.floor import KEPT
from pseudolabel.runs.storage.folder import RowKind, RunFolder, part_name
from pseudolabel.runs.storage.waiting import OnWait
from pseudolabel.runs.storage.writer import RunWriter

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 50_000  # of a joined part, clips and skipped together
MOST_BYTES = 64 * 2**20  # of the files it is made of
_READ: tuple[RowKind, ...] = ("clips", "skipped")
_KINDS: tuple[RowKind, ...] = (*_READ, "floor")  # in the order in which they are deleted
_ORPHAN = re.compile(r"(skipped|floor)-(\d{6,})\.parquet")


@dataclass(slots=True)
class CompactTally:
    """What a start of `compact` has done so far."""

    parts_before: int = 0
    parts_after: int = 0
    joined: int = 0  # parts that are in larger ones now
    clips: int = 0  # in those
    bytes_before: int = 0  # of the whole run
    bytes_after: int = 0


@dataclass(frozen=True, slots=True)
class _Part:
    number: int
    rows: int  # that count, clips and skipped
    bytes: int


def compact(
    run: str,
    *,
    on_progress: Callable[[CompactTally], None] | None = None,
    on_wait: OnWait | None = None,
) -> CompactTally:
    """Join the small parts of a run; its rows stay what they are.

    Their order stays too, unless it is interrupted. Started again, it goes on where it stopped;
    where there is nothing to join, it changes nothing.

    Args:
        run: A run that no process writes to: a local path, or any fsspec URL. Whether one writes
            is only known of a local run.
        on_progress: Called after each joined part.
        on_wait: As for `caption_videos`.

    Raises:
        RunError: If this is no run or a process writes to it, a part cannot be read, or the folder
            cannot be written.
    """
    RunFolder(run).manifest()  # says so if this is no run
    with RunWriter(run, on_wait=on_wait) as writer:
        folder = writer.folder
        _remove_orphans(writer)
        sizes = folder.sizes()
        parts = folder.parts()
        tally = CompactTally(len(parts), len(parts))
        tally.bytes_before = tally.bytes_after = sum(sizes.values())
        stale = folder.stale(parts)
        floor = _kept_places(folder)
        groups = _to_join(_described(folder, parts, stale, sizes))
        if groups and not folder.is_local:
            writer.leave_out_numbers()
        for numbers in groups:
            _join(writer, numbers, stale, floor, tally)
            if on_progress is not None:
                on_progress(tally)
        tally.bytes_after = sum(folder.sizes().values())
    return tally


def _described(
    folder: RunFolder,
    parts: Sequence[int],
    stale: Mapping[int, list[str]],
    sizes: Mapping[str, int],
) -> Iterator[_Part]:
    with_skipped = folder.parts_with("skipped")
    for part in parts:
        rows = sum(
            folder.rows_of(part, kind, without=stale[part], columns=["video_id"]).num_rows
            for kind in _READ[: 1 + (part in with_skipped)]
        )
        yield _Part(part, rows, sum(sizes.get(part_name(kind, part), 0) for kind in _KINDS))


def _to_join(parts: Iterable[_Part]) -> list[list[int]]:
    """Neighbours that fit into one part, from the first that have any.

    What comes after them is written anew too, also alone: so the order of parts stays.
    """
    groups: list[list[_Part]] = []
    rows = size = 0
    for part in parts:
        rows, size = rows + part.rows, size + part.bytes
        if not groups or rows > MOST_ROWS or size > MOST_BYTES:
            groups.append([])
            rows, size = part.rows, part.bytes
        groups[-1].append(part)
    first = next((at for at, group in enumerate(groups) if len(group) > 1), len(groups))
    return [[part.number for part in group] for group in groups[first:]]


def _kept_places(folder: RunFolder) -> dict[int, int]:
    """The places that the floor of the whole run keeps, and the part whose row of each counts."""
    newest: dict[int, int] = {}
    for part in sorted(folder.parts_with("floor")):
        newest |= dict.fromkeys(folder.rows_of(part, "floor")["place"].to_pylist(), part)
    return {place: newest[place] for place in sorted(newest)[:KEPT]}


def _join(
    writer: RunWriter,
    numbers: Sequence[int],
    stale: Mapping[int, list[str]],
    floor: Mapping[int, int],
    tally: CompactTally,
) -> None:
    """Write parts as one, then delete them."""
    folder = writer.folder
    clips, skipped = (
        _concatenated(folder.rows_of(part, kind, without=stale[part]) for part in numbers)
        for kind in _READ
    )
    kept = _concatenated(
        _with_places(
            folder.rows_of(part, "floor"), [place for place, its in floor.items() if its == part]
        )
        for part in numbers
    )
    writer.commit_rows(clips, skipped, kept)
    for part in numbers:
        for kind in _KINDS:
            writer.remove(part_name(kind, part))
    tally.joined += len(numbers)
    tally.parts_after -= len(numbers) - 1
    tally.clips += clips.num_rows


def _concatenated(tables: Iterable[pa.Table]) -> pa.Table:
    import pyarrow as pa

    return pa.concat_tables(tables).combine_chunks()


def _with_places(rows: pa.Table, places: Sequence[int]) -> pa.Table:
    """Of rows of the floor those with these places; of a place the last."""
    import pyarrow as pa

    last = {place: at for at, place in enumerate(rows["place"].to_pylist())}
    return rows.take(pa.array([last[place] for place in places], pa.int64()))


def _remove_orphans(writer: RunWriter) -> None:
    """What a killed `compact` left of parts that are no more; elsewhere it may be half a commit."""
    folder = writer.folder
    if not folder.is_local:
        return
    parts = set(folder.parts())
    for name in folder.sizes():
        found = _ORPHAN.fullmatch(name)
        if found and int(found[2]) not in parts:
            writer.remove(name)
