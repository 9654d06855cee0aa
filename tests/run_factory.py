"""Runs made for tests, through the production writer, from clips that need no video."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from pseudolabel.records import (
    Caption,
    CaptionedClip,
    ClipCaption,
    ClipPlan,
    Flag,
    FrameCaption,
    FrameLook,
    Part,
    Skipped,
    SkipReason,
    Span,
    Video,
    VideoInfo,
)
from pseudolabel.runs.storage.writer import RunWriter, VideoRows

CLIP_S = 8.0


def video_rows(
    video_id: str,
    texts: Sequence[str | tuple[str, ...]] = ("a cat", "a dog"),
    *,
    source: str | None = None,
    logprob: float | None = -0.5,
    truncated: bool | None = False,
    frames: int = 1,
    flags: tuple[Flag, ...] = (),
    skipped: Sequence[Skipped] = (),
    url: str | None = None,
    hashes: Sequence[int] = (),
) -> VideoRows:
    """A video with one clip of 8 s a text; several texts for a clip are samples.

    `hashes` are the perceptual ones of the clips' frames, where pictures matter.
    """
    video = Video(video_id, source or f"/home/me/videos/{video_id}", listed="1-2", url=url)
    end_s = max(1, len(texts)) * CLIP_S
    info = VideoInfo(
        320, 240, "h264", "yuv420p", 0, 25.0, end_s, 0.0, end_s, hashlib.sha256(b"x").hexdigest()
    )
    looks = [FrameLook(f"{bits:016x}", 120.0, 50.0, None, 0.0) for bits in hashes]
    clips = tuple(
        _clip(video, info, index, text, logprob, truncated, frames, flags, look)
        for index, (text, look) in enumerate(zip_longest(texts, looks))
    )
    return VideoRows(clips, tuple(skipped))


def _clip(
    video: Video,
    info: VideoInfo,
    index: int,
    text: str | tuple[str, ...],
    logprob: float | None,
    truncated: bool | None,
    frames: int,
    flags: tuple[Flag, ...],
    look: FrameLook | None,
) -> ClipCaption:
    span = Span(index * CLIP_S, (index + 1) * CLIP_S)
    samples = (text,) if isinstance(text, str) else text
    captioned = tuple(
        FrameCaption(
            span.start_s + (position + 0.5) * CLIP_S / frames,
            is_keyframe=False,
            captions=tuple(Caption(sample, logprob, truncated) for sample in samples),
            look=look,
        )
        for position in range(frames)
    )
    plan = ClipPlan(index, span, tuple(frame.time_s for frame in captioned))
    part = Part(frames // 2, 0, frames // 2)
    clip = CaptionedClip(video, info, plan, captioned)
    return ClipCaption(clip, samples[0], (part,), flags=flags)


def skipped_video(video_id: str, detail: str = "no frame of it decodes") -> Skipped:
    """A video that was not captioned."""
    source = f"/home/me/videos/{video_id}"
    return Skipped(video_id, source, "open", SkipReason.NO_FRAMES, detail)


def write_run(
    path: Path,
    *parts: Sequence[VideoRows],
    created_at: str = "2026-01-01T00:00:00+00:00",
    captioner: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    run_id: str | None = None,
) -> str:
    """A run folder with these parts; gives its path as text."""
    described = {"--clips": "fixed:8", "--frames": 1, "--strategy": "center", **(options or {})}
    with RunWriter(str(path)) as writer:
        writer.write_manifest(
            {
                "format_version": 1,
                "id": run_id or hashlib.sha256(path.name.encode()).hexdigest()[:16],
                "created_at": created_at,
                "options": described,
                "fingerprint": hashlib.sha256(json.dumps(described).encode()).hexdigest(),
                "captioner": {
                    "model": "org/captioner",
                    "revision": "c" * 40,
                    "backend": "transformers",
                    "architecture": "blip",
                    "prompt": None,
                    "decoding": "greedy",
                    "max_new_tokens": 30,
                    "dtype": "float32",
                    **(captioner or {}),
                },
                "scorer": None,
                "text_encoder": None,
                "llm": None,
                "health": {"loop": "it says the same again and again"},
                "versions": {"pseudolabel": "0.1.0"},
            }
        )
        for part in parts:
            writer.commit(part)
    return str(path)
