"""`export`: from runs to a release folder, as a stream, and there whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pseudolabel import __version__
from pseudolabel.errors import OptionError, ReleaseError
from pseudolabel.release.card.card import render_card
from pseudolabel.release.card.figures import histogram_png
from pseudolabel.release.comparison.changelog import changelog, check_version
from pseudolabel.release.comparison.diff import ReleaseDiff, diff
from pseudolabel.release.filters import Filter
from pseudolabel.release.manifest import (
    CARD,
    CHANGELOG,
    MANIFEST,
    Filtered,
    Manifest,
    Merge,
    Previous,
    ReleaseFile,
    Splits,
    hash_file,
    read_manifest,
)
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
from pseudolabel.release.version import Version
from pseudolabel.release.writing.configs import ConfigWriter
from pseudolabel.release.writing.images import CLIPS_AT_ONCE, captioned_frames
from pseudolabel.release.writing.shards import ROWS_PER_GROUP, parse_size
from pseudolabel.release.writing.sources import RunRows, Sources
from pseudolabel.release.writing.staging import check_target, staged
from pseudolabel.release.writing.statistics import StatisticsCounter
from pseudolabel.release.writing.web_dataset import TarShards

if TYPE_CHECKING:
    import pyarrow as pa

FIGURES = "figures"


def export(
    runs: Sequence[str],
    out: str,
    options: ReleaseOptions,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> Manifest:
    """Make a release of one or more runs.

    The folder loads with `datasets.load_dataset` as it is. The same runs and options give the
    same bytes. Memory does not grow with the number of rows.

    Args:
        runs: Run folders; a video's rows come from one of them.
        out: The release folder, which must not exist.
        options: Version, license, splits, filters and the rest.
        on_progress: Called with the number of clips read so far.

    Returns:
        The manifest, as it stands in the release.

    Raises:
        OptionError: If the version is too low for what changed since the previous release.
        ReleaseError: If the release is there already, a run is being written or breaks its
            schema, no clip is left, or the disk is full. Nothing is left behind.
        RunError: If a run cannot be read.
    """
    target = check_target(out)
    template = _template(options.card_template)
    before = _Before(options)
    sources = Sources(runs, prefer=options.prefer)
    with staged(target) as folder:
        with _Building(folder, options, sources) as building:
            building.write_rows(on_progress)
            manifest = building.manifest(options.name or _name(target, options))
        manifest = replace(manifest, previous=before.reference)
        return _describe(folder, manifest, before, building.example, template)


def _name(target: Path, options: ReleaseOptions) -> str:
    """The folder's name, without the version that many people put there."""
    name = target.name.removesuffix(options.version).removesuffix("v").rstrip("-_. ")
    return name or "captions"


def _template(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(
            f"--card-template {path}: cannot be read: {error}", hint="a Jinja template in UTF-8"
        ) from None


class _Before:
    """The release that the new one follows, if any."""

    def __init__(self, options: ReleaseOptions) -> None:
        self.path = Path(options.previous) if options.previous is not None else None
        self.reference: Previous | None = None
        self.changelog: str | None = None
        if self.path is not None:
            version = read_manifest(self.path).version
            check_version(Version.parse(options.version), Version.parse(version), None)
            self.reference = Previous(version, hash_file(self.path / MANIFEST))
            self.changelog = (self.path / CHANGELOG).read_text(encoding="utf-8")


class _Building:
    """The rows of a release, on their way from runs to shards."""

    def __init__(self, folder: Path, options: ReleaseOptions, sources: Sources) -> None:
        self._options = options
        self._sources = sources
        self._shares = parse_splits(options.split)
        self._filters = [Filter(where) for where in options.where]
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

    def __enter__(self) -> _Building:
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
            pseudolabel=__version__,
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
            configs=configs,
            statistics=self._statistics.finish(
                self._images_missing if self._wants_images else None
            ),
            files=tuple(files),
        )

    def _add_clips(self, batch: RunRows) -> None:
        rows = batch.rows
        clips = release_clips(rows, batch.run)
        for condition in self._filters:
            stays = condition.stays(clips)
            detail = f"--where {condition.where}"
            self._write("skipped", filtered_rows(_without(clips, stays), "filtered", detail))
            clips, rows = clips.filter(stays), rows.filter(stays)
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


def _describe(
    folder: Path,
    manifest: Manifest,
    before: _Before,
    example: dict[str, Any] | None,
    template: str | None,
) -> Manifest:
    """Write what describes the rows: figures, changelog, card, and last the manifest."""
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    changes: ReleaseDiff | None = None
    if before.path is not None and manifest.previous is not None:
        changes = diff(before.path, folder)
        check_version(
            Version.parse(manifest.version), Version.parse(manifest.previous.version), changes
        )
    texts: dict[str, bytes] = {
        **_figures(manifest),
        CHANGELOG: changelog(
            changes, manifest.version, manifest.created_at, before.changelog
        ).encode(),
        CARD: render_card(
            manifest,
            example or {},
            {config: _written_schema(folder, manifest, config) for config in CONFIGS},
            template,
        ).encode(),
    }
    files = list(manifest.files)
    for path, data in texts.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(data)
        files.append(ReleaseFile(path, len(data), hash_file(folder / path)))
    done = replace(manifest, files=tuple(sorted(files, key=lambda file: file.path)))
    (folder / MANIFEST).write_text(done.to_json(), encoding="utf-8")
    return done


def _figures(manifest: Manifest) -> dict[str, bytes]:
    found = manifest.statistics
    figures = {
        f"{FIGURES}/caption_words.png": histogram_png(
            found.caption_words, "Length of the captions", "words", whole=True
        ),
        f"{FIGURES}/clip_s.png": histogram_png(found.clip_s, "Length of the clips", "seconds"),
    }
    if found.mean_logprob is not None:
        figures[f"{FIGURES}/mean_logprob.png"] = histogram_png(
            found.mean_logprob, "Mean log-probability of the captions", "nats a token"
        )
    return figures


def _written_schema(folder: Path, manifest: Manifest, config: str) -> pa.Schema:
    import pyarrow.parquet as pq

    first = next(f for f in manifest.files if f.path.startswith(f"data/{config}/"))
    return pq.read_schema(folder / first.path)
