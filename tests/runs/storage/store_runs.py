"""Runs in an object store, and what stands there: for the tests of both kinds of days."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from object_store import Answer, OnRequest, Request
from pseudolabel.runs.caption import caption_videos
from pseudolabel.runs.options import RunOptions
from pseudolabel.runs.pipeline.tally import Tally
from pseudolabel.runs.show import find_rows
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.runs.storage.writer import RunWriter
from pseudolabel.videos.options import ClipOptions, FrameOptions
from reading_captioner import ReadingCaptioner
from run_factory import video_rows


def run(inputs: str, out: str, **options: Any) -> Tally:
    defaults: dict[str, Any] = {"clips": ClipOptions(length_s=0.4, min_clip_s=0.0)}
    defaults["run"] = RunOptions(workers=1, commit_every_s=0)
    defaults["captioner"] = ReadingCaptioner(batch_size=3)
    frames = FrameOptions(snap="exact")
    return caption_videos([inputs], out, frames=frames, **(defaults | options))


def rows(run: str, kind: Any = "clips") -> list[dict[str, Any]]:
    found = find_rows(run, kind=kind)
    return sorted(found, key=lambda row: (row["video_id"], row["clip_index"] or 0))


def key(out: str, name: str = "") -> str:
    """Where a file of a run is, as the store says it."""
    return out.removeprefix("s3://") + (f"/{name}" if name else "")


def beside(out: str, name: str) -> str:
    """Another place of this test's own."""
    return f"{out.rpartition('/')[0]}/{name}"


def write_parts(out: str, *video_ids: str) -> None:
    """A run with a part for each of these videos."""
    with RunWriter(out) as writer:
        if not writer.folder.exists():
            writer.write_manifest({"format_version": 1, "options": {}})
        for video_id in video_ids:
            writer.commit([video_rows(video_id)])


def video_ids(out: str) -> set[str]:
    return {i for table in RunFolder(out).rows() for i in table["video_id"].to_pylist()}


def at(method: str, name: str, do: Callable[[Request], Answer | None]) -> OnRequest:
    """What to do with the first request of a method for a file."""
    left = [do]

    def on_request(request: Request) -> Answer | None:
        if left and request.method == method and request.key.endswith(name):
            return left.pop()(request)
        return None

    return on_request
