"""Clips a second against the loop that everybody writes first."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from benchmarks.blip import TOKENS, model_folder
from benchmarks.collection import folder_of
from benchmarks.footage import FPS, P360
from benchmarks.machine import warn_if_busy
from benchmarks.peer_loops import Loop
from benchmarks.peers import import_peers, versions
from benchmarks.reporting import Report, Table, measure_by_turns, median, spread
from pseudolabel import CaptionOptions, FrameOptions, caption_videos
from pseudolabel.captioners.load import load_captioner
from pseudolabel.captioners.protocol import Captioner

CLIP_S = 8
GOPS = 34  # of 2.4 s: 81.6 s, ten clips
LOOP = "loop: OpenCV, Pillow, processor, generate; one frame at a time, float32"


def run(data: Path, *, quick: bool) -> Report:
    """The loop, ours in the number format it chooses, and ours in float32: by turns."""
    report = Report("loop", quick)
    warn_if_busy()
    import_peers(data)
    import torch

    report.machine["versions"] |= versions()
    model = model_folder(data, quick=quick)
    footage = replace(P360, seconds=24) if quick else P360
    videos = 2 if quick else 4
    folder = folder_of(data, footage, videos=videos, gops=GOPS)
    loop = Loop.load(model)
    auto, single = (_load(model, dtype) for dtype in ("auto", "float32"))
    dtype = auto.identity.dtype
    ours_auto = f"pseudolabel --dtype auto ({dtype})"
    ours_exact = f"pseudolabel --dtype auto ({dtype}) --snap exact"
    ours_single = "pseudolabel --dtype float32"
    series: dict[str, Callable[[], object]] = {
        LOOP: lambda: list(_captions(loop, folder)),
        ours_auto: lambda: _ours(auto, data, folder),
        ours_exact: lambda: _ours(auto, data, folder, snap="exact"),
        ours_single: lambda: _ours(single, data, folder),
    }
    clips = _warm_up(loop, (auto, single), data, folder)
    times = measure_by_turns(series, 1 if quick else 3)
    walls = {name: [one.wall for one in taken] for name, taken in times.items()}
    rates = {name: clips / median(seconds) for name, seconds in walls.items()}
    table = Table(
        f"{clips} clips of {videos} videos, 640x360 H.264, {model.name}, {TOKENS} tokens, on the "
        f"CPU, {torch.get_num_threads()} torch threads",
        ("series", "clips/s", "over the loop", "seconds, low-high", "rounds"),
        [
            (name, rates[name], rates[name] / rates[LOOP], spread(seconds), len(seconds))
            for name, seconds in walls.items()
        ],
    )
    native = "has" if report.machine["bf16_flags"] else "does not have"
    table.notes = [
        f"this CPU {native} bf16 natively; --dtype auto chose {dtype}",
        f"pseudolabel over the loop: **{rates[ours_auto] / rates[LOOP]:.2f}** "
        "(goal 4 with native bf16)",
        f"in float32 as well: {rates[ours_single] / rates[LOOP]:.2f}",
        "models are loaded and warm; decode workers start inside the measured time",
        "the loop takes the exact center frame of every clip; pseudolabel the keyframe nearest to "
        "it, its default, or with --snap exact the same frame",
    ]
    report.add(table)
    report.results = {
        "clips": clips,
        "dtype_auto": dtype,
        "clips_per_s": rates,
        "ratio_auto": rates[ours_auto] / rates[LOOP],
        "ratio_auto_exact": rates[ours_exact] / rates[LOOP],
        "ratio_float32": rates[ours_single] / rates[LOOP],
        "seconds": walls,
    }
    return report


def _captions(loop: Loop, folder: Path) -> Iterator[str]:
    for video in sorted(folder.iterdir()):
        yield from loop.caption(video, _centers)


def _centers(frames: int) -> list[int]:
    return [(start + end) // 2 for start, end in _clips(frames)]


def _clips(frames: int) -> list[tuple[int, int]]:
    """Clips of 8 s in frames; a last one under 2 s joins the one before, as in ours."""
    length = CLIP_S * FPS
    starts = list(range(0, frames, length))
    if len(starts) > 1 and frames - starts[-1] < 2 * FPS:
        starts.pop()
    return list(zip(starts, [*starts[1:], frames], strict=True))


def _load(model: Path, dtype: str) -> Captioner:
    return load_captioner(
        CaptionOptions(
            model=str(model),
            max_new_tokens=TOKENS,
            dtype=dtype,  # type: ignore[arg-type]
            device="cpu",
        )
    )


def _ours(captioner: Captioner, data: Path, folder: Path, *, snap: str = "keyframe") -> int:
    out = data / "run"
    shutil.rmtree(out, ignore_errors=True)
    frames = FrameOptions(snap=snap)  # type: ignore[arg-type]
    return caption_videos([str(folder)], str(out), frames=frames, captioner=captioner).clips


def _warm_up(loop: Loop, ours: tuple[Captioner, ...], data: Path, folder: Path) -> int:
    """Run everything a little; gives the number of clips, once all agree on it."""
    from pseudolabel import find_rows

    lengths = {len(text.split()) for text in islice(_captions(loop, folder), 2)}
    first = sorted(folder.iterdir())[0]
    for captioner in ours:
        _ours(captioner, data, first)
        lengths |= {len(row["caption"].split()) for row in find_rows(str(data / "run"))}
    if lengths != {TOKENS}:
        raise SystemExit(f"captions should all have {TOKENS} tokens, have {sorted(lengths)}")
    import cv2

    videos = sorted(folder.iterdir())
    counts = [cv2.VideoCapture(str(p)).get(cv2.CAP_PROP_FRAME_COUNT) for p in videos]
    return sum(len(_clips(int(count))) for count in counts)
