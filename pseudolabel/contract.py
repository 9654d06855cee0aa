"""Records to rows and back: the columns of what is written, in one place.

The same columns are described for other languages by the JSON Schemas in `schemas/`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pseudolabel.records import ClipCaption, FrameCaption, Skipped

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT_VERSION = 1  # of the run folder; readers refuse a higher one

_SECRET = re.compile(r"(?i)sig|token|key|secret|passw|credential|expires|^x-(amz|goog)-")


def printable(text: str) -> str:
    r"""Text that any file format holds: bytes of a path that are not UTF-8 become `\xNN`."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def public_source(source: str) -> str:
    """A path or URL as it may be published: without passwords and signatures."""
    if "://" not in source:
        return printable(source)
    parts = urlsplit(source)
    query = [(k, v) for k, v in parse_qsl(parts.query, True) if not _SECRET.search(k)]
    host = parts.netloc.rpartition("@")[2]
    return printable(urlunsplit((parts.scheme, host, parts.path, urlencode(query), "")))


def load_schema(name: str) -> dict[str, Any]:
    """A published JSON Schema (draft 2020-12) by name, such as `run_clip.v1`."""
    text = (resources.files("pseudolabel_schemas") / f"{name}.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def caption_type() -> pa.DataType:
    """The Arrow type of one text that a captioner gave for a frame."""
    import pyarrow as pa

    return pa.struct(
        [
            pa.field("text", pa.string(), nullable=False),
            pa.field("mean_logprob", pa.float32()),
            pa.field("truncated", pa.bool_()),
            pa.field("similarity", pa.float32()),
        ]
    )


def clip_schema() -> pa.Schema:
    """The Arrow schema of a row of a run: one captioned clip."""
    import pyarrow as pa

    frame = pa.struct(
        [
            pa.field("time_s", pa.float64(), nullable=False),
            pa.field("is_keyframe", pa.bool_(), nullable=False),
            pa.field("captions", pa.list_(caption_type()), nullable=False),
            pa.field("perceptual_hash", pa.string()),
        ]
    )
    return pa.schema(
        [
            pa.field("video_id", pa.string(), nullable=False),
            pa.field("clip_index", pa.int32(), nullable=False),
            pa.field("start_s", pa.float64(), nullable=False),
            pa.field("end_s", pa.float64(), nullable=False),
            pa.field("caption", pa.string(), nullable=False),
            pa.field("mean_logprob", pa.float32()),
            pa.field("truncated", pa.bool_()),
            pa.field("similarity", pa.float32()),
            pa.field("frame_time_s", pa.float64(), nullable=False),
            pa.field("chosen_frame", pa.int32(), nullable=False),
            pa.field("chosen_sample", pa.int32(), nullable=False),
            pa.field("frames", pa.list_(frame), nullable=False),
            pa.field("cuts_s", pa.list_(pa.float64())),
            pa.field("flags", pa.list_(pa.string()), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("url", pa.string()),
            pa.field("license", pa.string()),
            pa.field("listed", pa.string(), nullable=False),
            pa.field("content_hash", pa.string(), nullable=False),
            pa.field("width", pa.int32(), nullable=False),
            pa.field("height", pa.int32(), nullable=False),
            pa.field("codec", pa.string(), nullable=False),
            pa.field("pixel_format", pa.string(), nullable=False),
            pa.field("rotation_deg", pa.int32(), nullable=False),
            pa.field("fps_from_header", pa.float64()),
            pa.field("duration_s_from_header", pa.float64()),
            pa.field("first_frame_s", pa.float64(), nullable=False),
            pa.field("video_end_s", pa.float64(), nullable=False),
        ]
    )


def skipped_schema() -> pa.Schema:
    """The Arrow schema of a row of a run: a video, or one clip of it, without a caption."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("video_id", pa.string(), nullable=False),
            pa.field("clip_index", pa.int32()),
            pa.field("start_s", pa.float64()),
            pa.field("end_s", pa.float64()),
            pa.field("stage", pa.string(), nullable=False),
            pa.field("reason", pa.string(), nullable=False),
            pa.field("detail", pa.string(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("listed", pa.string(), nullable=False),
        ]
    )


def clip_row(clip: ClipCaption) -> dict[str, Any]:
    """One clip as a row of `clip_schema()`."""
    video, info, plan = clip.video, clip.info, clip.plan
    return {
        "video_id": video.video_id,
        "clip_index": plan.index,
        "start_s": plan.span.start_s,
        "end_s": plan.span.end_s,
        "caption": clip.caption.text,
        "mean_logprob": clip.caption.mean_logprob,
        "truncated": clip.caption.truncated,
        "similarity": clip.caption.similarity,
        "frame_time_s": clip.frames[clip.chosen_frame].time_s,
        "chosen_frame": clip.chosen_frame,
        "chosen_sample": clip.chosen_sample,
        "frames": [_frame_row(frame) for frame in clip.frames],
        "cuts_s": None if plan.cuts_s is None else list(plan.cuts_s),
        "flags": list(clip.flags),
        "source": public_source(video.source),
        "url": video.url,
        "license": video.license,
        "listed": video.listed,
        "content_hash": info.content_hash,
        "width": info.width,
        "height": info.height,
        "codec": info.codec,
        "pixel_format": info.pixel_format,
        "rotation_deg": info.rotation_deg,
        "fps_from_header": info.fps_from_header,
        "duration_s_from_header": info.duration_s_from_header,
        "first_frame_s": info.first_frame_s,
        "video_end_s": info.end_s,
    }


def skipped_row(skipped: Skipped) -> dict[str, Any]:
    """One `Skipped` as a row of `skipped_schema()`."""
    return {
        "video_id": skipped.video_id,
        "clip_index": skipped.clip_index,
        "start_s": skipped.clip.start_s if skipped.clip else None,
        "end_s": skipped.clip.end_s if skipped.clip else None,
        "stage": skipped.stage,
        "reason": skipped.reason.value,
        "detail": printable(skipped.detail.replace(skipped.source, public_source(skipped.source))),
        "source": public_source(skipped.source),
        "listed": skipped.listed,
    }


def _frame_row(frame: FrameCaption) -> Mapping[str, Any]:
    return {
        "time_s": frame.time_s,
        "is_keyframe": frame.is_keyframe,
        "captions": [
            {
                "text": caption.text,
                "mean_logprob": caption.mean_logprob,
                "truncated": caption.truncated,
                "similarity": caption.similarity,
            }
            for caption in frame.captions
        ],
        "perceptual_hash": frame.perceptual_hash,
    }
