"""What a training is made of: its device, its arguments, and what is refused before it begins."""

# mypy: allow-untyped-calls

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

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


def test_a_tokenizer_may_know_few_words(
    data: DataOptions, parts: tuple[str, str], tmp_path: Path
) -> None:
    """It is not asked for any one of them."""
    writer = Path(shutil.copytree(parts[1], tmp_path / "writer"))
    words = Tokenizer(WordLevel({"<pad>": 0, "</s>": 1, "red": 2}))
    end = {"bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>"}
    PreTrainedTokenizerFast(tokenizer_object=words, **end).save_pretrained(writer)
    session = Session(data, ModelOptions(None, parts[0], str(writer)), QUICK, tmp_path / "out")
    assert session.tokenizer("red")["input_ids"] == [2]


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


def test_examples_are_named_whatever_their_files_are_called(
    model: ModelOptions, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    name = os.fsdecode(b"images/\xff")  # Latin-1, as old archives have it
    Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")
    (tmp_path / f"{name}.txt").write_text("a cat")
    data = DataOptions(images=str(tmp_path / "images"), frame_size=32, workers=0)
    session = Session(data, model, replace(QUICK, batch_size=1), tmp_path / "out")
    (gate, *_) = [p for name, p in session.model.named_parameters() if name.endswith("gate")]
    gate.register_hook(lambda grad: grad * torch.nan)
    with session.held(), pytest.raises(TrainingError, match="step 1: the gradient is"):
        session.trainer(0, None)[0].train()
    (written,) = (tmp_path / "out").glob("non-finite-1-*.json")
    assert json.loads(written.read_text())["examples"] == [os.fsdecode(b"\xff.png")]
