"""The place of a run: what a local disk and an object store have in common."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from pseudolabel.drivers import find_driver, said
from pseudolabel.errors import RunError

_BUCKETS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"})  # begin with one's name


class Place:
    """A folder behind a path or a URL, as it is now: others may write to it as well.

    Args:
        path: A local path, or any fsspec URL.

    Attributes:
        fs, root: fsspec's driver, and the path in its words.
        is_local: Whether it has locks, links and a rename.

    Raises:
        MissingExtraError: If S3's driver is not installed.
        RunError: If another driver is not, or refuses the URL.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.fs, self.root = find_driver(path, RunError)
        self.is_local = "file" in _protocols(self.fs)

    def has(self, name: str) -> bool:
        """Whether there is such a file now, whoever wrote it.

        Raises:
            RunError: If the folder cannot be read.
        """
        with self._asking():
            self._forget()
            return bool(self.fs.exists(self.at(name)))

    def read(self, name: str) -> bytes:
        """What a file holds.

        Raises:
            FileNotFoundError: If it is not there.
            RunError: If the folder cannot be read.
        """
        with self._asking():
            data: bytes = self.fs.cat_file(self.at(name))
        return data

    def size(self, name: str) -> int:
        """How many bytes a file has; of one that was listed, the driver remembers it.

        Raises:
            FileNotFoundError: If it is not there.
            RunError: If the folder cannot be read.
        """
        with self._asking():
            return int(self.fs.size(self.at(name)) or 0)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file of an object store, unless there is one: False then.

        Of several that try at once, one writes; in stores that cannot tell, the last one.

        Raises:
            Exception: What the driver raises, if it cannot be written.
        """
        try:
            self.fs.pipe_file(self.at(name), data, mode="create")
        except FileExistsError:
            return False
        except Exception as error:
            self._forget()  # not every store's refusal can be told by its error
            if self.fs.exists(self.at(name)):
                return False
            if not _is_unknown(error):
                raise
            self.fs.pipe_file(self.at(name), data)
        return True

    def delete(self, name: str) -> None:
        """Delete a file, if it is there.

        Raises:
            Exception: What the driver raises, if it cannot be deleted.
        """
        with suppress(FileNotFoundError):
            self.fs.rm_file(self.at(name))

    def make(self) -> None:
        """Make the folder, if it is not there; of a bucket only what is in it.

        Raises:
            RunError: If the bucket is not there.
            OSError: If the folder cannot be made.
        """
        if _BUCKETS.isdisjoint(_protocols(self.fs)):
            self.fs.makedirs(self.root, exist_ok=True)
            return
        bucket = self.root.partition("/")[0]
        try:
            self.fs.info(bucket)
        except FileNotFoundError:
            raise RunError(
                f"{self.path}: there is no bucket {bucket!r}",
                hint="check its name, or make it first",
            ) from None
        except PermissionError:
            return  # one may write to a bucket without being told of it

    def names(self) -> set[str]:
        """The names of all files here now; none if there is no such folder.

        Raises:
            RunError: If it cannot be read.
        """
        with self._asking():
            self._forget()
            if not self.fs.exists(self.root):
                return set()
            found = {posixpath.basename(name) for name in self.fs.ls(self.root, detail=False)}
            return found - {""}  # a store's own mark of a folder, as its web page makes it

    def _forget(self) -> None:
        """Have the driver look again: it remembers listings, and others write as well."""
        self.fs.invalidate_cache(self.root)

    @contextmanager
    def _opened(self, name: str, ahead: int, *, passing: type[Exception]) -> Iterator[IO[bytes]]:
        """A file to read here and there, so many bytes at a time; errors as `_asking` has them."""
        with (
            self._asking(passing=passing),
            self.fs.open(self.at(name), "rb", block_size=ahead) as file,
        ):
            yield file

    @contextmanager
    def _asking(self, *, passing: type[Exception] = FileNotFoundError) -> Iterator[None]:
        """Around what a driver does: whatever its client library raises, the run is at fault."""
        try:
            yield
        except (FileNotFoundError, passing):
            raise
        except Exception as error:
            hint = None if self.is_local else "check the address, the network and your credentials"
            raise RunError(f"{self.path}: cannot be read: {said(error)}", hint=hint) from error

    def at(self, name: str) -> str:
        """Where a file of the run lies, in the words of `fs`."""
        return posixpath.join(self.root, name)


def _is_unknown(error: Exception) -> bool:
    """Whether a store, or its driver, does not know what it was asked for."""
    return isinstance(error, NotImplementedError) or getattr(error, "errno", 0) == errno.ENOSYS


def _protocols(fs: Any) -> tuple[str, ...]:
    protocol = fs.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
