"""What there is to look through in a run or a release: figures of all clips, rows of some.

Tables are read one after the other and let go, so memory holds the rows that are shown and no
others, however many clips there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pseudolabel.errors import InputError, OptionError
from pseudolabel.evaluation.clips import is_release
from pseudolabel.records import Flag
from pseudolabel.release.filters import Filter
from pseudolabel.release.hub import local_release
from pseudolabel.release.manifest import read_manifest
from pseudolabel.release.rows import IMAGE
from pseudolabel.runs.findings.findings import WHOLE_RUN_RULES, find_in_run, hashed
from pseudolabel.runs.storage.folder import RunFolder

if TYPE_CHECKING:
    import pyarrow as pa

MOST_REPEATED = 20  # captions that are named
VALUES = 100_000  # clips whose values the plots are of
_ROWS_AT_ONCE = 65_536
_VALUES = ("mean_logprob", "similarity", "chance_percentile")


@dataclass(frozen=True, slots=True)
class SkippedFor:
    """What was skipped for one reason, at one stage."""

    reason: str
    stage: str
    videos: int  # the whole of them
    clips: int  # single ones, of videos that have others
    example: str  # the detail of one


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A run or a release, as far as a page shows it."""

    name: str
    clips: int
    videos: int
    without_flags: int  # clips
    flags: Mapping[str, int]  # clips by flag, the whole vocabulary
    rules: Mapping[str, str]  # of flags, in words, where known
    most_repeated: Sequence[tuple[str, int]]  # captions and how many clips have them
    skipped: Sequence[SkippedFor]  # the most frequent first
    values: pa.Table  # of clips drawn at random: `mean_logprob`, `similarity`, `words`, ...
    fitting: int  # clips that meet the conditions
    rows: pa.Table  # those of them that are shown, by video and time, with `frames`


def read_reviewed(where: str, *, most: int, conditions: Sequence[str] = ()) -> Reviewed:
    """Read a run folder, or a release here or on the Hub.

    Where more than `most` clips meet the conditions, those with the smallest hash of video id and
    clip index are shown: a draw that is the same every time, whatever the order of the rows.

    Args:
        where: The run or the release.
        most: Clips to show.
        conditions: As of `--where`, see `pseudolabel.release.filters`; all must be met.

    Raises:
        InputError: If it holds no clip, or none that meets the conditions.
        OptionError: If a condition cannot be read, or asks for what is not there.
        RunError, ReleaseError, HubError: If it cannot be read.
    """
    filters = [Filter(text) for text in conditions]
    source = _Release(where) if is_release(where) else _Run(where)
    shown, values, counts = _Draw(most), _Draw(VALUES), _Counts()
    for table in source.tables():
        places = _places(table)
        counts.add(table)
        values.add(_values(table), places)
        stays = _stays(table, filters)
        counts.fitting += int(stays.sum())
        shown.add(table.filter(stays), places[stays])
    if not counts.clips:
        raise InputError(f"{where}: holds no captioned clip", hint="pseudolabel show lists them")
    if not counts.fitting:
        raise InputError(
            f"{where}: none of its {counts.clips:,} clips meets --where",
            hint="without --where the page has a table of all flags",
        )
    rows = shown.rows().sort_by([("video_id", "ascending"), ("start_s", "ascending")])
    return Reviewed(
        name=where,
        clips=counts.clips,
        videos=len(counts.videos),
        without_flags=counts.without_flags,
        flags=_in_order(counts.flags),
        rules={**_rules(WHOLE_RUN_RULES), **source.rules()},
        most_repeated=counts.most_repeated(),
        skipped=_skipped(source.skipped()),
        values=values.rows(),
        fitting=counts.fitting,
        rows=source.with_frames(rows),
    )


class _Run:
    """The rows of a run, with what only the whole run can say of them."""

    def __init__(self, where: str) -> None:
        self._folder = RunFolder(where)
        self._manifest = self._folder.manifest()  # says so if this is no run

    def tables(self) -> Iterator[pa.Table]:
        findings, floor = find_in_run(self._folder)
        reading = findings.reading()
        for table in self._folder.rows():
            yield reading.add_to(table, floor)

    def skipped(self) -> Iterator[pa.Table]:
        return self._folder.rows("skipped")

    def rules(self) -> dict[str, str]:
        return _rules(self._manifest.get("health"))

    def with_frames(self, rows: pa.Table) -> pa.Table:
        return rows


class _Release:
    """The rows of a release; its frames stand in files of their own."""

    def __init__(self, where: str) -> None:
        self._folder = local_release(where)
        self._manifest = read_manifest(self._folder)

    def tables(self) -> Iterator[pa.Table]:
        for table in self._read("clips"):
            yield table.append_column("source", table["url"])

    def skipped(self) -> Iterator[pa.Table]:
        return self._read("skipped")

    def rules(self) -> dict[str, str]:
        return {one.flag: one.rule for one in self._manifest.statistics.flags}

    def with_frames(self, rows: pa.Table) -> pa.Table:
        """The same rows with their frames, as a run has them."""
        import pyarrow as pa

        clip_of = {key: row for row, key in enumerate(_keys(rows))}
        parts, clips = [], [np.zeros(0, np.int64)]
        for table in self._read("frames"):
            clip = np.array([clip_of.get(key, -1) for key in _keys(table)], np.int64)
            parts.append(table.filter(clip >= 0))
            clips.append(clip[clip >= 0])
        frames = pa.concat_tables(parts)
        clip = np.concatenate(clips)
        order = np.lexsort((np.asarray(frames["frame_index"]), clip))
        counts = np.bincount(clip, minlength=rows.num_rows)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        structs = frames.take(order).to_struct_array().combine_chunks()
        return rows.append_column("frames", pa.ListArray.from_arrays(pa.array(offsets), structs))

    def _read(self, config: str) -> Iterator[pa.Table]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        for path in (file.path for file in self._manifest.files if file.config == config):
            with pq.ParquetFile(self._folder / path) as file:
                names = [name for name in file.schema_arrow.names if name != IMAGE]
                schema = pa.schema([file.schema_arrow.field(name) for name in names])
                yield schema.empty_table()
                for batch in file.iter_batches(_ROWS_AT_ONCE, columns=names):
                    yield pa.Table.from_batches([batch])


def stored_images(where: str, rows: pa.Table) -> Iterator[tuple[int, bytes]]:
    """The captioned frames that a release carries (`export --with-frames`), with their rows.

    Args:
        where: The release; a run carries none.
        rows: Those of `Reviewed`.
    """
    import pyarrow.parquet as pq

    if not is_release(where):
        return
    row_of = {key: row for row, key in enumerate(_keys(rows))}
    folder = local_release(where)
    for path in sorted((folder / "data" / "clips").glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            if IMAGE not in file.schema_arrow.names:
                return
            for batch in file.iter_batches(256, columns=["video_id", "clip_index", IMAGE]):
                for key, image in zip(_keys(batch), batch[IMAGE], strict=True):
                    data = image["bytes"].as_py() if image.is_valid else None
                    if data is not None and key in row_of:
                        yield row_of[key], data


class _Draw:
    """Of all rows that pass by, those with the smallest places."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tables: list[pa.Table] = []
        self._places = np.zeros(0, np.int64)
        self._last = np.iinfo(np.int64).max  # no place beyond it is among the smallest

    def add(self, table: pa.Table, places: NDArray[np.int64]) -> None:
        near = places <= self._last
        self._tables.append(table.filter(near))
        self._places = np.concatenate([self._places, places[near]])
        if len(self._places) > 2 * self._most:
            self._tables = [self.rows()]

    def rows(self) -> pa.Table:
        """The rows, those with the smallest places first."""
        import pyarrow as pa

        order = np.argsort(self._places, kind="stable")[: self._most]
        rows = pa.concat_tables(self._tables).take(order)
        self._tables, self._places = [rows], self._places[order]
        if len(order) == self._most and self._most:
            self._last = int(self._places[-1])
        return rows


@dataclass(slots=True)
class _Counts:
    """Figures of all clips."""

    clips: int = 0
    without_flags: int = 0
    fitting: int = 0
    videos: set[str] = field(default_factory=set)
    flags: Counter[str] = field(default_factory=Counter)
    _repeats: dict[str, int] = field(default_factory=dict)

    def add(self, table: pa.Table) -> None:
        import pyarrow.compute as pc

        self.clips += table.num_rows
        self.videos.update(table["video_id"].unique().to_pylist())
        self.without_flags += pc.sum(pc.equal(pc.list_value_length(table["flags"]), 0)).as_py() or 0
        for flag in pc.value_counts(pc.list_flatten(table["flags"])).to_pylist():
            self.flags[flag["values"]] += flag["counts"]
        several = table.filter(pc.greater(table["repeats"], 1)).select(["caption", "repeats"])
        told = several.group_by("caption").aggregate([("repeats", "max")])
        found = zip(told["caption"].to_pylist(), told["repeats_max"].to_pylist(), strict=True)
        self._repeats = dict(_greatest({**self._repeats, **dict(found)}))

    def most_repeated(self) -> list[tuple[str, int]]:
        return _greatest(self._repeats)


def _greatest(repeats: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(repeats.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_REPEATED]


def _keys(rows: Any) -> Iterator[tuple[str, int]]:
    """What tells the rows of a table or batch apart."""
    return zip(rows["video_id"].to_pylist(), rows["clip_index"].to_pylist(), strict=True)


def _places(table: pa.Table) -> NDArray[np.int64]:
    """Where each row stands in a draw: hashes of its name, spread evenly (splitmix64)."""
    mixed = hashed(table["video_id"])
    mixed += np.asarray(table["clip_index"]).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)


def _values(table: pa.Table) -> pa.Table:
    import pyarrow.compute as pc

    words = pc.count_substring_regex(table["caption"], r"\S+")
    return table.select(list(_VALUES)).append_column("words", words)


def _stays(table: pa.Table, filters: Sequence[Filter]) -> NDArray[np.bool_]:
    """Which rows meet all conditions."""
    stays = np.ones(table.num_rows, bool)
    for condition in filters:
        try:
            stays &= np.asarray(condition.stays(table))
        except KeyError as error:
            raise OptionError(
                f"--where {condition.where!r}: {error.args[0]}",
                hint=f"there are: words, {', '.join(table.column_names)}",
            ) from None
    return stays


def _in_order(flags: Mapping[str, int]) -> dict[str, int]:
    """Counts of the whole vocabulary, in its order, and of flags that it does not know."""
    return {**{flag.value: flags.get(flag, 0) for flag in Flag}, **dict(sorted(flags.items()))}


def _rules(health: Any) -> dict[str, str]:
    """Sentences by flag: what a manifest says of its health, which may be nothing."""
    told = health.items() if isinstance(health, Mapping) else ()
    rules = {flag: said.get("rule") if isinstance(said, Mapping) else said for flag, said in told}
    return {str(flag): rule for flag, rule in rules.items() if isinstance(rule, str)}


def _skipped(tables: Iterator[pa.Table]) -> list[SkippedFor]:
    videos: Counter[tuple[str, str]] = Counter()
    clips: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for table in tables:
        columns = (table[name].to_pylist() for name in ("reason", "stage", "clip_index", "detail"))
        for reason, stage, clip_index, detail in zip(*columns, strict=True):
            (videos if clip_index is None else clips)[reason, stage] += 1
            examples.setdefault((reason, stage), detail)
    found = [
        SkippedFor(*kind, videos[kind], clips[kind], example) for kind, example in examples.items()
    ]
    return sorted(found, key=lambda one: (-one.videos - one.clips, one.reason, one.stage))
