"""Saved, loaded, put together; and what is refused."""

# mypy: allow-untyped-calls

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    OPTForCausalLM,
    TimesformerForVideoClassification,
    TimesformerModel,
)

from pseudolabel.captioners.video_model.assembly import from_encoder_decoder
from pseudolabel.captioners.video_model.model import VideoCaptioner
from pseudolabel.errors import CaptionerError, OptionError
from tiny_video_captioner import LIKE_350M, captioner, clips, text_config, texts, vision_config


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    captioner().save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


@pytest.mark.parametrize("text", [{}, LIKE_350M], ids=["opt", "opt-350m"])
@torch.no_grad()
def test_a_round_trip_changes_no_number(tmp_path: Path, text: dict[str, object]) -> None:
    model = captioner(text=text, adapter_every=2, adapter_size=16)
    model.save_pretrained(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if "json" not in path.name] == [
        "model.safetensors"
    ]
    loaded = VideoCaptioner.from_pretrained(tmp_path)
    assert torch.equal(loaded(clips(), texts()).logits, model(clips(), texts()).logits)
    loaded.save_pretrained(tmp_path / "again")
    for name in ("generation_config.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()
    assert (loaded.config.adapter_every, loaded.config.adapter_size) == (2, 16)
    assert loaded.get_output_embeddings().weight is loaded.get_input_embeddings().weight


def test_what_is_loaded_is_frozen(saved: Path) -> None:
    learns = {n for n, p in captioner().named_parameters() if p.requires_grad}
    loaded = VideoCaptioner.from_pretrained(saved)
    assert {n for n, p in loaded.named_parameters() if p.requires_grad} == learns
    assert all(".adapter." in name for name in learns)


def test_it_loads_in_another_format(saved: Path) -> None:
    loaded = VideoCaptioner.from_pretrained(saved, dtype=torch.bfloat16)
    written = loaded.generate(clips(), max_new_tokens=3)  # float32 pixels are cast
    assert loaded.dtype == torch.bfloat16
    assert len(written) == 2


def test_pickled_weights_are_not_read(saved: Path) -> None:
    weights = saved / "model.safetensors"
    torch.save(load_file(weights), saved / "pytorch_model.bin")
    weights.unlink()
    with pytest.raises(OSError, match=r"model\.safetensors"):
        VideoCaptioner.from_pretrained(saved)


def test_another_architecture_is_named_with_this_one(saved: Path) -> None:
    config = saved / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "model_type": "blip"}))
    with pytest.raises(CaptionerError, match="'blip', not of 'pseudolabel-video-captioner'"):
        VideoCaptioner.from_pretrained(saved)


def test_missing_weights_are_not_made_up(saved: Path) -> None:
    weights = load_file(saved / "model.safetensors")
    name = "language_model.model.decoder.layers.1.adapter.attention_gate"
    del weights[name]
    save_file(weights, saved / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CaptionerError, match=f"lack 1 tensors, such as {name}"):
        VideoCaptioner.from_pretrained(saved)


@pytest.mark.parametrize("text", [{}, LIKE_350M], ids=["opt", "opt-350m"])
@pytest.mark.parametrize("kind", [TimesformerModel, TimesformerForVideoClassification])
@torch.no_grad()
def test_two_checkpoints_are_joined(
    tmp_path: Path, text: dict[str, object], kind: type[TimesformerModel]
) -> None:
    encoder = kind(vision_config()).eval()
    language_model = OPTForCausalLM(text_config(**text)).eval()
    encoder.save_pretrained(tmp_path / "encoder")
    language_model.save_pretrained(tmp_path / "opt")
    model = from_encoder_decoder(str(tmp_path / "encoder"), str(tmp_path / "opt"), adapter_every=3)
    assert torch.equal(model(clips(), texts()).logits, language_model(texts()).logits)
    bare = encoder if kind is TimesformerModel else encoder.timesformer
    summary = bare(clips()).last_hidden_state[:, 0]
    assert torch.allclose(model.encode(clips()).hidden[:, 0, 0], summary, atol=1e-5)
    assert [a is not None for a in model.language_model.adapters()] == [True, False, False]
    assert str(model.config.encoder_origin).startswith(f"{tmp_path / 'encoder'}@sha256:")
    assert str(model.config.language_model_origin).startswith(f"{tmp_path / 'opt'}@sha256:")


def test_joining_needs_the_right_architectures(tmp_path: Path, saved: Path) -> None:
    OPTForCausalLM(text_config()).save_pretrained(tmp_path / "opt")
    TimesformerModel(vision_config()).save_pretrained(tmp_path / "encoder")
    opt, encoder = str(tmp_path / "opt"), str(tmp_path / "encoder")
    with pytest.raises(CaptionerError, match=r"--encoder .*'opt', not of 'timesformer'"):
        from_encoder_decoder(opt, opt)
    with pytest.raises(CaptionerError, match=r"--language-model .*'timesformer', not of 'opt'"):
        from_encoder_decoder(encoder, encoder)


def test_joining_reads_no_pickles(tmp_path: Path) -> None:
    TimesformerModel(vision_config()).save_pretrained(tmp_path)
    torch.save(load_file(tmp_path / "model.safetensors"), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(CaptionerError, match=r"--encoder .*no safetensors weights"):
        from_encoder_decoder(str(tmp_path), str(tmp_path))


@pytest.mark.parametrize("every", [0, 4])
def test_adapters_must_fit_the_layers(every: int) -> None:
    with pytest.raises(OptionError, match=f"--adapter-every {every}: .* has 3 layers"):
        captioner(adapter_every=every)


def test_adapters_must_fit_the_heads() -> None:
    with pytest.raises(OptionError, match=r"adapter_size 30: not a multiple of .* 4"):
        captioner(adapter_size=30)


def test_pixels_are_scaled_as_the_encoders_processor_says(tmp_path: Path) -> None:
    encoder, opt = tmp_path / "encoder", tmp_path / "opt"
    TimesformerModel(vision_config()).save_pretrained(encoder)
    OPTForCausalLM(text_config()).save_pretrained(opt)
    config = from_encoder_decoder(str(encoder), str(opt)).config
    assert (config.image_mean, config.image_std) == ([0.45] * 3, [0.225] * 3)
    described = {"feature_extractor_type": "VideoMAEFeatureExtractor"}  # as old ones name it
    scaling = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}
    processor = encoder / "preprocessor_config.json"
    processor.write_text(json.dumps({**described, **scaling}))
    config = from_encoder_decoder(str(encoder), str(opt)).config
    assert {name: getattr(config, name) for name in scaling} == scaling
    changed = from_encoder_decoder(str(encoder), str(opt), image_std=[1, 1, 1]).config
    assert (changed.image_mean, changed.image_std) == ([0.1, 0.2, 0.3], [1.0] * 3)
    processor.write_text(json.dumps({**described, **scaling, "do_normalize": False}))
    config = from_encoder_decoder(str(encoder), str(opt)).config
    assert (config.image_mean, config.image_std) == ([0.0] * 3, [1.0] * 3)
    processor.write_text("{")
    with pytest.raises(CaptionerError, match=r"--encoder .* image processor does not load"):
        from_encoder_decoder(str(encoder), str(opt))


@pytest.mark.parametrize(
    ("name", "value"),
    [("image_mean", [0.5]), ("image_std", [0, 1, 1]), ("clip_frames", 0), ("clip_fit", "no")],
)
def test_no_way_to_show_a_clip(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=name):
        captioner(**{name: value})
