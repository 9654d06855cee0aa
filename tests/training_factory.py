"""Tiny trainings for tests: what is said of one, in a process of its own or in several."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from pseudolabel.training.data.options import DataOptions
from pseudolabel.training.train_options import ModelOptions, TrainOptions

QUICK = TrainOptions(
    steps=6,
    batch_size=2,
    learning_rate=1e-2,
    evaluate_every=0,
    save_every=2,
    dtype="float32",
    device="cpu",
)


def tiny_data(release: str, videos: Path | str) -> DataOptions:
    """Half of the videos are held out; frames are small, and read in the process itself."""
    return DataOptions(
        data=release,
        videos=str(videos),
        frames=2,
        frame_size=32,
        workers=0,
        validation=0.5,
        seed=3,
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Those of a captioner or a checkpoint."""
    return load_file(folder / "model.safetensors")


def assert_same(one: Path, other: Path) -> None:
    """Their weights are equal to the bit."""
    mine, its = weights(one), weights(other)
    assert mine.keys() == its.keys()
    assert all(torch.equal(mine[name], its[name]) for name in mine)


def started(
    data: DataOptions,
    model: ModelOptions,
    out: Path,
    options: TrainOptions,
    *,
    launcher: tuple[str, ...] = (),
) -> subprocess.Popen[str]:
    """A training in a process of its own, or in those that a launcher starts.

    It prints each step, what is broken, and at last whether it has ended.
    """
    script = out.with_suffix(".py")
    script.write_text(
        "from pseudolabel.training.data.options import *\n"
        "from pseudolabel.training.train_options import *\n"
        "from pseudolabel.training.train import train\n"
        f"trained = train({data!r}, {str(out)!r}, model={model!r}, options={options!r},\n"
        "    on_step=lambda now: print(now.step, flush=True))\n"
        "if trained.is_first_process:\n"
        "    print('broken', *sorted(trained.broken.broken))\n"
        "    print(trained.is_ended)\n"
    )
    return subprocess.Popen(
        [sys.executable, *launcher, str(script)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
