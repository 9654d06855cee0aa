"""Releases made for tests: real Parquet files and a manifest that tells the truth, from row dicts.

`write_release(path, clip_rows(3))` is a release of three videos; every argument replaces one part.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from pseudolabel.files import hash_file
from pseudolabel.release.manifest import (
    CARD,
    CHANGELOG,
    MANIFEST,
    Filtered,
    Manifest,
    Merge,
    Previous,
    ReleaseFile,
    SourceRun,
    SplitCounts,
    Splits,
)
from pseudolabel.release.rows import CONFIGS, arrow_schema
from pseudolabel.release.splits import split_of
from pseudolabel.release.writing.statistics import StatisticsCounter

Row = dict[str, Any]

RUN = "0123456789abcdef"
ONE_SPLIT = {"train": 1.0}
CLIP_S = 8.0


def clip_row(video_id: str = "world-00.mp4", clip_index: int = 0, **changes: Any) -> Row:
    """A row of `clips`: eight seconds of a small video, captioned by the demo captioner."""
    start_s = clip_index * CLIP_S
    row = {
        "video_id": video_id,
        "clip_index": clip_index,
        "start_s": start_s,
        "end_s": start_s + CLIP_S,
        "caption": f"clip {clip_index} of {video_id}",
        "mean_logprob": -0.5,
        "truncated": False,
        "similarity": None,
        "clip_similarity": None,
        "chance_percentile": None,
        "repeats": 1,
        "perceptual_hash": f"{clip_index:016x}",
        "flags": [],
        "samples": None,
        "is_rewritten": False,
        "parts": [
            {
                "frame": 0,
                "sample": 0,
                "last_frame": 0,
                "first_s": start_s + CLIP_S / 2,
                "last_s": start_s + CLIP_S / 2,
            }
        ],
        "seen_together": False,
        "frame_time_s": start_s + CLIP_S / 2,
        "cuts_s": None,
        "url": None,
        "license": None,
        "content_hash": hashlib.sha256(video_id.encode()).hexdigest(),
        "width": 320,
        "height": 240,
        "codec": "h264",
        "pixel_format": "yuv420p",
        "rotation_deg": 0,
        "fps_from_header": 12.5,
        "duration_s_from_header": 80.0,
        "first_frame_s": 0.0,
        "video_end_s": 80.0,
        "run": RUN,
        "model": "demo",
        "model_revision": "1" * 40,
        "prompt": None,
        "decoding": "greedy",
        "dtype": "float32",
        "strategy": "center",
    }
    return _changed(row, changes)


def clip_rows(videos: int = 3, clips: int = 2, *, first: int = 0, **changes: Any) -> list[Row]:
    """Rows of `clips` for several videos, `world-00.mp4` and on, of some clips each."""
    ids = (f"world-{number:02d}.mp4" for number in range(first, first + videos))
    return [clip_row(video_id, index, **changes) for video_id in ids for index in range(clips)]


def frame_row(clip: Row, frame_index: int = 0, **changes: Any) -> Row:
    """A row of `frames` for a row of `clips`: its caption is that of the clip."""
    names = ("mean_logprob", "truncated", "similarity", "clip_similarity")
    said = {"text": clip["caption"], **{name: clip[name] for name in names}, "is_cut": None}
    row = {
        "video_id": clip["video_id"],
        "clip_index": clip["clip_index"],
        "frame_index": frame_index,
        "time_s": clip["frame_time_s"],
        "is_keyframe": True,
        "captions": [said],
        "perceptual_hash": clip["perceptual_hash"],
        "brightness": 90.0,
        "contrast": 40.0,
        "change": None,
        "text_share": 0.0,
        "run": clip["run"],
    }
    return _changed(row, changes)


def skipped_row(video_id: str = "broken.mp4", clip_index: int | None = None, **changes: Any) -> Row:
    """A row of `skipped`: a whole video, or one clip of it, that did not decode."""
    row = {
        "video_id": video_id,
        "clip_index": clip_index,
        "start_s": None if clip_index is None else clip_index * CLIP_S,
        "end_s": None if clip_index is None else (clip_index + 1) * CLIP_S,
        "stage": "decode",
        "reason": "decode_error",
        "detail": "Invalid data found when processing input",
        "url": None,
        "run": RUN,
    }
    return _changed(row, changes)


def source_run(run: str = RUN, *, clips: int = 1, skipped: int = 0, **captioner: Any) -> SourceRun:
    """A run as a manifest describes it; keywords replace what its captioner says."""
    said: dict[str, Any] = {
        "model": "demo",
        "revision": "1" * 40,
        "backend": "transformers",
        "architecture": "BlipForConditionalGeneration",
        "prompt": None,
        "decoding": "greedy",
        "max_new_tokens": 24,
        "dtype": "float32",
    }
    said = _changed(said, captioner)
    options = {
        "--clips": "fixed:8",
        "--min-clip": 1.0,
        "--mark-cuts": False,
        "--frames": 1,
        "--snap": "keyframe",
        "--strategy": "center",
        "--model": said["model"],
        "--prompt": said["prompt"],
    }
    versions = {"python": "3.11.9", "pseudolabel": "0.1.0", "torch": "2.6.0"}
    fingerprint = hashlib.sha256(repr(options).encode()).hexdigest()
    created_at = "2026-01-01T00:00:00+00:00"
    return SourceRun(run, created_at, said, options, fingerprint, versions, clips, skipped)


def write_release(
    path: Path,
    rows: Sequence[Row],
    *,
    version: str = "1.0.0",
    splits: Mapping[str, float] = ONE_SPLIT,
    placed: Mapping[str, str] | None = None,
    frames: Sequence[Row] | None = None,
    skipped: Sequence[Row] = (),
    more: Mapping[str, Sequence[Row]] | None = None,
    license: str = "cc-by-4.0",
    language: Sequence[str] = ("en",),
    runs: Sequence[SourceRun] | None = None,
    filters: Sequence[Filtered] = (),
    previous: Previous | None = None,
    name: str = "demo",
    created_at: str = "2026-01-31",
    pseudolabel: str = "0.1.0",
    schemas: Mapping[str, pa.Schema] | None = None,
    rows_per_file: int = 1000,
    changelog: str = "# Changelog\n",
) -> Path:
    """Write a release folder; every byte of it follows from the arguments.

    Args:
        path: The folder; it must not exist.
        rows: Of the config `clips`, in the order they are to have.
        version: Its version.
        splits: Shares of the videos.
        placed: Splits of some videos, by id, instead of those that the shares give.
        frames: Of the config `frames`; None for one of each clip.
        skipped: Of the config `skipped`.
        more: Rows of further configs, by name; their types are Arrow's choice.
        license: Of the captions.
        language: Of the captions.
        runs: Where rows come from; None for one run that made all of them.
        filters: As the manifest says them.
        previous: The release before.
        name: The release's name.
        created_at: Its date.
        pseudolabel: The version of the package it claims to be written by.
        schemas: Arrow schemas of some configs, instead of the published ones.
        rows_per_file: So many rows of a split make a file.
        changelog: The text of CHANGELOG.md.

    Returns:
        The folder.
    """
    if frames is None:
        frames = [frame_row(row) for row in rows]
    if runs is None:
        runs = [source_run(clips=len(rows), skipped=len(skipped))]
    held: dict[str, Sequence[Row]] = {"clips": rows, "frames": frames, "skipped": skipped}
    held |= more or {}
    path.mkdir(parents=True)
    counts, files = {}, []
    for config, some in held.items():
        schema = (schemas or {}).get(config)
        if schema is None and config in CONFIGS:
            schema = arrow_schema(config)
        table = pa.Table.from_pylist(list(some), schema=schema)
        parts = _by_split(table, splits, placed or {})
        counts[config] = {split: _counts(part) for split, part in parts.items()}
        for split, part in parts.items():
            files += _write_shards(path, f"data/{config}/{split}", part, rows_per_file)
    card = _card(held, splits, license, language)
    for file, text in ((CARD, card), (CHANGELOG, changelog)):
        (path / file).write_text(text, encoding="utf-8")
        files.append(_listed(path, file))
    statistics = StatisticsCounter()
    statistics.add(pa.Table.from_pylist([*map(_countable, rows)], schema=arrow_schema("clips")))
    manifest = Manifest(
        name=name,
        version=version,
        created_at=created_at,
        pseudolabel=pseudolabel,
        license=license,
        language=tuple(language),
        runs=tuple(runs),
        merge=Merge(None, 0),
        splits=Splits(dict(splits)),
        filters=tuple(filters),
        configs=counts,
        statistics=statistics.finish(None, {}),
        files=tuple(sorted(files, key=lambda file: file.path)),
        previous=previous,
    )
    (path / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return path


def _changed(row: Row, changes: Mapping[str, Any]) -> Row:
    """A row with some values replaced; a name that it lacks is a mistake in a test."""
    unknown = changes.keys() - row.keys()
    if unknown:
        raise ValueError(f"no such columns: {sorted(unknown)}")
    return row | dict(changes)


def _countable(clip: Row) -> Row:
    """A clip without a NaN, which only a release that was tampered with has."""
    logprob = clip.get("mean_logprob")
    is_nan = isinstance(logprob, float) and math.isnan(logprob)
    return clip | {"mean_logprob": None} if is_nan else clip


def _by_split(
    table: pa.Table, shares: Mapping[str, float], placed: Mapping[str, str]
) -> dict[str, pa.Table]:
    ids = table["video_id"].to_pylist()
    split = [placed.get(video_id) or split_of(video_id, shares) for video_id in ids]
    names = dict.fromkeys([*shares, *split])
    return {name: table.filter(pa.array([s == name for s in split], pa.bool_())) for name in names}


def _counts(part: pa.Table) -> SplitCounts:
    return SplitCounts(part.num_rows, len(part["video_id"].unique()), part.nbytes)


def _write_shards(path: Path, stem: str, part: pa.Table, rows_per_file: int) -> list[ReleaseFile]:
    """At least one file, even if it holds no rows."""
    starts = range(0, max(1, part.num_rows), rows_per_file)
    written = []
    for index, start in enumerate(starts):
        file = f"{stem}-{index:05d}-of-{len(starts):05d}.parquet"
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        shard = part.slice(start, rows_per_file)
        pq.write_table(shard, path / file, compression="zstd", write_page_index=True)
        written.append(replace(_listed(path, file), rows=shard.num_rows))
    return written


def _listed(path: Path, file: str) -> ReleaseFile:
    return ReleaseFile(file, (path / file).stat().st_size, hash_file(path / file))


def _card(
    configs: Mapping[str, object],
    splits: Mapping[str, float],
    license: str,
    language: Sequence[str],
) -> str:
    """The least that the Hub and `datasets` need; no text."""
    head = {
        "license": license,
        "language": list(language),
        "configs": [
            {
                "config_name": config,
                "data_files": [
                    {"split": split, "path": f"data/{config}/{split}-*.parquet"} for split in splits
                ],
            }
            | ({"default": True} if config == "clips" else {})
            for config in configs
        ],
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n# A release made for a test\n"
