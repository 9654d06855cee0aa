"""The same keyframes through the loop, through batches of one video, and through pseudolabel."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.blip import TOKENS, model_folder
from benchmarks.collection import folder_of
from benchmarks.footage import FPS, P360, Footage
from benchmarks.machine import cores, warn_if_busy
from benchmarks.peer_loops import Loop, VideoByVideo
from benchmarks.peers import import_peers, versions
from benchmarks.reporting import Report, Table, measure_by_turns, median, spread
from pseudolabel import CaptionOptions, ClipOptions, Tally, caption_videos, find_rows
from pseudolabel.captioners.load import load_captioner
from pseudolabel.captioners.protocol import Captioner

KEYFRAMES = (12, 2)  # of a video: half a minute, and a clip of five seconds
GOP_S = P360.gop / FPS
CPU_FRAMES = 36  # for every way
GPU_FRAMES = {"loop": 360, "by video": 3_600, "pseudolabel": 36_000}  # some seconds for each
ROUNDS = 3

Way = Callable[[Path], list[str] | Tally]  # from a folder to what it says of its keyframes


def run(data: Path, *, quick: bool) -> Report:
    """Longer videos, then short ones; all ways by turns."""
    report = Report("side_by_side", quick)
    warn_if_busy()
    import_peers(data)
    import torch

    report.machine["versions"] |= versions()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ways, dtype = _ways(data, model_folder(data, quick=quick), device)
    footage = replace(P360, seconds=24) if quick else P360
    for keyframes in KEYFRAMES:
        found = _measure(data, footage, ways, keyframes, device, quick=quick)
        report.add(_table(found, keyframes, device, dtype))
        report.results[f"{keyframes} keyframes a video"] = found
    report.results |= {"device": device, "dtype_auto": dtype}
    return report


def _ways(data: Path, model: Path, device: str) -> tuple[dict[str, Way], str]:
    """Everything loaded, by name; and the number format that `--dtype auto` chooses."""
    auto, single = (_load(model, dtype, device) for dtype in ("auto", "float32"))
    dtype = auto.identity.dtype
    ways: dict[str, Way] = {"loop, float32": partial(_loop, Loop.load(model, device))}
    for each in dict.fromkeys(("float32", dtype)):
        recipe = VideoByVideo.load(model, each, device)
        ways[f"by video, {each}"] = partial(_by_video, recipe)
    for each, captioner in {"float32": single, dtype: auto}.items():
        ways[f"pseudolabel, {each}"] = partial(_ours, captioner, data / "run")
    return ways, dtype


def _measure(
    data: Path,
    footage: Footage,
    ways: dict[str, Way],
    keyframes: int,
    device: str,
    *,
    quick: bool,
) -> dict[str, Any]:
    """Frames a second of every way, once all were seen to caption the same ones."""
    kinds = {name: name.partition(",")[0] for name in ways}
    counts = {name: CPU_FRAMES if device == "cpu" else GPU_FRAMES[kinds[name]] for name in ways}
    if quick:
        counts = dict.fromkeys(ways, 2 * keyframes)
    folders = {
        count: folder_of(data, footage, videos=count // keyframes, gops=keyframes)
        for count in {*counts.values(), keyframes}  # the last is a video to warm up with
    }
    for name, way in ways.items():
        _check(name, way(folders[keyframes]), data / "run", keyframes)
    series = {name: partial(way, folders[counts[name]]) for name, way in ways.items()}
    times = measure_by_turns(series, 1 if quick else ROUNDS)
    return {
        name: {
            "frames_per_s": counts[name] / median([one.wall for one in taken]),
            "seconds": [one.wall for one in taken],
            "frames": counts[name],
        }
        for name, taken in times.items()
    }


def _table(found: dict[str, Any], keyframes: int, device: str, dtype: str) -> Table:
    import torch

    rates = {name: one["frames_per_s"] for name, one in found.items()}
    base = ("loop, float32", "by video, float32", f"by video, {dtype}")
    table = Table(
        f"videos of {keyframes} keyframes ({keyframes * GOP_S:g} s), 640x360 H.264, on "
        f"{device}: {TOKENS} tokens, {cores()} cores, {torch.get_num_threads()} torch threads",
        (
            *("way", "frames/s", "over the loop", "over by video, float32"),
            *(f"over by video, {dtype}", "seconds, low-high", "frames", "rounds"),
        ),
        [
            (
                *(name, rates[name], *(rates[name] / rates[other] for other in base)),
                *(spread(one["seconds"]), one["frames"], len(one["seconds"])),
            )
            for name, one in found.items()
        ],
    )
    ours = rates[f"pseudolabel, {dtype}"]
    table.notes = [
        f"pseudolabel, as it is by default: **{ours / rates[base[0]]:.2f}** x the loop (goal 4), "
        f"**{ours / rates[base[1]]:.2f}** x batches of one video (goal 2), "
        f"{ours / rates[base[2]]:.2f} x if these are in {dtype} as well",
        "every way captions every keyframe of every video, and those alone: the loop by OpenCV, "
        "batches of one video by PyAV, pseudolabel with clips as long as from keyframe to keyframe",
        "models are loaded and warm; decode workers start inside the measured time",
    ]
    return table


def _loop(loop: Loop, folder: Path) -> list[str]:
    videos = sorted(folder.iterdir())
    return [text for video in videos for text in loop.caption(video, _keyframes)]


def _keyframes(frames: int) -> range:
    return range(0, frames, P360.gop)


def _by_video(recipe: VideoByVideo, folder: Path) -> list[str]:
    joined = [recipe.caption(video) for video in sorted(folder.iterdir())]
    return [text for texts in joined for text in texts.split(". ")]


def _ours(captioner: Captioner, out: Path, folder: Path) -> Tally:
    shutil.rmtree(out, ignore_errors=True)
    clips = ClipOptions(length_s=GOP_S, min_clip_s=0)  # a keyframe each, at its beginning
    return caption_videos([str(folder)], str(out), clips=clips, captioner=captioner)


def _check(name: str, found: list[str] | Tally, out: Path, keyframes: int) -> None:
    """One video was captioned: every keyframe, in as many tokens as in all other ways."""
    if isinstance(found, Tally):
        rows = sorted(find_rows(str(out)), key=lambda row: float(row["frame_time_s"]))
        found = [row["caption"] for row in rows]
        times_s = [row["frame_time_s"] for row in rows if row["frames"][0]["is_keyframe"]]
        if not np.allclose(times_s, GOP_S * np.arange(keyframes)):
            raise SystemExit(f"{name}: keyframes at {times_s}, not every {GOP_S:g} s")
    if (lengths := [len(text.split()) for text in found]) != [TOKENS] * keyframes:
        raise SystemExit(f"{name}: captions of {lengths} tokens, not {keyframes} times {TOKENS}")


def _load(model: Path, dtype: str, device: str) -> Captioner:
    return load_captioner(
        CaptionOptions(
            model=str(model),
            max_new_tokens=TOKENS,
            dtype=dtype,  # type: ignore[arg-type]
            device=device,
        )
    )
