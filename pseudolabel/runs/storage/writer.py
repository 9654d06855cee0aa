"""Writing a run folder: parts appear whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pseudolabel.contract import clip_row, clip_schema, skipped_row, skipped_schema
from pseudolabel.errors import RunError
from pseudolabel.files import explained, take_lock, write_whole
from pseudolabel.records import ClipCaption, Skipped
from pseudolabel.runs.floor import Pair, floor_table
from pseudolabel.runs.storage.folder import CREW, LOCK, MANIFEST, RunFolder, part_name
from pseudolabel.runs.storage.waiting import OnWait, patiently

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class VideoRows:
    """Everything that a run says of one video."""

    clips: tuple[ClipCaption, ...]
    skipped: tuple[Skipped, ...]
    pairs: tuple[Pair, ...] = ()  # what is kept of it for the floor of chance


NUMBERS_LEFT_OUT = 10_000  # more parts than can be given out at a time and not be written yet


class PartWriter:
    """Writes parts of a run folder by their numbers; who writes which is settled elsewhere.

    A folder that is gone for a moment is waited for, up to five minutes for each file; a full disk
    a few seconds.

    Args:
        path: A local path, or any fsspec URL, with a folder behind it.
        on_wait: Called before each wait with what is wrong and for how many seconds.
    """

    def __init__(self, path: str, *, on_wait: OnWait | None = None) -> None:
        self.folder = RunFolder(path)
        self._on_wait = on_wait

    def write(
        self,
        part: int,
        videos: Sequence[VideoRows],
        *,
        skipped: pa.Table | None = None,
        floor: pa.Table | None = None,
        is_new: bool = False,
    ) -> None:
        """Write the rows of whole videos as a part, in place of what was there by that number.

        Args:
            part: Its number.
            videos: Their rows.
            skipped: Rows of `contract.skipped_schema()` instead of what the videos say.
            floor: Rows of `floor.floor_schema()` instead of what the videos say.
            is_new: Whether nothing may be there; where there are no locks, this finds out.

        Raises:
            RunError: If the disk is full or the folder cannot be written, or another process has
                written a part by this number that is new; nothing is half-written.
        """
        import pyarrow as pa

        rows = [clip_row(clip) for video in videos for clip in video.clips]
        clips = pa.Table.from_pylist(rows, schema=clip_schema())
        if skipped is None:
            rows = [skipped_row(row) for video in videos for row in video.skipped]
            skipped = pa.Table.from_pylist(rows, schema=skipped_schema())
        if floor is None:
            floor = floor_table([pair for video in videos for pair in video.pairs])
        self.write_rows(part, clips, skipped, floor, is_new=is_new)

    def write_rows(
        self,
        part: int,
        clips: pa.Table,
        skipped: pa.Table,
        floor: pa.Table,
        *,
        is_new: bool = False,
    ) -> None:
        """Write rows of `clip_schema()`, `skipped_schema()` and `floor_schema()`, as `write`."""
        write = self._write_new if is_new else self._write
        for kind, table in (("skipped", skipped), ("floor", floor)):
            if table.num_rows:
                write(part_name(kind, part), _parquet(table))
            elif self.folder.is_local or not is_new:
                self.remove(part_name(kind, part))  # of an interrupted commit
        write(part_name("clips", part), _parquet(clips))

    def remove(self, name: str) -> None:
        """Delete a file of the run, if it is there."""
        with self._explained():
            patiently(partial(self._remove, name), on_wait=self._on_wait)

    def first_free(self) -> int:
        """A number above all parts, and above those that an earlier crew may still write."""
        # Where there is no lock, half a commit may be of a process that still writes.
        taken = self.folder.parts() if self.folder.is_local else self.folder.taken()
        first = max(taken, default=-1) + 1
        if not self.folder.has(CREW):
            return first
        return max(first, int(self.folder.read(CREW))) + NUMBERS_LEFT_OUT

    def begin_crew(self) -> int:
        """The first of the numbers for processes that may outlive whoever gives them out.

        Nobody needs to have written one of them when the next writer begins: `CREW` says so.
        """
        first = self.first_free()
        with self._explained():
            while not patiently(partial(self._reserve, first), on_wait=self._on_wait):
                first += NUMBERS_LEFT_OUT
        self._write(CREW, str(first).encode())
        return first

    def _reserve(self, first: int) -> bool:
        """Whether nobody else's crew begins with this number; a local run's lock has seen to it."""
        return self.folder.is_local or self.folder.create(f"{CREW}-{first}", b"")

    def _remove(self, name: str) -> None:
        if self.folder.is_local and not self.folder.fs.exists(self.folder.root):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))  # it may come back
        self.folder.delete(name)

    def _write(self, name: str, data: bytes) -> None:
        path = self.folder.at(name)
        if self.folder.is_local:
            write = partial(write_whole, Path(path), data)
        else:  # an object store shows an object when all of it has arrived
            write = partial(self.folder.fs.pipe_file, path, data)
        with self._explained():
            patiently(write, on_wait=self._on_wait)

    def _write_new(self, name: str, data: bytes) -> None:
        """Write a file that nobody else may have written; a local run's lock has seen to that."""
        if self.folder.is_local:
            self._write(name, data)
            return
        with self._explained():
            patiently(partial(self._create, name, data), on_wait=self._on_wait)

    def _create(self, name: str, data: bytes) -> None:
        if self.folder.create(name, data) or self.folder.read(name) == data:
            return  # the same: it was written before, and the answer was lost
        raise RunError(
            f"{self.folder.path}: another process is writing to this run",
            hint="wait for it, or choose another --out; several may write with --shard",
        )

    def _make_folder(self) -> None:
        names = self.folder.names()
        foreign = [n for n in names if not n.startswith(LOCK) and not n.endswith(".tmp")]
        if foreign and not self.folder.exists():  # in this order: another share may make it now
            raise RunError(
                f"{self.folder.path}: is not empty, and not a run folder",
                hint="choose an --out that does not exist yet",
            )
        self.folder.make()

    def _explained(self) -> AbstractContextManager[None]:
        room = "make room, then run the same command again: what is committed is kept"
        return explained(self.folder.path, RunError, when_full=("no space left to write to", room))


class RunWriter(PartWriter):
    """Adds parts to a run folder; one writer at a time.

    Args:
        path: A local path, or any fsspec URL; made if it is not there.
        on_wait: As for `PartWriter`.

    Raises:
        RunError: If the folder cannot be made or written, or another process writes to it.
    """

    def __init__(self, path: str, *, on_wait: OnWait | None = None) -> None:
        super().__init__(path, on_wait=on_wait)
        self._lock: IO[bytes] | None = None
        with self._explained():
            self._make_folder()
            if self.folder.is_local:
                busy = f"{path}: another process is writing to this run"
                hint = "wait for it, or choose another --out"
                self._lock = take_lock(Path(self.folder.at(LOCK)), busy=RunError(busy, hint=hint))
                for leftover in Path(self.folder.root).glob("*.tmp"):  # of a killed writer
                    leftover.unlink()
        self._next = self.first_free()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            if not self.folder.exists():  # nothing was written: leave no trace
                with suppress(OSError):  # it may be a disk of its own, or in another's folder
                    Path(self.folder.at(LOCK)).unlink()
                    Path(self.folder.root).rmdir()
            self._lock.close()  # gives the lock back

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Write `run.json`."""
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        self._write_new(MANIFEST, text.encode())

    def commit(
        self,
        videos: Sequence[VideoRows],
        *,
        skipped: pa.Table | None = None,
        floor: pa.Table | None = None,
    ) -> int:
        """Write the rows of whole videos as the next part, as `write` does; gives its number."""
        part = self._next
        self.write(part, videos, skipped=skipped, floor=floor, is_new=True)
        self._next += 1
        return part

    def leave_out_numbers(self) -> None:
        """Leave the next numbers to another writer, where no lock tells whether there is one."""
        self._next += NUMBERS_LEFT_OUT

    def commit_rows(self, clips: pa.Table, skipped: pa.Table, floor: pa.Table) -> int:
        """Write rows as the next part, as `write_rows` does; gives its number."""
        part = self._next
        self.write_rows(part, clips, skipped, floor, is_new=True)
        self._next += 1
        return part


def _parquet(table: pa.Table) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data
