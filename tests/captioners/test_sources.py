"""What a model's name means, what identifies its files, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pseudolabel.captioners.devices import resolve_device, resolve_dtype
from pseudolabel.captioners.load import identify, load_captioner
from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.sources import find_source
from pseudolabel.errors import CaptionerError

TinyFolder = Callable[[str], Path]


@pytest.fixture
def folder(tiny: TinyFolder, tmp_path: Path) -> Path:
    """A copy of a tiny model, to spoil."""
    return Path(shutil.copytree(tiny("vit_gpt2"), tmp_path / "model"))


def _options(model: Path | str, **settings: object) -> CaptionOptions:
    return CaptionOptions(model=str(model), device="cpu", **settings)  # type: ignore[arg-type]


def _refusal(model: Path | str, **settings: object) -> str:
    """Message and hint of the error, which must be one line each."""
    with pytest.raises(CaptionerError) as raised:
        load_captioner(_options(model, **settings))
    assert raised.value.hint
    assert "\n" not in f"{raised.value} {raised.value.hint}"
    return f"{raised.value} -> {raised.value.hint}"


def test_a_folders_revision_is_its_contents(folder: Path, tmp_path: Path) -> None:
    before = identify(_options(folder)).revision
    assert before.startswith("sha256:")
    assert len(before) == len("sha256:") + 16
    copied = shutil.copytree(folder, tmp_path / "copy")
    (copied / "README.md").write_text("a readme is no part of the model")
    assert identify(_options(copied)).revision == before
    weights = load_file(copied / "model.safetensors")
    weights["decoder.transformer.ln_f.bias"] += 1e-6
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    assert identify(_options(copied)).revision != before


def test_a_path_with_an_at_sign_is_a_path(folder: Path, tmp_path: Path) -> None:
    moved = folder.rename(tmp_path / "model@v2")
    assert find_source(str(moved)).location == str(moved)
    assert "a folder has no revisions" in _refusal(f"{moved}@v3")


def test_a_folder_without_configuration(tmp_path: Path) -> None:
    assert "no config.json" in _refusal(tmp_path)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    assert "not a folder" in _refusal(tmp_path / "nowhere")


def test_a_configuration_that_is_no_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    assert "not valid JSON" in _refusal(folder)


def test_pickled_weights_are_refused(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert "pickled ones can run code" in _refusal(folder)


def test_an_architecture_that_reads_no_images(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    assert "'bert' does not turn images into text" in _refusal(folder)


def test_code_that_comes_with_weights_runs_only_when_asked(folder: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (folder / "theirs.py").write_text(
        f"open({str(ran)!r}, 'w').close()\n"
        "from transformers import PretrainedConfig\n"
        "class Theirs(PretrainedConfig):\n    model_type = 'theirs'\n"
    )
    config = {"model_type": "theirs", "auto_map": {"AutoConfig": "theirs.Theirs"}}
    (folder / "config.json").write_text(json.dumps(config))
    assert "--trust-remote-code" in _refusal(folder)
    assert not ran.exists()
    assert "does not load" in _refusal(folder, trust_remote_code=True)
    assert ran.exists()


def test_missing_tensors_are_not_made_up(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["decoder.transformer.h.1.crossattention.c_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "lack 1 tensors, such as decoder.transformer.h.1" in _refusal(folder)


def test_a_truncated_file(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    assert "does not load" in _refusal(folder)


def test_no_processor(folder: Path) -> None:
    for name in ("preprocessor_config.json", "processor_config.json"):
        (folder / name).unlink(missing_ok=True)
    assert "image processor or tokenizer" in _refusal(folder)


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "cpu:1", "mps:0"])
def test_devices_that_do_not_exist(device: str, folder: Path) -> None:
    with pytest.raises(CaptionerError, match="not a device") as raised:
        resolve_device(device)
    assert "cuda:1" in (raised.value.hint or "")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_that_is_absent() -> None:
    with pytest.raises(CaptionerError, match="sees no CUDA device") as raised:
        resolve_device("cuda")
    assert "--device cpu" in (raised.value.hint or "")
    assert resolve_device("auto").type in ("cpu", "mps")


def test_number_formats() -> None:
    cpu = torch.device("cpu")
    assert resolve_dtype("float32", cpu) == torch.float32
    assert resolve_dtype("auto", cpu) in (torch.float32, torch.bfloat16)
    assert resolve_dtype("auto", cpu, is_demo=True) == torch.float32
    assert resolve_dtype("auto", torch.device("mps")) == torch.float32
    with pytest.raises(CaptionerError, match="float16 on a CPU"):
        resolve_dtype("float16", cpu)


def test_decoding_is_told_in_words(folder: Path) -> None:
    assert identify(_options(folder)).decoding == "greedy"
    assert identify(_options(folder, beams=3)).decoding == "beams=3"
    sampled = identify(_options(folder, samples=5, seed=3)).decoding
    assert sampled == "samples=5 top_p=0.95 temperature=0.7 seed=3"
