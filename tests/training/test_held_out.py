"""Scores on held-out clips: of those that can be read, the same each time."""

from __future__ import annotations

import multiprocessing
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from footage_factory import CLIPS
from pseudolabel.captioners.video_model.pixels import normalized
from pseudolabel.errors import InputError
from pseudolabel.training.data.clips import VALIDATION, read_clips
from pseudolabel.training.data.loading import Tally
from pseudolabel.training.data.opening import open_examples
from pseudolabel.training.data.options import DataOptions
from pseudolabel.training.held_out import HeldOut
from pseudolabel.training.targets import Tokenize
from pseudolabel.training.train import train
from pseudolabel.training.train_options import ModelOptions
from tiny_video_captioner import captioner
from training_factory import QUICK

EVALUATED = replace(QUICK, steps=4, evaluate_every=2)


def held_out_videos(data: DataOptions) -> list[str]:
    clips = read_clips(data, VALIDATION)
    return [clips.video_ids[video] for video in clips.video[::CLIPS]]


def with_broken(data: DataOptions, root: Path, videos: list[str], folder: Path) -> DataOptions:
    shutil.copytree(root, folder)
    for video in videos:
        (folder / video).write_bytes(b"no video")
    return replace(data, videos=str(folder))


def test_a_broken_clip_is_told_and_not_scored(
    data: DataOptions, model: ModelOptions, root: Path, tmp_path: Path
) -> None:
    """Not even where what stands for it is none of the clips that are evaluated."""
    first, *others = held_out_videos(data)
    assert others
    broken = with_broken(data, root, [first], tmp_path / "videos")
    for clips in (CLIPS, CLIPS + 1):
        out = tmp_path / str(clips)
        options = replace(EVALUATED, evaluate_clips=clips)
        if clips == CLIPS:  # nothing is left to be scored
            with pytest.raises(InputError, match="none of the held-out clips can be read"):
                train(broken, str(out), model=model, options=options)
            continue
        trained = train(broken, str(out), model=model, options=options)
        assert trained.scores.keys() == {"CIDEr", "BLEU-4", "loss"}
        assert set(trained.broken.broken) == {f"{first}#0", f"{first}#1"}


def evaluated(data: DataOptions, parts: tuple[str, str], tally: Tally) -> HeldOut:
    from transformers import AutoTokenizer

    examples, _ = open_examples(data, VALIDATION, is_training=False)
    tokenize = Tokenize(AutoTokenizer.from_pretrained(parts[1]), 5)
    workers = data.workers
    return HeldOut(examples, tokenize, batch_size=3, clips=4, workers=workers, tally=tally)


def test_processes_beside_give_the_same_and_are_gone(
    data: DataOptions, parts: tuple[str, str]
) -> None:
    text = {"vocab_size": 300, "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 2}
    model = captioner(text=text)

    def prepare(batch: Any) -> dict[str, Any]:
        names = ("input_ids", "attention_mask", "labels")
        tokens: dict[str, torch.Tensor] = {name: batch[name] for name in names}
        return {"pixel_values": normalized(batch["pixels"], model.config), **tokens}

    before = set(multiprocessing.active_children())
    alone = evaluated(data, parts, Tally()).evaluate(model, prepare)
    beside = evaluated(replace(data, workers=2), parts, Tally())
    assert [beside.evaluate(model, prepare) for _ in range(2)] == [alone] * 2
    assert set(multiprocessing.active_children()) == before
