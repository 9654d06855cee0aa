"""A captioner that was trained, on the Hub: pushed, loaded, captioning, and trained further."""

# mypy: allow-untyped-calls

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from huggingface_hub import HfApi
from typer.testing import Result

from loopback_hub import UPLOAD_WARNING, LoopbackHub
from pseudolabel.captioners.video_model.model import VideoCaptioner
from pseudolabel.training.data.options import DataOptions
from pseudolabel.training.train import train
from pseudolabel.training.train_options import ModelOptions
from training_factory import QUICK

Invoke = Callable[..., Result]

NAME = "tester/captioner"
ONE = replace(QUICK, steps=1)


@pytest.mark.filterwarnings(UPLOAD_WARNING)
def test_it_goes_to_the_hub_and_captions_from_there(
    hub: LoopbackHub,
    data: DataOptions,
    model: ModelOptions,
    root: Path,
    tmp_path: Path,
    invoke: Invoke,
) -> None:
    from transformers import AutoTokenizer

    out = tmp_path / "captioner"
    train(data, str(out), model=model, options=ONE)
    trained = VideoCaptioner.from_pretrained(out)
    trained.push_to_hub(NAME)
    AutoTokenizer.from_pretrained(out).push_to_hub(NAME)
    first = str(HfApi().model_info(NAME).sha)
    HfApi().create_tag(NAME, tag="v1")
    with torch.no_grad():
        next(trained.language_model.adapters()).attention_gate.fill_(7.0)
    trained.push_to_hub(NAME)

    loaded = VideoCaptioner.from_pretrained(NAME, revision="v1")
    its, mine = loaded.state_dict(), VideoCaptioner.from_pretrained(out).state_dict()
    assert all(torch.equal(its[name], mine[name]) for name in mine)
    assert loaded.config.clip_frames == data.frames

    said: list[list[tuple[str, str]]] = []
    for named in (f"{NAME}@v1", str(out)):
        run = tmp_path / f"run-{len(said)}"
        arguments = ("--device", "cpu", "--dtype", "float32", "--max-new-tokens", "8")
        result = invoke("caption", root, "--model", f"video:{named}", "--out", run, *arguments)
        assert result.exit_code == 0, result.stderr
        rows = [json.loads(line) for line in invoke("show", run, "--json").stdout.splitlines()]
        said.append([(row["video_id"], row["caption"]) for row in rows])
    assert said[0] == said[1]
    assert said[0]
    assert (
        json.loads((tmp_path / "run-0" / "run.json").read_text())["captioner"]["revision"] == first
    )

    more = tmp_path / "more"
    train(data, str(more), model=ModelOptions(init=f"{NAME}@v1"), options=ONE)
    (began,) = json.loads((more / "provenance.json").read_text())["models"]
    assert (began["model"], began["revision"]) == (NAME, first)


@pytest.mark.filterwarnings(UPLOAD_WARNING)
def test_what_is_not_there_is_one_line(
    hub: LoopbackHub, model: ModelOptions, root: Path, tmp_path: Path, invoke: Invoke
) -> None:
    assert model.encoder is not None
    HfApi().create_repo(NAME)
    HfApi().upload_folder(folder_path=model.encoder, repo_id=NAME)
    for named, told in (
        (f"{NAME}@v9", "no such revision"),
        ("tester/none", "no such model on the Hub"),
        (NAME, "a checkpoint of 'timesformer', not of 'pseudolabel-video-captioner'"),
    ):
        result = invoke("caption", root, "--model", f"video:{named}", "--out", tmp_path / "run")
        assert result.exit_code == 1
        assert told in result.stderr
        assert len(result.stderr.strip().splitlines()) <= 2
        assert f"video:{named.partition('@')[0]}" in result.stderr
