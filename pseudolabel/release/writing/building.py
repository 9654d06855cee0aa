"""The rows of a release, on their way from runs to shards: found out about, filtered, written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pseudolabel.errors import ReleaseError
from pseudolabel.records import Flag
from pseudolabel.release.filters import Filter
from pseudolabel.release.manifest import Filtered, Manifest, Merge, Splits
from pseudolabel.release.options import ReleaseOptions
from pseudolabel.release.rows import (
    CONFIGS,
    IMAGE,
    arrow_schema,
    filtered_rows,
    release_clips,
    release_frames,
    release_skipped,
)
from pseudolabel.release.splits import parse_splits, split_rows
from pseudolabel.release.writing.configs import ConfigWriter
from pseudolabel.release.writing.images import CLIPS_AT_ONCE, captioned_frames
from pseudolabel.release.writing.shards import ROWS_PER_GROUP, parse_size
from pseudolabel.release.writing.sources import RunRows, Sources
from pseudolabel.release.writing.statistics import StatisticsCounter
from pseudolabel.release.writing.web_dataset import TarShards
from pseudolabel.runs.findings.findings import WHOLE_RUN_RULES, Reading, find
from pseudolabel.runs.floor import Floor

if TYPE_CHECKING:
    import pyarrow as pa


class Building:
    """The rows of a release, on their way from runs to shards."""

    def __init__(self, folder: Path, options: ReleaseOptions, sources: Sources) -> None:
        self._options = options
        self._sources = sources
        self._shares = parse_splits(options.split)
        self._filters = [Filter(where) for where in options.where]
        self._findings = find(self._unfiltered)
        self._reading = self._findings.reading()
        # Of what --where leaves, since a clip must not give way to one that goes itself.
        self._duplicates = find(self._filtered).reading() if options.dedup else None
        self._deduplicated = 0
        self._statistics = StatisticsCounter()
        self._wants_images = options.with_frames or options.web_dataset
        self._images_missing = 0
        self._counts: Counter[tuple[str, str]] = Counter()  # rows by run and config
        max_bytes = parse_size(options.max_shard_size)
        group_rows = CLIPS_AT_ONCE if options.with_frames else ROWS_PER_GROUP
        self._writers = {
            config: ConfigWriter(
                folder,
                config,
                arrow_schema(config, with_images=options.with_frames and config == "clips"),
                self._shares,
                max_bytes,
                group_rows,
            )
            for config in CONFIGS
        }
        self._tars = (
            {split: TarShards(folder, split, max_bytes) for split in self._shares}
            if options.web_dataset
            else {}
        )
        self.example: dict[str, Any] | None = None

    def _unfiltered(self, columns: Sequence[str]) -> Iterator[tuple[Floor, pa.Table]]:
        for batch in self._sources.batches("clips", ROWS_PER_GROUP, columns):
            yield batch.floor, batch.rows

    def _filtered(self, _columns: Sequence[str]) -> Iterator[tuple[Floor, pa.Table]]:
        """What --where leaves."""
        filters = [Filter(where) for where in self._options.where]
        reading = self._findings.reading()
        for batch in self._sources.batches("clips", ROWS_PER_GROUP):
            clips = release_clips(reading.add_to(batch.rows, batch.floor), batch.run)
            for condition in filters:
                clips = clips.filter(condition.stays(clips))
            yield batch.floor, clips

    def __enter__(self) -> Building:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._writers.values():
            writer.abort()  # nothing, where it was closed
        for tar in self._tars.values():
            tar.abort()

    def write_rows(self, on_progress: Callable[[int], None] | None) -> None:
        """Read, filter, check, split and write all rows."""
        read = 0
        for batch in self._sources.batches("clips", ROWS_PER_GROUP):
            self._add_clips(batch)
            read += batch.rows.num_rows
            if on_progress is not None:
                on_progress(read)
        for batch in self._sources.batches("skipped", ROWS_PER_GROUP):
            self._write("skipped", release_skipped(batch.rows, batch.run))

    def manifest(self, name: str) -> Manifest:
        """Close the shards; the manifest of what they hold, without the files that describe it."""
        configs, files = {}, []
        for config, writer in self._writers.items():
            configs[config], written = writer.close()
            files += written
        for tar in self._tars.values():
            files += tar.close()
        if self.example is None:
            removed = sum(condition.removed for condition in self._filters)
            raise ReleaseError(
                f"no clip is left to release; --where left out {removed}",
                hint="pseudolabel show RUN --skipped says what was not captioned",
            )
        options = self._options
        return Manifest(
            name=name,
            version=options.version,
            created_at=options.created_at(),
            pseudolabel=version("pseudolabel"),
            license=options.license,
            language=options.language,
            runs=tuple(
                replace(
                    run,
                    clips=self._counts[run.run, "clips"],
                    skipped=self._counts[run.run, "skipped"],
                )
                for run in self._sources.runs
            ),
            merge=Merge(options.prefer, self._sources.replaced_videos),
            splits=Splits(self._shares),
            filters=tuple(Filtered(f.where, f.removed, f.unknown) for f in self._filters),
            near_duplicates=self._deduplicated if self._options.dedup else None,
            configs=configs,
            statistics=self._statistics.finish(
                self._images_missing if self._wants_images else None,
                self._rules(),
            ),
            files=tuple(files),
        )

    def _rules(self) -> dict[str, str]:
        """The rule of each flag, as the runs have it."""
        known = {flag: rule for run in self._sources.rules for flag, rule in run.items()}
        known |= {flag.value: rule for flag, rule in WHOLE_RUN_RULES.items()}
        return {flag.value: known[flag.value] for flag in Flag if flag.value in known}

    def _add_clips(self, batch: RunRows) -> None:
        rows = self._reading.add_to(batch.rows, batch.floor)
        clips = release_clips(rows, batch.run)
        for condition in self._filters:
            stays = condition.stays(clips)
            detail = f"--where {condition.where}"
            self._write("skipped", filtered_rows(_without(clips, stays), "filtered", detail))
            clips, rows = clips.filter(stays), rows.filter(stays)
        if self._duplicates is not None:
            clips, rows = self._deduplicate(clips, rows, self._duplicates)
        self._statistics.add(clips)
        if self.example is None and clips.num_rows:
            self.example = _first_by_id(clips)
        self._write("frames", release_frames(rows, batch.run))
        if not self._wants_images:
            self._write("clips", clips)
            return
        for start in range(0, clips.num_rows, CLIPS_AT_ONCE):
            few = slice(start, start + CLIPS_AT_ONCE)
            self._write_with_images(clips[few], rows[few])

    def _deduplicate(
        self, clips: pa.Table, rows: pa.Table, reading: Reading
    ) -> tuple[pa.Table, pa.Table]:
        """The rows that look like none of another video which stays."""
        import pyarrow as pa
        import pyarrow.compute as pc

        kept = reading.duplicate_of(clips)
        goes, stays = kept.is_valid(), kept.is_null()
        details = pc.binary_join_element_wise("looks like", pc.drop_null(kept), "which stays", " ")
        self._write("skipped", filtered_rows(clips.filter(goes), "near_duplicate", details))
        self._deduplicated += pc.sum(pa.array(goes)).as_py() or 0
        return clips.filter(stays), rows.filter(stays)

    def _write_with_images(self, clips: pa.Table, rows: pa.Table) -> None:
        images = captioned_frames(rows, self._options.workers)
        self._images_missing += images.null_count
        if self._tars:
            numbered = clips.append_column(IMAGE, images)
            for split, part in split_rows(numbered, self._shares):
                self._tars[split].write(part.drop_columns([IMAGE]), part[IMAGE])
        if self._options.with_frames:
            clips = clips.append_column(IMAGE, _image_structs(images))
            clips = clips.cast(arrow_schema("clips", with_images=True))
        self._write("clips", clips)

    def _write(self, config: str, rows: pa.Table) -> None:
        if rows.num_rows:
            self._counts[rows["run"][0].as_py(), config] += rows.num_rows
            self._writers[config].write(rows)


def _first_by_id(clips: pa.Table) -> dict[str, Any]:
    """One row, and not that of whichever decode worker was done first."""
    import pyarrow.compute as pc

    keys = [("video_id", "ascending"), ("clip_index", "ascending")]
    row: dict[str, Any] = clips.take(pc.select_k_unstable(clips, 1, keys)).to_pylist()[0]
    return row


def _without(rows: pa.Table, stays: pa.ChunkedArray) -> pa.Table:
    import pyarrow.compute as pc

    return rows.filter(pc.invert(stays))


def _image_structs(images: pa.Array) -> pa.Array:
    """What a Hugging Face `Image` column holds."""
    import pyarrow as pa

    paths = pa.nulls(len(images), pa.string())
    return pa.StructArray.from_arrays([images, paths], ["bytes", "path"], mask=images.is_null())
