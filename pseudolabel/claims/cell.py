"""One arm with one seed: learn from its texts, then from the labelled set, then caption the test.

Every stage goes on where it stopped; what is done is not done again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pseudolabel.claims.captioning import caption_clips
from pseudolabel.claims.plan import ArmName, Plan
from pseudolabel.files import write_whole
from pseudolabel.training.data.options import DataOptions
from pseudolabel.training.train import TrainStep, train
from pseudolabel.training.train_options import ModelOptions, TrainOptions

RESULT = "result.json"
PRETRAINED, TUNED = "pretrained", "tuned"  # folders of a cell's captioners
LABELLED, TEST = "labelled", "test"  # folders of what `prepare` made

Tell = Callable[[str, TrainStep], None]  # a stage, and how far it is


@dataclass(frozen=True, slots=True)
class Stage:
    """A training, as it went."""

    steps: int
    clips: int  # that it learned from
    images: int
    first_loss: float | None  # the mean over the first steps that were logged
    last_loss: float | None
    seconds: float  # of the start that ended it


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of an arm with a seed."""

    arm: ArmName
    seed: int
    pretrain: Stage | None
    tune: Stage
    captions: dict[str, str]  # of the test set, by clip
    captioning_s: float


def cell_folder(out: Path, arm: str, seed: int) -> Path:
    """Where it is kept."""
    return out / "cells" / f"{arm}-{seed}"


def read_cell(out: Path, arm: ArmName, seed: int) -> Cell | None:
    """What came of it, if it is done."""
    path = cell_folder(out, arm, seed) / RESULT
    if not path.is_file():
        return None
    said = json.loads(path.read_text(encoding="utf-8"))
    said["pretrain"] = said["pretrain"] and Stage(**said["pretrain"])
    return Cell(**{**said, "tune": Stage(**said["tune"])})


def run_cell(
    plan: Plan, out: Path, arm: ArmName, seed: int, tell: Tell | None = None
) -> Cell | None:
    """Do what is not done of it; None: it was asked to stop, and the same call goes on from there.

    Raises:
        As `train`.
    """
    done = read_cell(out, arm, seed)
    if done is not None:
        return done
    folder, source = cell_folder(out, arm, seed), plan.arms[arm]
    model, before = plan.model_of(seed), None
    if source is not None:
        data = plan.view.shown(source, seed)
        before = _train(data, folder / PRETRAINED, model, plan.pretrain, seed, tell)
        if before is None:
            return None
        model = _further(model, folder / PRETRAINED)
    data = plan.view.shown(prepared(out, LABELLED), seed)
    tuned = _train(data, folder / TUNED, model, plan.tune, seed, tell)
    if tuned is None:
        return None
    started_s = time.perf_counter()
    captions = caption_clips(folder / TUNED, plan.view.shown(prepared(out, TEST), 0), plan.tune)
    cell = Cell(arm, seed, before, tuned, captions, time.perf_counter() - started_s)
    write_whole(folder / RESULT, json.dumps(asdict(cell), ensure_ascii=False, indent=1).encode())
    return cell


def prepared(out: Path, name: str) -> DataOptions:
    """The labelled set or the test set, whose frames have been taken out of the videos."""
    return DataOptions(
        data=str(out / name / "run"), videos=str(out / name / "frames"), text="samples"
    )


def _further(model: ModelOptions, checkpoint: Path) -> ModelOptions:
    return ModelOptions(
        init=str(checkpoint), train_encoder=model.train_encoder, train_lm=model.train_lm
    )


def _train(
    data: DataOptions,
    out: Path,
    model: ModelOptions,
    options: TrainOptions,
    seed: int,
    tell: Tell | None,
) -> Stage | None:
    started_s = time.perf_counter()
    trained = train(
        data,
        str(out),
        model=model,
        options=replace(options, seed=seed, evaluate_every=0, patience=0),
        on_step=None if tell is None else lambda now: tell(out.name, now),
    )
    if not trained.is_ended:
        return None
    losses = _losses(out)
    return Stage(
        steps=trained.step,
        clips=trained.found.clips_used,
        images=trained.found.images,
        first_loss=losses[0] if losses else None,
        last_loss=losses[-1] if losses else None,
        seconds=time.perf_counter() - started_s,
    )


def _losses(out: Path) -> list[float]:
    log = out / "log.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
    return [said["loss"] for said in map(json.loads, lines) if "loss" in said]
