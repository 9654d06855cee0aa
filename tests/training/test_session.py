"""What a training is made of: its device, its arguments, and what is refused before it begins."""

# mypy: allow-untyped-calls

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pseudolabel.errors import OptionError, TrainingError
from pseudolabel.training import session as sessions
from pseudolabel.training.checkpoints import checkpoints
from pseudolabel.training.data.options import DataOptions
from pseudolabel.training.session import Session
from pseudolabel.training.train_options import ModelOptions
from training_factory import QUICK


def test_a_process_takes_one_gpu_of_many(
    data: DataOptions, model: ModelOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(data, model, QUICK, tmp_path / "out")
    session.device = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert session._arguments((), evaluates=False).n_gpu == 1


def test_another_gpu_than_the_first_is_refused_rather_than_passed_over(
    data: DataOptions, model: ModelOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "resolve_device", torch.device)  # as on a machine with two
    with pytest.raises(OptionError, match="--device cuda:1: a process trains on the first"):
        Session(data, model, replace(QUICK, device="cuda:1"), tmp_path / "out")


def test_a_gradient_that_is_no_number_reaches_no_weight(
    data: DataOptions, model: ModelOptions, tmp_path: Path
) -> None:
    """The loss of that step is one still; a checkpoint of it would be of no use for ever."""
    out = tmp_path / "out"
    session = Session(data, model, replace(QUICK, save_every=2), out)
    (gate, *_) = [p for name, p in session.model.named_parameters() if name.endswith("gate")]
    with session.held(), pytest.raises(TrainingError, match="step 2: the gradient is"):
        trainer, _ = session.trainer(0, None)
        gate.register_hook(lambda grad: grad * (torch.inf if trainer.state.global_step else 1))
        trainer.train()
    assert checkpoints(out) == []
    (written,) = out.glob("non-finite-2-*.json")
    assert len(json.loads(written.read_text())["examples"]) == QUICK.batch_size
