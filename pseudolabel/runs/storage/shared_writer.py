"""Writing one run from several processes at a time, each with its share of the videos."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

from pseudolabel.errors import RunError
from pseudolabel.files import take_lock, write_whole
from pseudolabel.runs.options import Share
from pseudolabel.runs.storage.folder import LOCK, MANIFEST
from pseudolabel.runs.storage.resume import check_same_options
from pseudolabel.runs.storage.waiting import OnWait, patiently
from pseudolabel.runs.storage.writer import PartWriter, VideoRows


class SharedWriter(PartWriter):
    """Adds parts to a run folder, beside the writers of the other shares; as `RunWriter`.

    The folder's own lock is shared, so that a writer of the whole run keeps out; each share has
    one of its own. Share i of n writes parts whose number is i - 1 modulo n.

    Args:
        path: A local path, or any fsspec URL; made if it is not there.
        share: Which one this is.
        on_wait: As for `PartWriter`.

    Raises:
        RunError: If the folder cannot be made or written, or another process has this share, the
            whole run, or a share of another count.
    """

    def __init__(self, path: str, share: Share, *, on_wait: OnWait | None = None) -> None:
        super().__init__(path, on_wait=on_wait)
        self._share = share
        self._locks: list[IO[bytes]] = []
        with self._explained():
            self._make_folder()
            if self.folder.is_local:
                try:
                    self._take_locks()
                except BaseException:
                    self._give_back()
                    raise
        above = self.first_free()
        self._next = above + (share.number - 1 - above) % share.count

    def __enter__(self) -> SharedWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Write `run.json`, unless another share did so first.

        Raises:
            RunError: If that one has other options.
        """
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        with self._explained():
            self._write_first(text.encode())
        path = self.folder.path
        check_same_options(path, self.folder.manifest()["options"], manifest["options"])

    def commit(self, videos: Sequence[VideoRows]) -> int:
        """Write the rows of whole videos as the next part of this share; gives its number."""
        part = self._next
        self.write(part, videos, is_new=True)
        self._next += self._share.count
        return part

    def _write_first(self, data: bytes) -> None:
        if not self.folder.is_local:
            patiently(partial(self.folder.create, MANIFEST, data), on_wait=self._on_wait)
            return
        name = Path(self.folder.at(MANIFEST))
        own = name.with_name(f"{MANIFEST}.{self._share.number}.tmp")
        write_whole(own, data)
        try:
            os.link(own, name)  # a rename would replace what is there
        except FileExistsError:
            return
        finally:
            own.unlink()

    def _take_locks(self) -> None:
        path, share = self.folder.path, self._share
        others = "wait for it, or choose another --out"
        whole = RunError(f"{path}: another process is writing to this run", hint=others)
        self._locks.append(take_lock(Path(self.folder.at(LOCK)), busy=whole, shared=True))
        for lock in Path(self.folder.root).glob(f"{LOCK}-*-of-*.tmp"):
            count = lock.stem.rpartition("-")[2]
            if int(count) != share.count:
                other = RunError(
                    f"{path}: --shard {share.number}/{share.count}, and another process is writing "
                    f"one of {count} shards",
                    hint="give all processes the same count",
                )
                take_lock(lock, busy=other, shared=True).close()
        same = RunError(
            f"{path}: another process is writing --shard {share.number}/{share.count}", hint=others
        )
        # As a temporary file, so that the next writer of the whole run clears it away, should this
        # process be killed.
        self._own = Path(self.folder.at(f"{LOCK}-{share.number}-of-{share.count}.tmp"))
        self._locks.append(_take_named(self._own, same))

    def _give_back(self) -> None:
        if len(self._locks) > 1:
            self._own.unlink(missing_ok=True)
        for lock in reversed(self._locks):
            lock.close()
        self._locks.clear()


def _take_named(path: Path, busy: RunError) -> IO[bytes]:
    """Take the lock of a file that its holders remove."""
    while True:
        lock = take_lock(path, busy=busy)
        try:
            if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                return lock
        except FileNotFoundError:
            pass
        lock.close()  # that of a file that is no longer there
