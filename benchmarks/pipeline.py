"""The whole pipeline against its parts: wall time over captioning and decoding alone."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.blip import SIDE, TOKENS, model_folder
from benchmarks.collection import folder_of
from benchmarks.footage import P360, Footage
from benchmarks.machine import cores, warn_if_busy
from benchmarks.reporting import Report, Table, median
from benchmarks.timed_captioner import TimedPreparingCaptioner
from pseudolabel import CaptionOptions, RunOptions, Tally, caption_videos
from pseudolabel.captioners.load import load_captioner

GOPS = 34  # of 2.4 s: 81.6 s, ten clips of 8 s
CPU_VIDEOS, GPU_VIDEOS = 24, 1_000
ROUNDS = 3


def run(data: Path, *, quick: bool) -> Report:
    """Caption the same folder several times, into a new run each time."""
    report = Report("pipeline", quick)
    warn_if_busy()
    import torch

    footage = replace(P360, seconds=24) if quick else P360
    has_gpu = torch.cuda.is_available()
    model = model_folder(data, quick=quick)
    videos = 3 if quick else CPU_VIDEOS
    _measure(report, data, model, footage, "cpu", videos, rounds=1 if quick else ROUNDS)
    if has_gpu:
        videos = 100 if quick else GPU_VIDEOS
        _measure(report, data, model, footage, "cuda", videos, rounds=1 if quick else ROUNDS)
    else:
        report.results["cuda"] = None
    return report


def _measure(
    report: Report,
    data: Path,
    model: Path,
    footage: Footage,
    device: str,
    videos: int,
    *,
    rounds: int,
) -> None:
    import torch

    folder = folder_of(data, footage, videos=videos, gops=GOPS)
    options = CaptionOptions(model=str(model), max_new_tokens=TOKENS, device=device)
    captioner = TimedPreparingCaptioner(load_captioner(options))
    _warm_up(captioner, data, next(folder.iterdir()))
    runs = [_once(captioner, data, folder, device) for _ in range(rounds)]
    table = Table(
        f"pipeline on {device}: {runs[0]['frames']} clips of {videos} videos, {footage.width}x"
        f"{footage.height} H.264, {model.name}, {SIDE} px, {TOKENS} tokens, "
        f"{captioner.identity.dtype}, batch {captioner.batch_size}, {cores()} cores, "
        f"{torch.get_num_threads()} torch threads",
        tuple(name.replace("_", " ") for name in runs[0]),
        [tuple(one.values()) for one in runs],
    )
    middle = {name: median([one[name] for one in runs]) for name in runs[0]}
    if device == "cpu":
        table.notes.append(
            "wall over (captioning CPU + decode CPU) / cores, median: "
            f"**{middle['wall_over_cpu_floor']:.3f}** (goal 1.10 at most)"
        )
        if not torch.cuda.is_available():
            table.notes.append("GPU: not measured (none here)")
    else:
        table.notes.append(
            f"wall over captioning time, median: **{middle['wall_over_captioning']:.3f}** (goal "
            f"1.05 at most); GPU busy, median: **{middle['gpu_busy_percent']:.0f} %** (goal 90)"
        )
    table.notes.append(
        "wall: from the first decode worker's start to the last commit; captioning CPU: processor "
        "time of the captioning process inside the captioner, threads that wait by spinning "
        "included; decode CPU: processor time of the workers"
    )
    report.add(table)
    report.results[device] = {
        "median": middle,
        "runs": runs,
        "dtype": captioner.identity.dtype,
        "batch_size": captioner.batch_size,
        "cores": cores(),
    }
    captioner.close()


def _warm_up(captioner: TimedPreparingCaptioner, data: Path, video: Path) -> None:
    """A video through everything: files in the cache, kernels chosen."""
    _into_new_run(captioner, data, video, videos=1)


def _once(
    captioner: TimedPreparingCaptioner, data: Path, folder: Path, device: str
) -> dict[str, Any]:
    captioner.reset()
    videos = sum(1 for _ in folder.iterdir())
    if device == "cpu":
        tally, busy = _into_new_run(captioner, data, folder, videos=videos), None
    else:
        with _gpu_watched() as samples:
            tally = _into_new_run(captioner, data, folder, videos=videos)
        busy = sum(samples) / len(samples) if samples else float("nan")
    floor_s = (captioner.cpu_s + tally.decode_cpu_s) / cores()
    result = {
        "frames": tally.frames,
        "wall_s": tally.wall_s,
        "captioning_wall_s": captioner.wall_s,
        "captioning_cpu_s": captioner.cpu_s,
        "decode_cpu_s": tally.decode_cpu_s,
        "waiting_s": tally.waiting_s,
        "generating_s": tally.generating_s,
        "finishing_s": tally.finishing_s,
        "other_s": tally.other_s,
        "frames_per_s": tally.frames / tally.wall_s,
        "generating_share": tally.generating_share,
        "wall_over_captioning": tally.wall_s / captioner.wall_s,
    }
    if device == "cpu":
        return result | {"wall_over_cpu_floor": tally.wall_s / floor_s}
    return result | {"gpu_busy_percent": busy}


def _into_new_run(
    captioner: TimedPreparingCaptioner, data: Path, given: Path, *, videos: int
) -> Tally:
    out = data / "run"
    shutil.rmtree(out, ignore_errors=True)
    tally = caption_videos([str(given)], str(out), captioner=captioner, run=RunOptions())
    if tally.skipped or tally.videos != videos:
        raise SystemExit(f"not all was captioned: {tally}")
    return tally


@contextmanager
def _gpu_watched() -> Iterator[list[float]]:
    """Samples, ten a second, of the share of time in which the GPU ran a kernel, in percent."""
    query = ["nvidia-smi", "--id=0", "--query-gpu=utilization.gpu"]
    command = [*query, "--format=csv,noheader,nounits", "--loop-ms=100"]
    watcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    samples: list[float] = []
    try:
        yield samples
    finally:
        watcher.terminate()
        text = watcher.communicate()[0]
        samples += [float(line) for line in text.splitlines() if line.strip().isdigit()]
