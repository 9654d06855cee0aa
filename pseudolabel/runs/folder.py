"""The run folder: parts of whole videos, each there whole or not at all.

    RUN/
      run.json               options, captioner, versions; written once
      skipped-000000.parquet what part 0 could not caption, and why
      clips-000000.parquet   what part 0 captioned

A part is committed by its `clips-*` file, which is written last: `skipped-N` without `clips-N`
is an interrupted commit, which readers pass over and the next commit replaces. Every file is
written under a temporary name, synced and renamed (on object stores: uploaded as one object).
A video that stands in two parts (it changed, or was tried again) has the rows of the newer one.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pseudolabel.contract import FORMAT_VERSION, skipped_schema
from pseudolabel.errors import RunError

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST = "run.json"
PART = re.compile(r"clips-(\d{6,})\.parquet")


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
        if not self.fs.exists(self.root):
            return []
        self.fs.invalidate_cache(self.root)
        names = (posixpath.basename(name) for name in self.fs.ls(self.root, detail=False))
        return sorted(int(match[1]) for name in names if (match := PART.fullmatch(name)))

    def clips(self, part: int, columns: Sequence[str] | None = None) -> pa.Table:
        """The clips of one part, as a table with the columns of `contract.clip_schema()`."""
        return self._read(f"clips-{part:06d}.parquet", columns)

    def skipped(self, part: int, columns: Sequence[str] | None = None) -> pa.Table:
        """What one part skipped, as a table with the columns of `contract.skipped_schema()`."""
        name = f"skipped-{part:06d}.parquet"
        if not self.fs.exists(self.at(name)):
            schema = skipped_schema()
            empty = schema.empty_table()
            return empty.select(list(columns)) if columns is not None else empty
        return self._read(name, columns)

    def rows(self, kind: str = "clips") -> Iterator[pa.Table]:
        """All current rows, a table a part, oldest part first; a run in work may go on meanwhile.

        Args:
            kind: "clips" or "skipped".
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        parts = self.parts()
        newest = self._newest_part(parts)
        read = self.clips if kind == "clips" else self.skipped
        for part in parts:
            table = read(part)
            ids = table["video_id"].unique().to_pylist()
            stale = [video_id for video_id in ids if newest[video_id] != part]
            if stale:
                values = pa.array(stale, pa.string())
                table = table.filter(pc.invert(pc.is_in(table["video_id"], value_set=values)))
            yield table

    def _newest_part(self, parts: Sequence[int]) -> dict[str, int]:
        newest: dict[str, int] = {}
        for part in parts:
            for read in (self.clips, self.skipped):
                for video_id in read(part, ["video_id"])["video_id"].unique().to_pylist():
                    newest[video_id] = part
        return newest

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
