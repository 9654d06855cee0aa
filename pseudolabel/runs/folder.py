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
"""

from __future__ import annotations

import json
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pseudolabel.contract import FORMAT_VERSION, skipped_schema
from pseudolabel.errors import RunError
from pseudolabel.runs.floor import floor_schema
from pseudolabel.runs.repeats import repeated_ids

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST = "run.json"
LOCK = ".lock"  # held by the process that writes to a local run
PART = re.compile(r"clips-(\d{6,})\.parquet")
RowKind = Literal["clips", "skipped", "floor"]
_SCHEMAS = {"skipped": skipped_schema, "floor": floor_schema}


class RunFolder:
    """A run folder, for reading; `RunWriter` adds parts to it.

    Args:
        path: A local path, or any fsspec URL.
    """

    def __init__(self, path: str) -> None:
        import fsspec

        self.path = path
        try:
            self.fs, self.root = fsspec.url_to_fs(path)
        except (ImportError, ValueError) as error:
            raise RunError(
                f"{path}: cannot be used as a run folder: {error}",
                hint="a local path, or a URL whose fsspec driver is installed",
            ) from None
        self.is_local = "file" in _protocols(self.fs)

    def exists(self) -> bool:
        """Whether there is a run here."""
        return bool(self.fs.exists(self.at(MANIFEST)))

    def is_being_written(self) -> bool:
        """Whether a process writes to this run; not known of a run that is not local."""
        import fcntl

        try:
            with open(self.at(LOCK), "rb") as lock:  # noqa: PTH123 - the words of `fs`
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def manifest(self) -> dict[str, Any]:
        """What `run.json` says.

        Raises:
            RunError: If there is none, or a newer version of this package wrote it.
        """
        try:
            manifest: dict[str, Any] = json.loads(self.fs.cat_file(self.at(MANIFEST)))
        except FileNotFoundError:
            raise RunError(
                f"{self.path}: not a run folder: it has no {MANIFEST}",
                hint="pseudolabel caption VIDEOS --out RUN makes one",
            ) from None
        except (ValueError, OSError) as error:
            raise RunError(f"{self.path}: {MANIFEST} cannot be read: {error}") from None
        if manifest.get("format_version", 0) > FORMAT_VERSION:
            raise RunError(
                f"{self.path}: written in format {manifest['format_version']}; this version "
                f"reads up to {FORMAT_VERSION}",
                hint="upgrade pseudolabel",
            )
        return manifest

    def parts(self) -> list[int]:
        """The numbers of the committed parts, ascending."""
        return sorted(int(match[1]) for name in self._names() if (match := PART.fullmatch(name)))

    def floor(self) -> pa.Table:
        """What all parts keep for the floor, with the columns of `floor.floor_schema()`."""
        import pyarrow as pa

        names = self._names()
        kept = sorted(f"floor-{match[1]}.parquet" for match in map(PART.fullmatch, names) if match)
        tables = [self._read(name, None) for name in kept if name in names]
        return pa.concat_tables([floor_schema().empty_table(), *tables])

    def rows(
        self, kind: RowKind = "clips", columns: Sequence[str] | None = None
    ) -> Iterator[pa.Table]:
        """All current rows, a table a part, oldest part first; a run in work may go on meanwhile.

        Args:
            kind: Captioned clips, what was skipped, or what is kept for the floor.
            columns: Which, with "video_id" among them; None: all.
        """
        parts = self.parts()
        stale = self.stale(parts)
        for part in parts:
            yield self.rows_of(part, kind, without=stale[part], columns=columns)

    def stale(self, parts: Sequence[int] | None = None) -> dict[int, list[str]]:
        """Of each part the videos whose rows stand in a newer one.

        Args:
            parts: Those that are looked at; None: all.
        """
        read = {part: partial(self.video_ids, part) for part in parts or self.parts()}
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
        ids: dict[str, None] = {}
        for name in ("clips", "skipped"):
            if kind in (None, name):
                found = self.rows_of(part, name, columns=["video_id"])
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
        import pyarrow as pa
        import pyarrow.compute as pc

        name = f"{kind}-{part:06d}.parquet"
        if kind == "clips" or self.fs.exists(self.at(name)):
            table = self._read(name, columns)
        else:  # there was nothing to write
            table = _SCHEMAS[kind]().empty_table()
            table = table if columns is None else table.select(list(columns))
        if not without:
            return table
        left_out = pa.array(without, pa.string())
        return table.filter(pc.invert(pc.is_in(table["video_id"], value_set=left_out)))

    def _names(self) -> set[str]:
        if not self.fs.exists(self.root):
            return set()
        self.fs.invalidate_cache(self.root)
        return {posixpath.basename(name) for name in self.fs.ls(self.root, detail=False)}

    def _read(self, name: str, columns: Sequence[str] | None) -> pa.Table:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with self.fs.open(self.at(name), "rb") as file:
                return pq.ParquetFile(file).read(columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise RunError(
                f"{self.path}/{name}: cannot be read: {error}",
                hint="delete this part (both its files) and run the same command again",
            ) from None

    def at(self, name: str) -> str:
        """Where a file of the run lies, in the words of `fs`."""
        return posixpath.join(self.root, name)


def _protocols(fs: Any) -> tuple[str, ...]:
    protocol = fs.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
