"""Records to rows and back: the columns of what is written, in one place.

The same columns are described for other languages by the JSON Schemas in `schemas/`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pseudolabel.records import (
    Caption,
    CaptionedClip,
    ClipCaption,
    ClipPlan,
    FrameCaption,
    FrameLook,
    Skipped,
    Span,
    Video,
    VideoInfo,
)

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT_VERSION = 1  # of the run folder; readers refuse a higher one

_LOOK = tuple(field.name for field in fields(FrameLook))
_SECRET = re.compile(r"(?i)sig|token|key|secret|passw|credential|expires|^x-(amz|goog)-")


def printable(text: str) -> str:
    r"""Text that any file format holds: bytes of a path that are not UTF-8 become `\xNN`."""
    try:
        return os.fsencode(text).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a surrogate that stands for no byte: JSON can hold it
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")


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
            pa.field("clip_similarity", pa.float32()),
            pa.field("is_cut", pa.bool_()),
        ]
    )


def part_type() -> pa.DataType:
    """The Arrow type of where a piece of a caption came from."""
    import pyarrow as pa

    return pa.struct(
        [
            pa.field("frame", pa.int32(), nullable=False),
            pa.field("sample", pa.int32(), nullable=False),
            pa.field("last_frame", pa.int32(), nullable=False),
            pa.field("first_s", pa.float64(), nullable=False),
            pa.field("last_s", pa.float64(), nullable=False),
        ]
    )


def look_fields() -> list[pa.Field]:
    """The Arrow fields of what a frame's pixels say, but for its hash."""
    import pyarrow as pa

    return [
        pa.field("brightness", pa.float64()),
        pa.field("contrast", pa.float64()),
        pa.field("change", pa.float64()),
        pa.field("text_share", pa.float64()),
    ]


def clip_schema() -> pa.Schema:
    """The Arrow schema of a row of a run: one captioned clip."""
    import pyarrow as pa

    frame = pa.struct(
        [
            pa.field("time_s", pa.float64(), nullable=False),
            pa.field("is_keyframe", pa.bool_(), nullable=False),
            pa.field("captions", pa.list_(caption_type()), nullable=False),
            pa.field("perceptual_hash", pa.string()),
            *look_fields(),
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
            pa.field("clip_similarity", pa.float32()),
            pa.field("is_rewritten", pa.bool_(), nullable=False),
            pa.field("parts", pa.list_(part_type()), nullable=False),
            pa.field("frame_time_s", pa.float64(), nullable=False),
            pa.field("perceptual_hash", pa.string()),
            pa.field("frames", pa.list_(frame), nullable=False),
            pa.field("seen_together", pa.bool_(), nullable=False),
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
    video, info, plan, frames = clip.clip.video, clip.clip.info, clip.clip.plan, clip.clip.frames
    first = frames[clip.parts[0].frame]
    return {
        "video_id": video.video_id,
        "clip_index": plan.index,
        "start_s": plan.span.start_s,
        "end_s": plan.span.end_s,
        "caption": clip.text,
        **_scores(clip),
        "is_rewritten": clip.is_rewritten,
        "parts": [
            {
                "frame": part.frame,
                "sample": part.sample,
                "last_frame": part.last_frame,
                "first_s": frames[part.frame].time_s,
                "last_s": frames[part.last_frame].time_s,
            }
            for part in clip.parts
        ],
        "frame_time_s": first.time_s,
        "perceptual_hash": first.look.perceptual_hash if first.look else None,
        "frames": [_frame_row(frame) for frame in frames],
        "seen_together": clip.clip.seen_together,
        "cuts_s": None if plan.cuts_s is None else list(plan.cuts_s),
        "flags": [flag.value for flag in clip.flags],
        "source": public_source(video.source),
        "url": None if video.url is None else printable(video.url),
        "license": None if video.license is None else printable(video.license),
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


def captioned_clip(row: Mapping[str, Any]) -> CaptionedClip:
    """What a row of `clip_schema()` was made from: `clip_row` backwards, up to the choice."""
    video = Video(
        video_id=row["video_id"],
        source=row["source"],
        listed=row["listed"],
        url=row["url"],
        license=row["license"],
    )
    info = VideoInfo(
        width=row["width"],
        height=row["height"],
        codec=row["codec"],
        pixel_format=row["pixel_format"],
        rotation_deg=row["rotation_deg"],
        fps_from_header=row["fps_from_header"],
        duration_s_from_header=row["duration_s_from_header"],
        first_frame_s=row["first_frame_s"],
        end_s=row["video_end_s"],
        content_hash=row["content_hash"],
    )
    frames = tuple(_frame_caption(frame) for frame in row["frames"])
    plan = ClipPlan(
        index=row["clip_index"],
        span=Span(row["start_s"], row["end_s"]),
        wanted_s=tuple(frame.time_s for frame in frames),  # those it got
        cuts_s=None if row["cuts_s"] is None else tuple(row["cuts_s"]),
    )
    return CaptionedClip(video, info, plan, frames, row["seen_together"])


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


def _scores(clip: ClipCaption) -> dict[str, Any]:
    """Of a text joined from several, those of its weakest part; of a rewritten one, none."""
    names = ("mean_logprob", "truncated", "similarity", "clip_similarity")
    if clip.is_rewritten:
        return dict.fromkeys(names)
    weakest = {"truncated": max}

    # A text of many frames is like all of them, or not.
    own = {"similarity": "clip_similarity"} if clip.clip.seen_together else {}

    def joined(name: str) -> Any:
        values = [getattr(caption, own.get(name, name)) for caption in clip.captions]
        return None if None in values else weakest.get(name, min)(values)

    return {name: joined(name) for name in names}


def _frame_row(frame: FrameCaption) -> dict[str, Any]:
    look = frame.look
    return {
        "time_s": frame.time_s,
        "is_keyframe": frame.is_keyframe,
        "captions": [asdict(caption) for caption in frame.captions],
        **(dict.fromkeys(_LOOK) if look is None else asdict(look)),
    }


def _frame_caption(row: Mapping[str, Any]) -> FrameCaption:
    has_look = row["perceptual_hash"] is not None
    return FrameCaption(
        time_s=row["time_s"],
        is_keyframe=row["is_keyframe"],
        captions=tuple(Caption(**caption) for caption in row["captions"]),
        look=FrameLook(**{name: row[name] for name in _LOOK}) if has_look else None,
    )
