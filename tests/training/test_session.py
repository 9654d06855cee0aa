"""What a training is made of: its device, its arguments, and what is refused before it begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pseudolabel.errors import OptionError
from pseudolabel.training import session as sessions
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
