"""Which captions exactly are learned from: a release at a version, or a run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pseudolabel.errors import OptionError, ReleaseError
from pseudolabel.evaluation.clips import is_release
from pseudolabel.files import hash_file
from pseudolabel.release.hub import local_release
from pseudolabel.release.manifest import MANIFEST, Manifest, read_manifest
from pseudolabel.runs.storage.folder import RunFolder

if TYPE_CHECKING:
    import pyarrow as pa

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_ROWS_AT_ONCE = 100_000
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Source:
    """Where captions are from; what a checkpoint says of its data."""

    name: str  # as the user wrote it
    folder: str  # a path, or the URL of a run
    version: str | None = None  # of a release
    commit: str | None = None  # where it is from the Hub
    manifest_sha256: str | None = None  # which covers the checksums of all files of a release
    run: str | None = None  # the id of a run

    @property
    def is_release(self) -> bool:
        """Whether this is a release rather than a run."""
        return self.run is None


def find_source(name: str) -> Source:
    """The release or run that a user names.

    Args:
        name: A release or run folder, the URL of a run, or `USER/REPO` on the Hub, which is
            downloaded. `@1.2.0` asks for that version; `@v1.2.0` is the same.

    Raises:
        OptionError: If it is none of these.
        ReleaseError: If the folder holds no release, or one of another version.
        RunError: If it is neither a release nor a run.
        HubError: If the Hub does not have it, or not that version.
    """
    where, wanted = _split(name)
    if not is_release(where):
        if wanted:
            raise OptionError(f"{name}: a run has no versions", hint=f"{where}, or a release of it")
        run = RunFolder(where).manifest()
        return Source(name, where, run=str(run["id"]))
    on_hub = not Path(where).is_dir()
    folder = local_release(f"{where}@v{wanted}" if on_hub and wanted else where)
    manifest = read_manifest(folder)
    if wanted and manifest.version != wanted:
        raise ReleaseError(
            f"{where}: holds version {manifest.version}, not {wanted}",
            hint=f"leave @{wanted} out, or name the folder of {wanted}",
        )
    commit = folder.name if on_hub and _COMMIT.fullmatch(folder.name) else None
    return Source(name, str(folder), manifest.version, commit, hash_file(folder / MANIFEST))


def clip_tables(source: Source, columns: Sequence[str], split: str | None) -> Iterator[pa.Table]:
    """The clips of a source, some columns of them, a few at a time.

    Args:
        source: A release or a run.
        columns: Names of columns.
        split: Of a release; None: all.

    Raises:
        ReleaseError, RunError: If the data cannot be read.
    """
    if not source.is_release:
        yield from RunFolder(source.folder).rows(columns=columns)
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = Path(source.folder)
    for file in read_manifest(folder).files:
        if file.config == "clips" and split in (None, file.split):
            try:
                with pq.ParquetFile(folder / file.path) as rows:
                    for batch in rows.iter_batches(_ROWS_AT_ONCE, columns=list(columns)):
                        yield pa.Table.from_batches([batch]).select(list(columns))
            except (OSError, pa.ArrowException) as error:
                raise ReleaseError(
                    f"{folder / file.path}: cannot be read: {str(error).splitlines()[0]}",
                    hint="pseudolabel validate says what else is wrong",
                ) from None


def splits_of(source: Source) -> dict[str, int]:
    """The splits of a release and their clips; none of a run."""
    if not source.is_release:
        return {}
    manifest: Manifest = read_manifest(Path(source.folder))
    return {name: counts.rows for name, counts in manifest.configs["clips"].items()}


def _split(name: str) -> tuple[str, str | None]:
    """A name without its version, and that."""
    where, at, version = name.rpartition("@")
    if Path(name).exists() or not at or not _VERSION.fullmatch(version.removeprefix("v")):
        return name, None
    return where, version.removeprefix("v")
