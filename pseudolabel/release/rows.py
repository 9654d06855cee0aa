"""The columns of a release's configs, and how a run's rows become them: all of it in Arrow."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from pseudolabel.contract import caption_type, clip_schema, load_schema, look_fields

if TYPE_CHECKING:
    import pyarrow as pa

    from pseudolabel.release.manifest import SourceRun

CONFIGS = ("clips", "frames", "skipped")
KEYS = {  # which columns name a row
    "clips": ("video_id", "clip_index"),
    "frames": ("video_id", "clip_index", "frame_index"),
    "skipped": ("video_id", "clip_index"),
}
UNIQUE = ("clips", "frames")  # a video may be skipped for several reasons
IMAGE = "image"  # the column of `clips` that --with-frames adds

# Columns that clips have in a run and in a release alike. Where a video lay on somebody's disk
# (`source`, `listed`) is not published; a source on the web becomes the `url`.
_KEPT = (
    *("start_s", "end_s", "caption", "mean_logprob", "truncated", "similarity", "flags"),
    *("clip_similarity", "is_rewritten", "parts", "seen_together", "perceptual_hash"),
    *("frame_time_s", "cuts_s", "license", "content_hash"),
    *("width", "height", "codec", "pixel_format", "rotation_deg", "fps_from_header"),
    *("duration_s_from_header", "first_frame_s", "video_end_s", "video_id", "clip_index"),
)
_FOUND = ("repeats", "chance_percentile")  # over all rows, by `Findings`
_LOOK = ("brightness", "contrast", "change", "text_share")
_ON_THE_WEB = r"^(https?|hf)://"


@lru_cache
def arrow_schema(config: str, *, with_images: bool = False) -> pa.Schema:
    """The Arrow schema of a config, with its Hugging Face features in the metadata.

    Args:
        config: "clips", "frames" or "skipped".
        with_images: Whether clips hold their captioned frame, as a Hugging Face `Image`.
    """
    import datasets
    import pyarrow as pa

    fields = {"clips": _clip_fields, "frames": _frame_fields, "skipped": _skipped_fields}
    schema = pa.schema(fields[config]())
    features = datasets.Features.from_arrow_schema(schema)
    if with_images:
        image = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
        schema = schema.append(pa.field(IMAGE, image))
        features[IMAGE] = datasets.Image()
    described = json.dumps({"info": {"features": features.to_dict()}})
    return schema.with_metadata({"huggingface": described})


def release_clips(clips: pa.Table, run: SourceRun) -> pa.Table:
    """A run's clips as rows of the config `clips`.

    Args:
        clips: With what `Reading.add_to` adds.
        run: Where they are from.
    """
    import pyarrow as pa

    columns: dict[str, Any] = {
        name: clips[name] for name in (*_KEPT, "repeats", "chance_percentile")
    }
    columns["url"] = _url(clips)
    columns["samples"] = _samples(clips["frames"], clips["seen_together"])
    captioner = run.captioner
    constants = {
        "run": run.run,
        "model": captioner["model"],
        "model_revision": captioner["revision"],
        "prompt": captioner["prompt"],
        "decoding": captioner["decoding"],
        "dtype": captioner["dtype"],
        "strategy": run.options["--strategy"],
    }
    for name, value in constants.items():
        columns[name] = pa.repeat(pa.scalar(value, pa.string()), clips.num_rows)
    schema = arrow_schema("clips")
    return pa.table([columns[name] for name in schema.names], schema=schema)


def release_frames(clips: pa.Table, run: SourceRun) -> pa.Table:
    """The frames of a run's clips as rows of the config `frames`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = clips["frames"].combine_chunks()
    frames = pc.list_flatten(lists)
    clip = np.repeat(np.arange(len(lists)), np.diff(lists.offsets))
    schema = arrow_schema("frames")
    columns = {
        "video_id": clips["video_id"].take(clip),
        "clip_index": clips["clip_index"].take(clip),
        "frame_index": pa.array(np.arange(len(frames)) - _starts(lists)[clip], pa.int32()),
        "run": pa.repeat(run.run, len(frames)),
    }
    for name in ("time_s", "is_keyframe", "captions", "perceptual_hash", *_LOOK):
        columns[name] = pc.struct_field(frames, name)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def release_skipped(skipped: pa.Table, run: SourceRun) -> pa.Table:
    """What a run skipped as rows of the config `skipped`; paths of this disk are left out."""
    import pyarrow as pa

    told = (skipped[name].to_pylist() for name in ("detail", "source", "video_id"))
    columns = {
        **{name: skipped[name] for name in skipped.column_names},
        "detail": pa.array(map(_without_path, *told), pa.string()),
        "url": _url(skipped),
        "run": pa.repeat(run.run, skipped.num_rows),
    }
    schema = arrow_schema("skipped")
    return pa.table([columns[name] for name in schema.names], schema=schema)


def filtered_rows(clips: pa.Table, reason: str, detail: str | pa.Array) -> pa.Table:
    """Rows of the config `clips` that are left out, as rows of the config `skipped`.

    Args:
        clips: The rows.
        reason: Of the vocabulary of `skipped`.
        detail: The same for all, or one a row.
    """
    import pyarrow as pa

    kept = ("video_id", "clip_index", "start_s", "end_s", "url", "run")
    constants = {"stage": "export", "reason": reason}
    columns = {name: clips[name] for name in kept} | {
        name: pa.repeat(value, clips.num_rows) for name, value in constants.items()
    }
    columns["detail"] = pa.repeat(detail, clips.num_rows) if isinstance(detail, str) else detail
    schema = arrow_schema("skipped")
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _url(rows: pa.Table) -> Any:
    """The url that was given, or the source where that is one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_url = pc.match_substring_regex(rows["source"], _ON_THE_WEB)
    source = pc.if_else(is_url, rows["source"], pa.scalar(None, pa.string()))
    return pc.coalesce(rows["url"], source) if "url" in rows.column_names else source


def _without_path(detail: str, source: str, video_id: str) -> str:
    """A detail without the folder that the video lay in."""
    if "://" in source:
        return detail
    detail = detail.replace(source, video_id)
    folder = source.removesuffix(video_id)
    return detail.replace(folder, "") if len(folder) > 1 else detail


def _starts(lists: pa.ListArray) -> Any:
    """Where each list's items begin among the flattened ones: int, `(len(lists),)`."""
    offsets = np.asarray(lists.offsets)
    return offsets[:-1] - offsets[0] if len(lists) else offsets[:0]


def _samples(column: pa.ChunkedArray, seen_together: pa.ChunkedArray) -> pa.ListArray:
    """All texts of each clip, frames in order; null where there is only one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = column.combine_chunks()
    if pc.any(seen_together).as_py():  # each text stands with every frame: once is enough
        first = pc.list_slice(lists, 0, 1)
        lists = pc.if_else(seen_together.combine_chunks(), first, lists)
    captions = pc.struct_field(pc.list_flatten(lists), "captions")
    texts = pc.struct_field(pc.list_flatten(captions), "text")
    clip_of_frame = np.repeat(np.arange(len(lists)), np.diff(lists.offsets))
    clip = np.repeat(clip_of_frame, np.asarray(pc.list_value_length(captions)))
    counts = np.bincount(clip, minlength=len(lists))
    is_single = counts < 2
    counts[is_single] = 0
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    several = texts.filter(pa.array(~is_single[clip]))
    return pa.ListArray.from_arrays(
        pa.array(offsets), several, type=pa.list_(pa.string()), mask=pa.array(is_single)
    )


def _clip_fields() -> list[pa.Field]:
    import pyarrow as pa

    in_run = clip_schema()
    fields = {name: in_run.field(name) for name in (*_KEPT, "url")}
    fields["chance_percentile"] = pa.field("chance_percentile", pa.float32())
    fields["repeats"] = pa.field("repeats", pa.int32(), nullable=False)
    fields["samples"] = pa.field("samples", pa.list_(pa.string()))
    fields["prompt"] = pa.field("prompt", pa.string())
    for name in ("run", "model", "model_revision", "decoding", "dtype", "strategy"):
        fields[name] = pa.field(name, pa.string(), nullable=False)
    return [fields[name] for name in load_schema("clip.v1")["properties"]]


def _frame_fields() -> list[pa.Field]:
    import pyarrow as pa

    return [
        pa.field("video_id", pa.string(), nullable=False),
        pa.field("clip_index", pa.int32(), nullable=False),
        pa.field("frame_index", pa.int32(), nullable=False),
        pa.field("time_s", pa.float64(), nullable=False),
        pa.field("is_keyframe", pa.bool_(), nullable=False),
        pa.field("captions", pa.list_(caption_type()), nullable=False),
        pa.field("perceptual_hash", pa.string()),
        *look_fields(),
        pa.field("run", pa.string(), nullable=False),
    ]


def _skipped_fields() -> list[pa.Field]:
    import pyarrow as pa

    return [
        pa.field("video_id", pa.string(), nullable=False),
        pa.field("clip_index", pa.int32()),
        pa.field("start_s", pa.float64()),
        pa.field("end_s", pa.float64()),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("run", pa.string(), nullable=False),
    ]
