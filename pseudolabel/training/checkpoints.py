"""Checkpoints of a training: each whole or not at all, the newest found again, old ones removed."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pseudolabel.files import sync_folder

UNFINISHED = "unfinished"  # the folder in which one is written, until it has its name
STATE = "trainer_state.json"
METRIC = "eval_CIDEr"  # of the held-out clips, by which the best one is known
_NAME = re.compile(r"checkpoint-(\d+)")


def checkpoints(out: Path) -> list[Path]:
    """Those that were written to the end, oldest first."""
    if not out.is_dir():
        return []
    found = [path for path in out.iterdir() if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=step_of)


def step_of(checkpoint: Path) -> int:
    """The step after which a checkpoint was written."""
    match = _NAME.fullmatch(checkpoint.name)
    assert match, "a checkpoint's name"
    return int(match[1])


def checkpoint_name(step: int) -> str:
    """What the checkpoint after a step is called; transformers' own name."""
    return f"checkpoint-{step}"


def publish(out: Path, step: int) -> Path:
    """Give a checkpoint that is complete its name, once all of it is on disk."""
    written = out / UNFINISHED / checkpoint_name(step)
    for path in [*written.rglob("*"), written]:
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    named = out / written.name
    if named.exists():  # of the same step: it was stopped right after it was written
        shutil.rmtree(named)
    written.rename(named)
    sync_folder(out)
    return named


def remove_old(out: Path, *, keep: int, best: str | None) -> None:
    """Remove all but the newest checkpoints and the best one."""
    for path in checkpoints(out)[:-keep]:
        if best is None or path.name != Path(best).name:
            # Under another name first: half a removed one must not be taken for whole.
            shutil.rmtree(path.rename(out / UNFINISHED / path.name))


def read_state(checkpoint: Path) -> dict[str, Any]:
    """What transformers' Trainer wrote of its state."""
    state: dict[str, Any] = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    return state


def is_out_of_patience(log: Sequence[Mapping[str, Any]], patience: int) -> bool:
    """Whether so many evaluations in a row were no better than one before them.

    Args:
        log: What transformers' Trainer logged, evaluations among it.
        patience: Evaluations; 0: there is no end to it.
    """
    scores = [entry[METRIC] for entry in log if METRIC in entry]
    if not scores or not patience:
        return False
    return len(scores) - 1 - scores.index(max(scores)) >= patience
