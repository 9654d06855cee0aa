"""The captioned frames of clips, decoded once more, as JPEG."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pseudolabel.records import Frame, FrameSize, Span, Video
from pseudolabel.videos.decode import VideoOpened
from pseudolabel.videos.options import ClipOptions, FrameOptions
from pseudolabel.videos.pool import DecodePool

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST = FrameSize(1280, 720, "contain")
QUALITY = 90  # of the JPEG
CLIPS_AT_ONCE = 1_000  # whose frames are held in memory
_FRAMES_AHEAD = 64
_TIMEOUT_S = 120.0
_INSIDE_S = 1e-4  # a span so short holds one frame


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A video, the times of its frames, and the rows they belong to."""

    content_hash: str
    times_s: list[float]
    rows: list[int]


def captioned_frames(clips: pa.Table, workers: int) -> pa.Array:
    """The frame that each clip's caption describes, as JPEG.

    Args:
        clips: Rows of a run, with `source`.
        workers: Decode workers.

    Returns:
        Binary, one a row; null where the video is gone, has changed, or does not decode.
    """
    import pyarrow as pa

    found: list[bytes | None] = [None] * clips.num_rows
    by_source = _by_source(clips)
    videos = (
        Video(source, source, spans=tuple(Span(t, t + _INSIDE_S) for t in wanted.times_s))
        for source, wanted in by_source.items()
    )
    changed: set[str] = set()
    for video, event in _decoded(videos, workers):
        wanted = by_source[video.source]
        if isinstance(event, VideoOpened) and wanted.content_hash != event.info.content_hash:
            changed.add(video.source)
        if isinstance(event, Frame) and video.source not in changed:
            found[wanted.rows[event.clip_index]] = _jpeg(event)
    return pa.array(found, pa.binary())


def _decoded(videos: Iterator[Video], workers: int) -> Iterator[tuple[Video, Any]]:
    with DecodePool(
        videos,
        clips=ClipOptions(mode="spans"),
        frames=FrameOptions(snap="exact"),
        size=LARGEST,
        workers=workers,
        frames_ahead=_FRAMES_AHEAD,
        timeout_s=_TIMEOUT_S,
    ) as pool:
        yield from pool


def _by_source(clips: pa.Table) -> dict[str, _Wanted]:
    columns = ("source", "content_hash", "frame_time_s")
    by_source: dict[str, list[tuple[float, int, str]]] = defaultdict(list)
    rows = zip(*(clips[name].to_pylist() for name in columns), strict=True)
    for row, (source, content_hash, time_s) in enumerate(rows):
        by_source[source].append((time_s, row, content_hash))
    return {
        source: _Wanted(wanted[0][2], [time for time, *_ in wanted], [row for _, row, _ in wanted])
        for source, wanted in ((source, sorted(rows)) for source, rows in by_source.items())
    }


def _jpeg(frame: Frame) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame.pixels).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
