"""`validate`: is a release what its manifest, its schemas and its card say?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pseudolabel.files import hash_file
from pseudolabel.release.card.card import card_violations
from pseudolabel.release.checks import WrongRow, wrong_rows
from pseudolabel.release.hub import local_release
from pseudolabel.release.manifest import (
    CARD,
    MANIFEST,
    Manifest,
    ReleaseFile,
    read_json,
    read_manifest,
    violations,
)
from pseudolabel.release.rows import CONFIGS, IMAGE, UNIQUE, arrow_schema
from pseudolabel.release.splits import split_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MOST_OF_A_FILE = 20  # problems told; the rest is counted
_NOT_OURS = {".gitattributes"}  # the Hub's own
_BATCH_ROWS = 32_768


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with a release."""

    file: str  # relative to the release
    row: int | None  # in that file, from 0
    message: str

    def __str__(self) -> str:
        row = "" if self.row is None else f", row {self.row}"
        return f"{self.file}{row}: {self.message}"


@dataclass(slots=True)
class _Keys:
    """The rows of a config by what makes them one: `(N,)` uint64 hashes, and where they stand."""

    hashes: list[Any]
    files: list[tuple[str, int]]  # with the number of their rows


def validate(release: str) -> list[Problem]:
    """Everything that is wrong with a release, here or on the Hub.

    Args:
        release: A release folder, or `USER/REPO[@v1.0.0]`, which is downloaded.

    Raises:
        ReleaseError: If it is no release at all.
        HubError: If it cannot be had from the Hub.
    """
    return validate_folder(local_release(release))


def validate_folder(release: Path) -> list[Problem]:
    """Everything that is wrong with a release folder; empty: it can be trusted.

    Checked are the manifest and every row against the published schemas, checksums, sizes and
    counts, that no file is missing or left over, that ids are unique and splits are right, that
    clips lie inside their videos and have their frames, and the card against the manifest.

    Raises:
        ReleaseError: If this is no release at all.
    """
    wrong = violations(read_json(release))
    if wrong:
        return [Problem(MANIFEST, None, message) for message in wrong]
    manifest = read_manifest(release)
    problems = list(_files(release, manifest))
    readable = {p.file for p in problems}  # these are told already, and may not be read
    problems += _rows(release, manifest, [f for f in manifest.files if f.path not in readable])
    if CARD not in readable and (release / CARD).is_file():
        problems += [Problem(CARD, None, message) for message in _card(release, manifest)]
    return problems


def _card(release: Path, manifest: Manifest) -> list[str]:
    try:
        card = (release / CARD).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        return [f"is not UTF-8: {error}"]
    return card_violations(card, manifest)


def _files(release: Path, manifest: Manifest) -> Iterator[Problem]:
    listed = {file.path for file in manifest.files}
    there = {
        path.relative_to(release).as_posix()
        for path in release.rglob("*")
        if path.is_file() and ".cache" not in path.relative_to(release).parts
    }
    for name in sorted(there - listed - {MANIFEST} - _NOT_OURS):
        yield Problem(name, None, f"is not listed in {MANIFEST}")
    for file in manifest.files:
        path = release / file.path
        if ".." in Path(file.path).parts or Path(file.path).is_absolute():
            yield Problem(MANIFEST, None, f"lists {file.path!r}, which is outside the release")
        elif file.path not in there:
            yield Problem(file.path, None, "is missing")
        elif path.stat().st_size != file.bytes:
            size = path.stat().st_size
            yield Problem(file.path, None, f"has {size} bytes, not {file.bytes}")
        elif hash_file(path) != file.sha256:
            yield Problem(file.path, None, "has another checksum than its manifest says")
    if CARD not in listed:
        yield Problem(CARD, None, f"is not listed in {MANIFEST}")


def _rows(release: Path, manifest: Manifest, files: list[ReleaseFile]) -> Iterator[Problem]:
    keys = {config: _Keys([], []) for config in CONFIGS}
    for config in CONFIGS:
        shards: list[_Shard] = []
        for file in files:
            if file.config == config and file.split is not None:
                shards.append(_Shard(release, file, config, file.split, manifest))
                yield from _bounded(file.path, shards[-1].problems(keys[config]))
        yield from (
            Problem(MANIFEST, None, message) for message in _miscounted(config, shards, manifest)
        )
    for config in UNIQUE:
        yield from _repeated(keys[config])
    clips, frames = (_joined(keys[config]) for config in ("clips", "frames"))
    orphans = ~np.isin(frames["clip"], clips["clip"])
    yield from _located(keys["frames"], orphans, "its clip is not in the config clips")
    bare = ~np.isin(clips["clip"], frames["clip"])
    yield from _located(keys["clips"], bare, "its frames are not in the config frames")


def _miscounted(config: str, shards: Sequence[_Shard], manifest: Manifest) -> Iterator[str]:
    """Where the manifest counts otherwise than there is in the shards of a config."""
    for split, counts in manifest.configs[config].items():
        own = [shard for shard in shards if shard.split == split]
        rows = sum(shard.rows for shard in own)
        hashes = [found for shard in own for found in shard.videos]
        videos = len(np.unique(np.concatenate([np.zeros(0, np.int64), *hashes])))
        for what, said, there in (("rows", counts.rows, rows), ("videos", counts.videos, videos)):
            if said != there:
                yield f"says {said} {what} of {config}/{split}; there are {there}"
    for run in manifest.runs:
        of_run = {"clips": run.clips, "skipped": run.skipped}
        rows = sum(shard.rows_by_run[run.run] for shard in shards)
        if of_run.get(config, rows) != rows:
            yield f"says {of_run[config]} rows of {config} of run {run.run}; there are {rows}"


def _bounded(file: str, found: Iterator[WrongRow]) -> Iterator[Problem]:
    for wrong in islice(found, MOST_OF_A_FILE):
        yield Problem(file, None if wrong.row < 0 else wrong.row, wrong.message)
    more = sum(1 for _ in found)
    if more:
        yield Problem(file, None, f"{more} more problems")


class _Shard:
    """One Parquet file of a release."""

    def __init__(
        self, release: Path, file: ReleaseFile, config: str, split: str, manifest: Manifest
    ) -> None:
        self._path = release / file.path
        self._file = file
        self._config = config
        self.split = split
        self._shares = manifest.splits.shares
        self._runs = {run.run for run in manifest.runs}
        self.rows = 0
        self.rows_by_run: Counter[str] = Counter()
        self.videos: list[Any] = []  # int64 hashes of their ids, 8 bytes each

    def problems(self, keys: _Keys) -> Iterator[WrongRow]:
        """What is wrong with it, with rows counted from its beginning; row -1 is the file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with self._path.open("rb") as file:  # Arrow takes some paths for URIs
                yield from self._of_shard(pq.ParquetFile(file), keys)
        except (OSError, pa.ArrowException) as error:
            yield WrongRow(-1, f"cannot be read: {error}")

    def _of_shard(self, shard: pq.ParquetFile, keys: _Keys) -> Iterator[WrongRow]:
        import pyarrow as pa

        names = shard.schema_arrow.names
        schema = arrow_schema(self._config, with_images=IMAGE in names)
        different = _difference(shard.schema_arrow, schema)
        if different is not None:
            yield WrongRow(-1, different)
            return
        columns = [name for name in names if name != IMAGE]
        for batch in shard.iter_batches(_BATCH_ROWS, columns=columns):
            batch.validate(full=True)  # the reader takes texts that are not UTF-8
            rows = pa.Table.from_batches([batch])
            for wrong in (*wrong_rows(self._config, rows), *self._elsewhere(rows)):
                yield WrongRow(self.rows + wrong.row, wrong.message)
            keys.hashes.append(_hashes(self._config, rows))
            keys.files.append((self._file.path, rows.num_rows))
            self._count(rows)
        if self.rows != self._file.rows:
            yield WrongRow(-1, f"has {self.rows} rows, not {self._file.rows}")

    def _count(self, rows: pa.Table) -> None:
        self.rows += rows.num_rows
        ids = rows["video_id"].unique().to_pylist()
        self.videos.append(np.fromiter(map(hash, ids), np.int64))
        for found in rows["run"].value_counts().to_pylist():
            self.rows_by_run[found["values"]] += found["counts"]

    def _elsewhere(self, rows: pa.Table) -> Iterator[WrongRow]:
        """Rows that belong into another split, or come from a run that nobody described."""
        ids = rows["video_id"].combine_chunks().dictionary_encode()
        split = [split_of(video_id, self._shares) for video_id in ids.dictionary.to_pylist()]
        is_wrong = np.array([name != self.split for name in split], bool)
        indices = np.asarray(ids.indices)
        for row in np.flatnonzero(is_wrong[indices] if len(indices) else is_wrong):
            yield WrongRow(int(row), f"belongs into the split {split[indices[row]]}")
        runs = rows["run"].combine_chunks().dictionary_encode()
        for code, run in enumerate(runs.dictionary.to_pylist()):
            if run not in self._runs:
                for row in np.flatnonzero(np.asarray(runs.indices) == code):
                    yield WrongRow(int(row), f"is of run {run}, which {MANIFEST} does not describe")


def _difference(found: pa.Schema, wanted: pa.Schema) -> str | None:
    """In what two schemas differ first; None: in nothing."""
    for name in dict.fromkeys([*wanted.names, *found.names]):
        if name not in found.names:
            return f"has no column {name}"
        if name not in wanted.names:
            return f"has a column {name}, which the schema does not know"
        if not found.field(name).equals(wanted.field(name)):
            return f"column {name} is {found.field(name)}, not {wanted.field(name)}"
    if found.names != wanted.names:
        return "has its columns in another order"
    if (found.metadata or {}).get(b"huggingface") != wanted.metadata[b"huggingface"]:
        return "its Hugging Face features are not those of its columns"
    return None


def _hashes(config: str, rows: pa.Table) -> Any:
    """`clip` and `key`, `(N,)` uint64: one for the clip of each row, one for the row itself."""
    ids = rows["video_id"].combine_chunks().dictionary_encode()
    videos = np.array([hash(v) for v in ids.dictionary.to_pylist()], np.int64).astype(np.uint64)
    index = np.asarray(rows["clip_index"].fill_null(-1)).astype(np.uint64)
    found = np.zeros(len(rows), [("clip", np.uint64), ("key", np.uint64)])
    if len(rows):
        found["clip"] = _mixed(videos[np.asarray(ids.indices)], index)
        found["key"] = found["clip"]
        if config == "frames":
            found["key"] = _mixed(found["clip"], np.asarray(rows["frame_index"]).astype(np.uint64))
    return found


def _mixed(hashes: Any, numbers: Any) -> Any:
    """A hash of a hash and a number (splitmix64's finalizer)."""
    with np.errstate(over="ignore"):
        mixed = hashes + (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        return mixed ^ (mixed >> np.uint64(31))


def _joined(keys: _Keys) -> Any:
    empty = np.zeros(0, [("clip", np.uint64), ("key", np.uint64)])
    return np.concatenate([empty, *keys.hashes])


def _repeated(keys: _Keys) -> Iterator[Problem]:
    """Rows whose key stands in an earlier row of another batch; within one, `wrong_rows` tells."""
    hashes = _joined(keys)["key"]
    batch = np.repeat(np.arange(len(keys.files)), [rows for _, rows in keys.files])
    order = np.argsort(hashes, kind="stable")
    same = hashes[order][1:] == hashes[order][:-1]
    other_batch = batch[order][1:] != batch[order][:-1]
    is_wrong = np.zeros(len(hashes), bool)
    is_wrong[order[1:][same & other_batch]] = True
    yield from _located(keys, is_wrong, "a row before has the same ids")


def _located(keys: _Keys, is_wrong: Any, message: str) -> Iterator[Problem]:
    """Problems at the rows that are wrong, by file."""
    start = 0
    by_file: dict[str, list[int]] = {}
    rows_before: Counter[str] = Counter()
    for file, rows in keys.files:
        found = np.flatnonzero(is_wrong[start : start + rows]) + rows_before[file]
        by_file.setdefault(file, []).extend(found.tolist())
        rows_before[file] += rows
        start += rows
    for file, at in by_file.items():
        yield from _bounded(file, (WrongRow(row, message) for row in at))
