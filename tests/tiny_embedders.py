"""Tiny scorers and text encoders with random weights: no hub, no download.

`build("siglip", folder)` writes a model and what belongs to it, as `save_pretrained` would. The
same seed gives the same weights. Each takes texts of `LONGEST` tokens, special ones included.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import torch
from tokenizers.processors import TemplateProcessing

from tiny_models import SIDE, SMALL, VISION, byte_tokenizer, hf, save, word_tokenizer

LONGEST = 12
PAD = 1  # of RoBERTa's kind, which number positions after it
TEXT = {**SMALL, "max_position_embeddings": LONGEST}
SHIFTED_TEXT = {**SMALL, "max_position_embeddings": LONGEST + PAD + 1, "pad_token_id": PAD}
PATCHES = {"patch_size": 8, "max_num_patches": 16}  # of SigLIP 2
ENDS = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}  # of the word tokenizer


def build(kind: str, folder: Path, *, seed: int = 0) -> Path:
    """Write the tiny model of this kind into a folder, and return the folder."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        _BUILDERS[kind](folder)
    return folder


def add_recipe(
    folder: Path, *steps: str, longest: int | None = None, pooling: dict[str, Any] | None = None
) -> None:
    """Put beside a model what sentence-transformers does: its steps, and how the second pools."""
    modules = [
        {"idx": index, "path": f"{index}_{step}", "type": f"sentence_transformers.models.{step}"}
        for index, step in enumerate(("Transformer", *steps))
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    if pooling is not None:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    if longest is not None:
        settings = {"max_seq_length": longest, "do_lower_case": False}
        (folder / "sentence_bert_config.json").write_text(json.dumps(settings))


def _roberta_tokenizer() -> Any:
    return byte_tokenizer(
        ["<s>", "<pad>", "</s>", "<unk>"],
        wraps=True,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
    )


def _scorer(folder: Path, kind: str, text: dict[str, Any], tokenizer: Any, pixels: Any) -> None:
    config = getattr(hf, f"{kind}Config")(
        text_config={**text, "vocab_size": len(tokenizer)}, vision_config=VISION, projection_dim=16
    )
    # MetaCLIP 2 has none of its own.
    processor = getattr(hf, "CLIPProcessor" if kind == "MetaClip2" else f"{kind}Processor")
    joint = processor(image_processor=pixels, tokenizer=tokenizer)
    save(folder, getattr(hf, f"{kind}Model")(config), joint)


def _clip_pixels() -> Any:
    return hf.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=SIDE)


def _clip(folder: Path, kind: str) -> None:
    text = {**TEXT, **ENDS, "projection_dim": 16}
    _scorer(folder, kind, text, word_tokenizer(), _clip_pixels())


def _siglip(folder: Path) -> None:
    text = {**TEXT, **ENDS, "projection_size": SMALL["hidden_size"]}
    _scorer(folder, "Siglip", text, word_tokenizer(), hf.SiglipImageProcessorPil(size=SIDE))


def _siglip2(folder: Path) -> None:
    """The kind that keeps a picture's aspect: patches in, and a token a letter."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    letters = {token: index for index, token in enumerate([*special, "▁", *ascii_lowercase])}
    tokenizer = hf.Siglip2Tokenizer(vocab=letters, merges=[])
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", 1)]
    )
    text = {**TEXT, "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
    config = hf.Siglip2Config(
        text_config={**text, "projection_size": 32, "vocab_size": len(tokenizer)},
        vision_config={**SMALL, "patch_size": PATCHES["patch_size"], "num_patches": 16},
    )
    pixels = hf.Siglip2ImageProcessorPil(**PATCHES)
    joint = hf.Siglip2Processor(image_processor=pixels, tokenizer=tokenizer)
    save(folder, hf.Siglip2Model(config), joint)


def _chinese_clip(folder: Path) -> None:
    pixels = hf.ChineseCLIPImageProcessorPil(size=SIDE, crop_size=SIDE)
    _scorer(folder, "ChineseCLIP", TEXT, word_tokenizer(), pixels)


def _altclip(folder: Path) -> None:
    text = {**SHIFTED_TEXT, "project_dim": 16, "projection_dim": 16}
    _scorer(folder, "AltCLIP", text, _roberta_tokenizer(), _clip_pixels())


def _encoder(folder: Path, kind: str, *, is_shifted: bool = False, **settings: Any) -> None:
    tokenizer = _roberta_tokenizer() if is_shifted else word_tokenizer()
    shape = SHIFTED_TEXT if is_shifted else {**TEXT, "pad_token_id": 0}
    config = getattr(hf, f"{kind}Config")(**{**shape, **settings}, vocab_size=len(tokenizer))
    save(folder, getattr(hf, f"{kind}Model")(config), tokenizer)


def _gpt2(folder: Path) -> None:
    tokenizer = word_tokenizer()
    ends = {"bos_token_id": 2, "eos_token_id": 3}
    config = hf.GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2, **ends)
    save(folder, hf.GPT2LMHeadModel(config), tokenizer)


_SCORERS: dict[str, Callable[[Path], None]] = {
    "clip": partial(_clip, kind="CLIP"),
    "metaclip_2": partial(_clip, kind="MetaClip2"),
    "siglip": _siglip,
    "siglip2": _siglip2,
    "chinese_clip": _chinese_clip,
    "altclip": _altclip,
}
_ENCODERS: dict[str, Callable[[Path], None]] = {
    "bert": partial(_encoder, kind="Bert"),
    "distilbert": partial(
        _encoder, kind="DistilBert", dim=32, hidden_dim=64, n_layers=2, n_heads=2
    ),
    "electra": partial(_encoder, kind="Electra", embedding_size=16),
    "mpnet": partial(_encoder, kind="MPNet", is_shifted=True),
    "roberta": partial(_encoder, kind="Roberta", is_shifted=True),
    "xlm-roberta": partial(_encoder, kind="XLMRoberta", is_shifted=True),
}
_BUILDERS = _SCORERS | _ENCODERS | {"gpt2": _gpt2}
SCORERS, ENCODERS = tuple(_SCORERS), tuple(_ENCODERS)
