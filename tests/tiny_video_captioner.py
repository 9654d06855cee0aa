"""Tiny video captioners with random weights, that look at what they are shown."""

# mypy: allow-untyped-calls

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import OPTConfig, TimesformerConfig

from pseudolabel.captioners.video_model.config import VideoCaptionerConfig
from pseudolabel.captioners.video_model.model import VideoCaptioner
from tiny_models import byte_tokenizer

hf: Any = transformers  # its annotations are partial

FRAMES, SIZE, PATCH = 4, 32, 8
PATCHES = (SIZE // PATCH) ** 2
VOCABULARY = 60
LIKE_350M = {"do_layer_norm_before": False, "word_embed_proj_dim": 16}


def vision_config(**changes: Any) -> TimesformerConfig:
    settings: dict[str, Any] = {
        "image_size": SIZE,
        "patch_size": PATCH,
        "num_frames": FRAMES,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "initializer_range": 0.3,
    }
    return TimesformerConfig(**{**settings, **changes})


def text_config(**changes: Any) -> OPTConfig:
    settings: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "ffn_dim": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "init_std": 0.3,
        "dropout": 0.1,
    }
    return OPTConfig(**{**settings, **changes})


def captioner(
    *, seed: int = 0, text: dict[str, Any] | None = None, is_open: bool = True, **config: Any
) -> VideoCaptioner:
    """A captioner in evaluation mode, its gates open unless it is to be as new."""
    torch.manual_seed(seed)
    model = VideoCaptioner(
        VideoCaptionerConfig(
            vision_config=vision_config(), text_config=text_config(**(text or {})), **config
        )
    )
    with torch.no_grad():
        torch.nn.init.normal_(model.encoder.embeddings.time_embeddings)
        for adapter in model.language_model.adapters():
            if is_open and adapter is not None:
                adapter.attention_gate.fill_(2.0)
                adapter.feed_forward_gate.fill_(0.5)
    model.eval()
    return model


def clips(count: int = 2, frames: int = FRAMES, *, size: int = SIZE, seed: int = 0) -> torch.Tensor:
    """Pixels `(count, frames, 3, size, size)`."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, frames, 3, size, size, generator=generator)


def texts(count: int = 2, length: int = 6, *, seed: int = 0) -> torch.Tensor:
    """Token ids `(count, length)` of words, after the one that a text begins with."""
    generator = torch.Generator().manual_seed(seed)
    words = torch.randint(4, VOCABULARY, (count, length), generator=generator)
    words[:, 0] = 2
    return words


def write_parts(encoder: Path, language_model: Path) -> None:
    """Folders of a TimeSformer and of an OPT with its tokenizer, to be joined."""
    torch.manual_seed(0)
    hf.TimesformerModel(vision_config()).save_pretrained(encoder)
    end = {"bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>"}
    tokenizer = byte_tokenizer(["<s>", "<pad>", "</s>"], **end)
    config = text_config(vocab_size=len(tokenizer), pad_token_id=1, bos_token_id=2, eos_token_id=2)
    hf.OPTForCausalLM(config).save_pretrained(language_model)
    tokenizer.save_pretrained(language_model)


def write_checkpoint(folder: Path, *, is_open: bool = True, **config: Any) -> Path:
    """A captioner in a folder as training leaves it: weights, configuration and tokenizer."""
    end = {"bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>"}
    tokenizer = byte_tokenizer(["<s>", "<pad>", "</s>"], **end)
    ids = {"pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 2}
    text = {"vocab_size": len(tokenizer), **ids}
    captioner(text=text, is_open=is_open, **config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
