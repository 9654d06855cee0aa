"""A captioner of BLIP-base's size with random weights: the work of a real one, and no download."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

TOKENS = 20  # every caption's length: the model is made unable to end by itself
SIDE = 384
VOCABULARY = 30_524
PAD, UNK, CLS, SEP, MASK, DEC = 0, 100, 101, 102, 103, 30_522  # as in BERT's, and BLIP's own
WIDTH = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}


def model_folder(data: Path, *, quick: bool) -> Path:
    """The model, its image processor and its tokenizer; made when they are not there.

    With `quick`, a narrow one of two layers, for smoke runs.
    """
    folder = data / ("blip-small" if quick else "blip-base")
    if not (folder / "model.safetensors").exists():
        print(f"making {folder} ...", file=sys.stderr, flush=True)
        _make(folder, quick=quick)
    return folder


def quiet() -> None:
    """No progress bars of transformers' own between the lines of a report."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def _make(folder: Path, *, quick: bool) -> None:
    import torch
    import transformers

    quiet()
    width = (
        {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2} if quick else WIDTH
    )
    hidden = width["hidden_size"]
    config = transformers.BlipConfig(
        text_config={
            **width,
            "vocab_size": VOCABULARY,
            "intermediate_size": 4 * hidden,
            "encoder_hidden_size": hidden,
            "projection_dim": hidden,
            "bos_token_id": DEC,
            "eos_token_id": SEP,
            "sep_token_id": SEP,
            "pad_token_id": PAD,
        },
        # BLIP's own default range, 1e-10, makes it blind.
        vision_config={
            **width,
            "intermediate_size": 4 * hidden,
            "projection_dim": hidden,
            "image_size": SIDE,
            "patch_size": 16,
            "initializer_range": 0.02,
        },
        projection_dim=hidden,
        image_text_hidden_size=min(256, hidden),
    )
    torch.manual_seed(0)
    model = transformers.BlipForConditionalGeneration(config).eval()
    with torch.no_grad():
        model.text_decoder.cls.predictions.bias[SEP] = -1e4  # it never ends by itself
    images = transformers.BlipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    tokenizer = _tokenizer()
    transformers.BlipProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)
    model.save_pretrained(folder)


def _tokenizer() -> Any:
    import transformers
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    special = {PAD: "[PAD]", UNK: "[UNK]", CLS: "[CLS]", SEP: "[SEP]", MASK: "[MASK]", DEC: "[DEC]"}
    vocabulary = {special.get(i, f"word{i}"): i for i in range(VOCABULARY)}
    inner = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)]
    )
    inner.decoder = decoders.WordPiece()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        additional_special_tokens=["[DEC]"],
        model_input_names=["input_ids", "attention_mask"],
    )
