"""A run folder of many clips, made of columns: what weeks of captioning leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

CLIPS_A_VIDEO = 20
CLIPS_A_PART = 5_000
_SAID = (
    "a man woman dog cat red blue green plays runs sits stands on in near the with of and street "
    "kitchen beach car tree ball table guitar food water people holding walking cooking"
)
WORDS = _SAID.split()
MANIFEST = {
    "format_version": 1,
    "created_at": "2026-01-01T00:00:00+00:00",
    "options": {"--clips": "fixed:8", "--strategy": "center", "--model": "synthetic"},
    "fingerprint": "0" * 64,
    "captioner": {
        "model": "synthetic",
        "revision": "none",
        "backend": "none",
        "architecture": "none",
        "prompt": None,
        "decoding": "greedy",
        "max_new_tokens": 20,
        "dtype": "float32",
    },
    "versions": {},
}


def big_run(data: Path, clips: int, *, seed: int = 0) -> Path:
    """A run of `clips` clips, 20 a video, in parts of 5,000; made when it is not there."""
    import pyarrow.parquet as pq

    path = data / "runs" / f"{clips}-clips-{seed}"
    if path.exists():
        return path
    partial = path.with_name(f".partial-{path.name}")
    partial.mkdir(parents=True, exist_ok=True)
    manifest = {**MANIFEST, "id": f"{seed:08x}{clips:08x}"}
    (partial / "run.json").write_text(json.dumps(manifest, indent=2))
    random = np.random.default_rng(seed)
    for part, start in enumerate(range(0, clips, CLIPS_A_PART)):
        rows = _clips(random, start, min(CLIPS_A_PART, clips - start))
        pq.write_table(rows, partial / f"clips-{part:06d}.parquet", compression="zstd")
    partial.rename(path)
    return path


def _clips(random: np.random.Generator, start: int, count: int) -> Any:
    import pyarrow as pa

    from pseudolabel.contract import clip_schema

    number = np.arange(start, start + count)
    video, index = number // CLIPS_A_VIDEO, number % CLIPS_A_VIDEO
    words = random.integers(0, len(WORDS), (count, 9))
    captions = pa.array([" ".join(WORDS[w] for w in row) for row in words])
    logprob = pa.array(-random.gamma(2.0, 0.4, count), pa.float32())
    times = pa.array(index * 8.0 + 4 + random.random(count))
    schema = clip_schema()
    zeros = np.zeros(count, np.int32)
    columns = {
        "video_id": pa.array([f"videos/{v // 1000:05d}/{v:09d}.mp4" for v in video]),
        "clip_index": pa.array(index, pa.int32()),
        "start_s": pa.array(index * 8.0),
        "end_s": pa.array(index * 8.0 + 8),
        "caption": captions,
        "mean_logprob": logprob,
        "truncated": pa.array(np.zeros(count, bool)),
        "frame_time_s": times,
        "is_rewritten": pa.array(np.zeros(count, bool)),
        "seen_together": pa.array(np.zeros(count, bool)),
        "parts": _parts(times, schema.field("parts").type),
        "frames": _frames(captions, logprob, times, schema.field("frames").type),
        "flags": pa.ListArray.from_arrays(np.zeros(count + 1, np.int32), pa.array([], pa.string())),
        "source": pa.array([f"/data/videos/{v // 1000:05d}/{v:09d}.mp4" for v in video]),
        "listed": pa.array([f"{1_000_000 + v}-1700000000000000000" for v in video]),
        "content_hash": pa.array([f"{v:064x}" for v in video]),
        "width": pa.array(np.full(count, 640, np.int32)),
        "height": pa.array(np.full(count, 360, np.int32)),
        "codec": pa.repeat("h264", count),
        "pixel_format": pa.repeat("yuv420p", count),
        "rotation_deg": pa.array(zeros),
        "fps_from_header": pa.array(np.full(count, 25.0)),
        "first_frame_s": pa.array(np.zeros(count)),
        "video_end_s": pa.array(np.full(count, CLIPS_A_VIDEO * 8.0)),
    }
    absent = {field.name: pa.nulls(count, field.type) for field in schema}
    return pa.table({**absent, **columns}, schema=schema)


def _parts(times: Any, kind: Any) -> Any:
    """Each caption is that of its one frame."""
    import pyarrow as pa

    zeros = pa.array(np.zeros(len(times), np.int32))
    parts = pa.StructArray.from_arrays(
        [zeros, zeros, zeros, times, times], fields=list(kind.value_type)
    )
    return pa.ListArray.from_arrays(_one_each(len(times)), parts, type=kind)


def _one_each(count: int) -> Any:
    import pyarrow as pa

    return pa.array(np.arange(count + 1, dtype=np.int32))


def _frames(captions: Any, logprob: Any, times: Any, kind: Any) -> Any:
    """One frame a clip, with one caption."""
    import pyarrow as pa

    count = len(captions)
    frame = kind.value_type
    text = frame.field("captions").type.value_type
    false, true = pa.array(np.zeros(count, bool)), pa.array(np.ones(count, bool))
    known = {"text": captions, "mean_logprob": logprob, "truncated": false}
    texts = pa.StructArray.from_arrays(
        [known.get(field.name, pa.nulls(count, field.type)) for field in text], fields=list(text)
    )
    captioned = pa.ListArray.from_arrays(_one_each(count), texts)
    known = {"time_s": times, "is_keyframe": true, "captions": captioned}
    frames = pa.StructArray.from_arrays(
        [known.get(field.name, pa.nulls(count, field.type)) for field in frame], fields=list(frame)
    )
    return pa.ListArray.from_arrays(_one_each(count), frames)
