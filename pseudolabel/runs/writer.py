"""Writing a run folder: parts appear whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import posixpath
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pseudolabel.contract import clip_row, clip_schema, skipped_row, skipped_schema
from pseudolabel.errors import RunError
from pseudolabel.records import ClipCaption, Skipped
from pseudolabel.runs.folder import LOCK, MANIFEST, RunFolder

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class VideoRows:
    """Everything that a run says of one video."""

    clips: tuple[ClipCaption, ...]
    skipped: tuple[Skipped, ...]


class RunWriter:
    """Adds parts to a run folder; one writer at a time.

    Args:
        path: A local path, or any fsspec URL; made if it is not there.

    Raises:
        RunError: If the folder cannot be made or written, or another process writes to it.
    """

    def __init__(self, path: str) -> None:
        self.folder = RunFolder(path)
        self._lock: IO[str] | None = None
        with _explained(path):
            self._refuse_other_contents()
            self.folder.fs.makedirs(self.folder.root, exist_ok=True)
            if self.folder.is_local:
                self._lock = _locked(path, Path(self.folder.at(LOCK)))
                for leftover in Path(self.folder.root).glob("*.tmp"):  # of a killed writer
                    leftover.unlink()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            if not self.folder.exists():  # nothing was written: leave no trace
                Path(self.folder.at(LOCK)).unlink()
                Path(self.folder.root).rmdir()
            self._lock.close()  # gives the lock back

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Write `run.json`."""
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        self._write(MANIFEST, text.encode())

    def commit(self, videos: Sequence[VideoRows]) -> int:
        """Write the rows of whole videos as the next part; gives its number.

        Raises:
            RunError: If the disk is full or the folder cannot be written; nothing is half-written.
        """
        part = max(self.folder.parts(), default=-1) + 1
        skipped = [skipped_row(row) for video in videos for row in video.skipped]
        clips = [clip_row(clip) for video in videos for clip in video.clips]
        name = f"skipped-{part:06d}.parquet"
        if skipped:
            self._write(name, _parquet(skipped, skipped_schema()))
        else:
            self._remove(name)  # of an interrupted commit
        self._write(f"clips-{part:06d}.parquet", _parquet(clips, clip_schema()))
        return part

    def _refuse_other_contents(self) -> None:
        fs, root = self.folder.fs, self.folder.root
        if self.folder.exists() or not fs.exists(root):
            return
        names = [posixpath.basename(name) for name in fs.ls(root, detail=False)]
        if any(name != LOCK and not name.endswith(".tmp") for name in names):
            raise RunError(
                f"{self.folder.path}: is not empty, and not a run folder",
                hint="choose an --out that does not exist yet",
            )

    def _write(self, name: str, data: bytes) -> None:
        with _explained(self.folder.path):
            if self.folder.is_local:
                _write_atomically(Path(self.folder.at(name)), data)
            else:  # an object store shows an object when all of it has arrived
                self.folder.fs.pipe_file(self.folder.at(name), data)

    def _remove(self, name: str) -> None:
        with _explained(self.folder.path):
            if self.folder.fs.exists(self.folder.at(name)):
                self.folder.fs.rm_file(self.folder.at(name))


@contextmanager
def _explained(path: str) -> Iterator[None]:
    """Turn an `OSError` of the file system into a `RunError` with a remedy."""
    try:
        yield
    except OSError as error:
        what, hint = f"cannot be written: {error.strerror or error}", "choose another --out"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            what = "no space left to write to"
            hint = "make room, then run the same command again: what is committed is kept"
        raise RunError(f"{path}: {what}", hint=hint) from None


def _locked(path: str, lock_path: Path) -> IO[str]:
    import fcntl

    lock = lock_path.open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise RunError(
            f"{path}: another process is writing to this run",
            hint="wait for it, or choose another --out",
        ) from None
    return lock


def _parquet(rows: list[dict[str, Any]], schema: pa.Schema) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a machine that loses power, sees all of it or none."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
