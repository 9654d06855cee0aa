"""The run folder: parts of whole videos, each there whole or not at all.

    RUN/
      run.json               options, captioner, versions; written once
      skipped-000000.parquet what part 0 could not caption, and why
      floor-000000.parquet   what part 0 keeps for the floor of chance, where a scorer ran
      clips-000000.parquet   what part 0 captioned

A part is committed by its `clips-*` file, which is written last: the others without `clips-N`
are an interrupted commit, which readers pass over and the next commit replaces. Every file is
written under a temporary name, synced and renamed (on object stores: uploaded as one object).
A video that stands in two parts (it changed, or was tried again) has the rows of the newer one.
`compact` joins parts into a new, higher one and then deletes them, so a part may vanish from under
a reader that has listed it.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pseudolabel.contract import FORMAT_VERSION, skipped_schema
from pseudolabel.errors import RunError
from pseudolabel.runs.floor import floor_schema
from pseudolabel.runs.storage.ahead import ahead
from pseudolabel.runs.storage.place import Place
from pseudolabel.runs.storage.repeats import repeated_ids

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST = "run.json"
LOCK = ".lock"  # held by the process that writes to a local run
SHARE_LOCK = re.compile(r"\.lock-\d+-of-\d+\.tmp")  # held by one of several
CREW = ".crew"  # the first number of processes whose driver may have died before them
PART = re.compile(r"clips-(\d{6,})\.parquet")
_FILE = re.compile(r"(?:clips|skipped|floor)-(\d{6,})\.parquet")
RowKind = Literal["clips", "skipped", "floor"]
_SCHEMAS = {"skipped": skipped_schema, "floor": floor_schema}
_LISTINGS = 3  # tries to find parts that are all still there
_WHOLE_BYTES = 2**21  # far away a request costs as much as these: no fewer are asked for
_THREADED_ROWS = 10_000  # a part with fewer is read faster by one thread


class PartGoneError(RunError):
    """A part that was listed is not there any more: the run was compacted meanwhile."""


class RunFolder(Place):
    """A run folder, for reading; `RunWriter` adds parts to it.

    Args:
        path: A local path, or any fsspec URL.
    """

    def exists(self) -> bool:
        """Whether there is a run here."""
        return self.has(MANIFEST)

    def is_being_written(self) -> bool:
        """Whether a process writes to this run; not known of a run that is not local."""
        if not self.is_local:
            return False
        locks = [name for name in self.names() if name == LOCK or SHARE_LOCK.fullmatch(name)]
        return any(_is_taken(self.at(name)) for name in locks)

    def manifest(self) -> dict[str, Any]:
        """What `run.json` says.

        Raises:
            RunError: If there is none, or a newer version of this package wrote it.
        """
        try:
            found = json.loads(self.read(MANIFEST))
        except FileNotFoundError:
            raise RunError(
                f"{self.path}: not a run folder: it has no {MANIFEST}",
                hint="pseudolabel caption VIDEOS --out RUN makes one",
            ) from None
        except ValueError as error:
            raise RunError(f"{self.path}: {MANIFEST} cannot be read: {error}") from None
        manifest: dict[str, Any] = found if isinstance(found, dict) else {}
        if not {"format_version", "options"} & manifest.keys():
            raise RunError(
                f"{self.path}: not a run folder: its {MANIFEST} is of something else",
                hint="choose another folder",
            )
        if manifest.get("format_version", 0) > FORMAT_VERSION:
            raise RunError(
                f"{self.path}: written in format {manifest['format_version']}; this version "
                f"reads up to {FORMAT_VERSION}",
                hint="upgrade pseudolabel",
            )
        return manifest

    def parts(self) -> list[int]:
        """The numbers of the committed parts, ascending."""
        return _numbers(self.names())

    def taken(self) -> list[int]:
        """The numbers that files here have: of parts, and of commits that are not whole."""
        return sorted({int(match[1]) for match in map(_FILE.fullmatch, self.names()) if match})

    def sizes(self) -> dict[str, int]:
        """The files of the run by name, with their sizes in bytes."""
        with self._asking():
            self._forget()
            found = self.fs.ls(self.root, detail=True)
        return {posixpath.basename(f["name"]): f["size"] or 0 for f in found if f["type"] == "file"}

    def parts_with(self, kind: RowKind) -> set[int]:
        """The numbers of the committed parts that have rows of a kind."""
        names = self.names()
        return {part for part in _numbers(names) if part_name(kind, part) in names}

    def floor(self) -> pa.Table:
        """What all parts keep for the floor, with the columns of `floor.floor_schema()`."""
        import pyarrow as pa

        names = self.names()
        kept = [part_name("floor", part) for part in _numbers(names)]
        tables = ahead((1, partial(self._read, name, None)) for name in kept if name in names)
        return pa.concat_tables([floor_schema().empty_table(), *tables])

    def rows(
        self,
        kind: RowKind = "clips",
        columns: Sequence[str] | None = None,
        *,
        newest_first: bool = False,
    ) -> Iterator[pa.Table]:
        """All current rows, a table a part; a run in work may go on meanwhile.

        Args:
            kind: Captioned clips, what was skipped, or what is kept for the floor.
            columns: Which, with "video_id" among them; None: all.
            newest_first: Begin with the newest part, which needs no look at the others; else with
                the oldest.

        Raises:
            RunError: If a part cannot be read, or the run is compacted meanwhile.
        """
        if newest_first:
            yield from self._newest_first(kind, columns)
            return
        names, stale = self._listed()
        sizes = self.sizes()
        yield from ahead(
            (
                sizes.get(part_name(kind, part), 0),
                partial(self._part, names, part, kind, stale[part], columns),
            )
            for part in _numbers(names)
        )

    def _listed(self) -> tuple[set[str], dict[int, list[str]]]:
        """The files there are, and the stale videos; again, where parts vanish meanwhile."""
        for _ in range(_LISTINGS - 1):
            with suppress(PartGoneError):
                names = self.names()
                return names, self._stale(names, _numbers(names))
        names = self.names()
        return names, self._stale(names, _numbers(names))

    def _newest_first(self, kind: RowKind, columns: Sequence[str] | None) -> Iterator[pa.Table]:
        names = self.names()
        parts = _numbers(names)[::-1]
        stale: dict[int, list[str]] | None = None  # not known, and not needed before a repeat
        seen: set[int] = set()
        for part in parts:
            if stale is None:
                hashes = set(map(hash, self._ids(names, part)))
                if not seen.isdisjoint(hashes):  # a repeat, or a chance: now it is looked up
                    stale = self._stale(names, parts[::-1])
                seen |= hashes
            without = stale[part] if stale is not None else ()
            yield self._part(names, part, kind, without, columns)

    def stale(self, parts: Sequence[int] | None = None) -> dict[int, list[str]]:
        """Of each part the videos whose rows stand in a newer one.

        Args:
            parts: Those that are looked at; None: all.
        """
        names = self.names()
        return self._stale(names, _numbers(names) if parts is None else parts)

    def _stale(self, names: set[str], parts: Sequence[int]) -> dict[int, list[str]]:
        read = {part: partial(self._ids, names, part) for part in parts}
        stale: dict[int, list[str]] = defaultdict(list)
        for video_id, holding in repeated_ids(read).items():
            for part in holding[:-1]:  # the newest one holds
                stale[part].append(video_id)
        return stale

    def video_ids(self, part: int, kind: RowKind | None = None) -> list[str]:
        """The distinct ids of the videos that one part names, in its order.

        Args:
            part: Its number.
            kind: "clips" or "skipped"; None: both.
        """
        return self._ids(None, part, kind)

    def _ids(self, names: set[str] | None, part: int, kind: RowKind | None = None) -> list[str]:
        ids: dict[str, None] = {}
        for name in ("clips", "skipped"):
            if kind in (None, name) and self._holds(names, name, part):
                found = self._read(part_name(name, part), ["video_id"])
                ids |= dict.fromkeys(found["video_id"].unique().to_pylist())
        return list(ids)

    def rows_of(
        self,
        part: int,
        kind: RowKind,
        *,
        without: Sequence[str] = (),
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """The rows of one part.

        Args:
            part: Its number.
            kind: As for `rows`.
            without: Videos that do not count.
            columns: As for `rows`.
        """
        return self._part(None, part, kind, without, columns)

    def _part(
        self,
        names: set[str] | None,
        part: int,
        kind: RowKind,
        without: Sequence[str],
        columns: Sequence[str] | None,
    ) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._holds(names, kind, part):
            table = self._read(part_name(kind, part), columns)
        else:  # there was nothing to write
            table = _SCHEMAS[kind]().empty_table()
            table = table if columns is None else table.select(list(columns))
        if not without:
            return table
        left_out = pa.array(without, pa.string())
        return table.filter(pc.invert(pc.is_in(table["video_id"], value_set=left_out)))

    def _holds(self, names: set[str] | None, kind: str, part: int) -> bool:
        """Whether a part has such a file, by a listing where there is one."""
        name = part_name(kind, part)
        if kind == "clips":
            return True
        if names is not None:
            return name in names
        with self._asking():  # a part that was just listed: the driver remembers its files
            return bool(self.fs.exists(self.at(name)))

    def _read(self, name: str, columns: Sequence[str] | None) -> pa.Table:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            if self.is_local:
                return _rows(pq.ParquetFile(self.at(name), pre_buffer=False), columns)
            if columns is None or self.size(name) <= _WHOLE_BYTES:
                return _rows(pq.ParquetFile(pa.BufferReader(self.read(name))), columns)
            with self._opened(name, _WHOLE_BYTES, passing=pa.ArrowException) as file:
                return _rows(pq.ParquetFile(file), columns)
        except FileNotFoundError:
            raise PartGoneError(
                f"{self.path}/{name}: is gone: the run was compacted while it was read",
                hint="run the same command again",
            ) from None
        except (OSError, pa.ArrowException) as error:
            raise RunError(
                f"{self.path}/{name}: cannot be read: {error}",
                hint="delete this part (both its files) and run the same command again",
            ) from None


def part_name(kind: str, part: int) -> str:
    """The name of a file of a part."""
    return f"{kind}-{part:06d}.parquet"


def _numbers(names: Iterable[str]) -> list[int]:
    """The numbers of the parts that these files commit, ascending."""
    return sorted(int(match[1]) for match in map(PART.fullmatch, names) if match)


def _rows(file: Any, columns: Sequence[str] | None) -> pa.Table:
    return file.read(columns=columns, use_threads=file.metadata.num_rows > _THREADED_ROWS)


def _is_taken(lock: str) -> bool:
    """Whether another process holds a lock alone."""
    import fcntl

    try:
        with open(lock, "rb") as file:  # noqa: PTH123 - the words of `fs`
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
