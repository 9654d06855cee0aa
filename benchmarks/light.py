"""The speed of light: the pipeline's frames through `generate` alone, inputs on the device."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.blip import SIDE, TOKENS, model_folder
from benchmarks.collection import folder_of
from benchmarks.footage import P360
from benchmarks.machine import cores, warn_if_busy
from benchmarks.reporting import Report, Table, measure_by_turns, median, spread
from benchmarks.timed_captioner import TimedPreparingCaptioner
from pseudolabel import CaptionOptions, Tally, caption_videos
from pseudolabel.captioners.load import load_captioner
from pseudolabel.captioners.preparing import Prepared
from pseudolabel.captioners.protocol import Captioner
from pseudolabel.captioners.transformers_captioner import TransformersCaptioner
from pseudolabel.records import Frame

GOPS = 34  # of 2.4 s: 81.6 s, ten clips of 8 s
CPU_VIDEOS, GPU_VIDEOS = 8, 1_000
KEPT_FRAMES = 4_096  # whose inputs lie on the device for `generate` alone; 3.6 GB in bfloat16
ROUNDS = 3
PIPELINE, LIGHT = "the pipeline, from files to rows", "generate alone"


def run(data: Path, *, quick: bool) -> Report:
    """The pipeline and `generate` alone, by turns."""
    report = Report("light", quick)
    warn_if_busy()
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    footage = replace(P360, seconds=24) if quick else P360
    rounds = 1 if quick else ROUNDS
    videos = 2 if quick else GPU_VIDEOS if device == "cuda" else CPU_VIDEOS
    folder = folder_of(data, footage, videos=videos, gops=GOPS)
    options = CaptionOptions(
        model=str(model_folder(data, quick=quick)), max_new_tokens=TOKENS, device=device
    )
    captioner = load_captioner(options)
    assert isinstance(captioner, TransformersCaptioner)
    kept = _Keeping(captioner)
    _caption(data, folder, kept)  # warm; its batch size has grown, and its frames are kept
    light = _Light(captioner, kept.frames)
    light()
    tallies: list[Tally] = []
    times = measure_by_turns(
        {PIPELINE: lambda: tallies.append(_caption(data, folder, captioner)), LIGHT: light},
        rounds,
    )
    rates = {
        PIPELINE: [tally.frames / tally.wall_s for tally in tallies],
        LIGHT: [len(kept.frames) / one.wall for one in times[LIGHT]],
    }
    share = median(rates[PIPELINE]) / median(rates[LIGHT])
    table = Table(
        f"speed of light on {device}: {tallies[0].frames} frames of {videos} videos, 640x360 H.264,"
        f" {options.model}, {SIDE} px, {TOKENS} tokens, {captioner.identity.dtype}, batch "
        f"{captioner.batch_size}, {cores()} cores, {torch.get_num_threads()} torch threads",
        ("series", "frames/s", "low-high", "frames", "rounds"),
        [
            (PIPELINE, median(rates[PIPELINE]), spread(rates[PIPELINE]), tallies[0].frames, rounds),
            (LIGHT, median(rates[LIGHT]), spread(rates[LIGHT]), len(kept.frames), rounds),
        ],
    )
    table.notes = [
        f"share of the speed of light: **{share:.3f}** (goal 0.90)",
        f"inside `generate` in the pipeline, of its wall time: "
        f"{median([tally.generating_share or 0.0 for tally in tallies]):.3f}, which is what "
        "`--profile` tells",
        "generate alone: the model's own, without token log-probabilities, no decoder beside it; "
        "inputs were made before, texts are not read",
    ]
    report.add(table)
    report.add(_where(tallies))
    report.results = {
        "device": device,
        "share_of_light": share,
        "frames_per_s": {name: median(values) for name, values in rates.items()},
        "batch_size": captioner.batch_size,
        "dtype": captioner.identity.dtype,
        "cores": cores(),
    }
    captioner.close()
    return report


class _Keeping(TimedPreparingCaptioner):
    """Keeps the first frames that it captions."""

    def __init__(self, captioner: Captioner) -> None:
        super().__init__(captioner)
        self.frames: list[Frame] = []

    def caption(self, frames: Sequence[Frame], prepared: Prepared | None = None) -> list[Any]:
        """Keep them, and caption."""
        self.frames += frames[: KEPT_FRAMES - len(self.frames)]
        return super().caption(frames, prepared)


class _Light:
    """Inputs on the device in the captioner's batches, and its model over them."""

    def __init__(self, captioner: TransformersCaptioner, frames: Sequence[Frame]) -> None:
        self._model, self._device = captioner.generator.model, captioner._plan.device
        size = captioner.batch_size
        batches = [frames[start : start + size] for start in range(0, len(frames), size)]
        self._inputs = [captioner._inputs([f.pixels for f in batch]) for batch in batches]

    def __call__(self) -> None:
        """Generate for every batch; returns when the device is done."""
        import torch

        with torch.inference_mode():
            for inputs in self._inputs:
                self._model.generate(**inputs)
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def _caption(data: Path, folder: Path, captioner: Captioner) -> Tally:
    out = data / "run"
    shutil.rmtree(out, ignore_errors=True)
    tally = caption_videos([str(folder)], str(out), captioner=captioner)
    if tally.skipped:
        raise SystemExit(f"not all was captioned: {tally}")
    return tally


def _where(tallies: Sequence[Tally]) -> Table:
    """Medians of the steps that the wall time of the pipeline consists of."""
    names = (
        *("waiting_s", "preparing_s", "generating_s", "reading_s"),
        *("finishing_s", "other_s"),
    )
    wall_s = median([tally.wall_s for tally in tallies])
    table = Table(f"where the pipeline's {wall_s:.1f} s went", ("step", "s", "of the wall time, %"))
    for name in names:
        spent_s = median([getattr(tally, name) for tally in tallies])
        table.rows.append((name.removesuffix("_s"), spent_s, 100 * spent_s / wall_s))
    beside = [
        f"{name} {median([getattr(t, name) for t in tallies]):.2f}"
        for name in ("decode_cpu_s", "ahead_s", "consolidating_s", "committing_s")
    ]
    table.notes = ["beside that, in other threads and processes: " + ", ".join(beside)]
    return table
