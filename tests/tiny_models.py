"""Tiny captioners with random weights, built from their configurations: no hub, no download.

`build("blip", folder)` writes a model, its image processor and its tokenizer, each well under a
megabyte, as `save_pretrained` would. The same seed gives the same weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer

from pseudolabel.records import Frame

hf: Any = transformers  # its annotations are partial

TEXTS = ("a man is cooking food in a kitchen", "person cuts the onion with a knife", "a photo of")
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}END\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LAYERS = {"num_hidden_layers": 2, "num_attention_heads": 2}
SMALL = {**LAYERS, "hidden_size": 32, "intermediate_size": 64}
VISION = {**SMALL, "image_size": 32, "patch_size": 8}
LLAMA_LIKE = {**SMALL, "num_key_value_heads": 1, "max_position_embeddings": 1024}
GAIN = 16.0
SIDE = {"height": 32, "width": 32}
FLORENCE_VISION = {
    "embed_dim": [8, 8, 16, 16],
    "num_heads": [2, 2, 2, 2],
    "num_groups": [2, 2, 2, 2],
    "depths": [1, 1, 1, 1],
    "patch_size": [7, 3, 3, 3],
    "patch_stride": [4, 2, 2, 2],
    "patch_padding": [3, 1, 1, 1],
    "patch_prenorm": [False, True, True, True],
    "window_size": 2,
    "projection_dim": 32,
    "drop_path_rate": 0.0,
    "max_temporal_embeddings": 4,
    "max_position_embeddings": 8,
}


def build(kind: str, folder: Path, *, seed: int = 0) -> Path:
    """Write the tiny model of this kind, one of `KINDS`, into a folder, and return the folder."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        _BUILDERS[kind](folder)
    return folder


def noise_frame(seed: int, *, height: int = 48, width: int = 64, time_s: float = 0.0) -> Frame:
    """A frame of a color of its own, with noise; its seed is its clip index, too."""
    random = np.random.default_rng(seed)
    color = random.integers(0, 192, 3)
    pixels = (color + random.integers(0, 64, (height, width, 3))).astype(np.uint8)
    return Frame("video", seed, 0, time_s or float(seed), True, pixels)


def word_tokenizer() -> Any:
    """BERT's kind, with an explicit vocabulary: training one is not deterministic."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
    words = sorted({word for text in TEXTS for word in text.split()})
    vocabulary = {token: index for index, token in enumerate([*special, *words])}
    inner = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    inner.decoder = decoders.WordPiece()
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        additional_special_tokens=["[DEC]"],
        model_input_names=["input_ids", "attention_mask"],
    )


def byte_tokenizer(special: Sequence[str], **settings: Any) -> Any:
    """GPT-2's kind; `special` come first in the vocabulary."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=320, special_tokens=list(special), initial_alphabet=alphabet)
    inner.train_from_iterator(TEXTS, trainer)
    if settings.pop("wraps", False):
        inner.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
        )
        inner.add_special_tokens(["<image>"])
    return hf.PreTrainedTokenizerFast(tokenizer_object=inner, **settings)


def save(folder: Path, model: Any, *parts: Any) -> None:
    # As initialised, weights are so small that every image gets the same text.
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim > 1:
                weights.mul_(GAIN)
    for part in (model.eval(), *parts):
        part.save_pretrained(folder)


def _blip(folder: Path) -> None:
    tokenizer = word_tokenizer()
    ids = tokenizer.convert_tokens_to_ids
    config = hf.BlipConfig(
        text_config={
            **SMALL,
            "vocab_size": len(tokenizer),
            "encoder_hidden_size": 32,
            "projection_dim": 16,
            "max_position_embeddings": 64,
            "bos_token_id": ids("[DEC]"),
            "eos_token_id": ids("[SEP]"),
            "sep_token_id": ids("[SEP]"),
            "pad_token_id": ids("[PAD]"),
        },
        # BLIP's own default, 1e-10, makes it blind.
        vision_config={**VISION, "projection_dim": 16, "initializer_range": 0.02},
        projection_dim=16,
    )
    pixels = hf.BlipImageProcessorPil(size=SIDE)
    joint = hf.BlipProcessor(image_processor=pixels, tokenizer=tokenizer)
    save(folder, hf.BlipForConditionalGeneration(config), joint)


def _git(folder: Path) -> None:
    tokenizer = word_tokenizer()
    ids = tokenizer.convert_tokens_to_ids
    config = hf.GitConfig(
        **SMALL,
        vision_config=VISION,
        vocab_size=len(tokenizer),
        max_position_embeddings=64,
        pad_token_id=ids("[PAD]"),
        bos_token_id=ids("[CLS]"),
        eos_token_id=ids("[SEP]"),
    )
    pixels = hf.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=SIDE)
    joint = hf.GitProcessor(image_processor=pixels, tokenizer=tokenizer)
    save(folder, hf.GitForCausalLM(config), joint)


def _blip2(folder: Path) -> None:
    named = {"pad_token": "<pad>", "eos_token": "</s>", "bos_token": "</s>"}
    tokenizer = byte_tokenizer(["<pad>", "</s>"], **named)
    pixels = hf.BlipImageProcessorPil(size=SIDE)
    joint = hf.Blip2Processor(image_processor=pixels, tokenizer=tokenizer, num_query_tokens=4)
    text = hf.OPTConfig(
        vocab_size=len(joint.tokenizer),
        **LAYERS,
        hidden_size=32,
        ffn_dim=64,
        word_embed_proj_dim=32,
        max_position_embeddings=128,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=1,
    )
    config = hf.Blip2Config(
        vision_config=VISION,
        qformer_config={**SMALL, "vocab_size": len(tokenizer), "encoder_hidden_size": 32},
        text_config=text.to_dict(),
        num_query_tokens=4,
        image_token_index=joint.tokenizer.convert_tokens_to_ids("<image>"),
    )
    save(folder, hf.Blip2ForConditionalGeneration(config), joint)


def _vit_gpt2(folder: Path) -> None:
    end = "<|endoftext|>"
    tokenizer = byte_tokenizer([end], pad_token=end, eos_token=end, bos_token=end)
    config = hf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        hf.ViTConfig(**VISION),
        hf.GPT2Config(
            vocab_size=len(tokenizer),
            n_embd=32,
            n_layer=2,
            n_head=2,
            n_positions=64,
            bos_token_id=0,
            eos_token_id=0,
        ),
    )
    model = hf.VisionEncoderDecoderModel(config=config)
    for name in ("decoder_start_token_id", "pad_token_id", "eos_token_id"):
        setattr(model.generation_config, name, 0)
    save(folder, model, hf.ViTImageProcessorPil(size=SIDE), tokenizer)


def _save_chat(folder: Path, model: Any, pixels: Any, tokenizer: Any, **settings: Any) -> None:
    """Save the parts as repositories with a video side do: it cannot be built here."""
    save(folder, model, pixels, tokenizer)
    (folder / "processor_config.json").write_text(json.dumps(settings))


def _idefics_like(folder: Path, kind: str) -> None:
    end = "<end_of_utterance>"
    extra = {
        "fake_image_token": "<fake_token_around_image>",
        "image_token": "<image>",
        "end_of_utterance_token": end,
        "global_image_token": "<global-img>",
    }
    tokenizer = byte_tokenizer(
        ["<|im_start|>", "<|im_end|>", *extra.values()],
        pad_token="<|im_end|>",
        eos_token=end,
        bos_token="<|im_start|>",
        extra_special_tokens=extra,
    )
    tokenizer.chat_template = CHAT.replace("IMAGE", "<image>").replace("END", end)
    special = {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    config = getattr(hf, f"{kind}Config")(
        vision_config=VISION,
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
        text_config={"model_type": "llama", "vocab_size": len(tokenizer), **LLAMA_LIKE, **special},
    )
    model = getattr(hf, f"{kind}ForConditionalGeneration")(config)
    pixels = getattr(hf, f"{kind}ImageProcessorPil")(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}, do_image_splitting=False
    )
    if kind == "Idefics3":
        joint = hf.Idefics3Processor(
            image_processor=pixels,
            tokenizer=tokenizer,
            image_seq_len=4,
            chat_template=tokenizer.chat_template,
        )
        save(folder, model, joint)
    else:
        name = f"{kind}Processor"
        _save_chat(folder, model, pixels, tokenizer, processor_class=name, image_seq_len=4)


def _florence2(folder: Path) -> None:
    tokenizer = byte_tokenizer(
        ["<s>", "<pad>", "</s>", "<unk>"],
        wraps=True,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
    )
    side = {"height": 64, "width": 64}
    pixels = hf.CLIPImageProcessorPil(
        size=side, do_center_crop=False, crop_size=side, image_seq_length=5
    )
    joint = hf.Florence2Processor(
        image_processor=pixels, tokenizer=tokenizer, num_additional_image_tokens=1
    )
    text = {
        "model_type": "bart",
        "vocab_size": len(tokenizer),
        "d_model": 32,
        **{f"{side}_layers": 1 for side in ("encoder", "decoder")},
        **{f"{side}_attention_heads": 2 for side in ("encoder", "decoder")},
        **{f"{side}_ffn_dim": 64 for side in ("encoder", "decoder")},
        "max_position_embeddings": 128,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 1,
        "decoder_start_token_id": 2,
    }
    model = hf.Florence2ForConditionalGeneration(
        hf.Florence2Config(
            text_config=text, vision_config=FLORENCE_VISION, image_token_id=tokenizer.image_token_id
        )
    )
    # As the real checkpoints ship it: none of this is greedy.
    for name, value in {
        "num_beams": 3,
        "no_repeat_ngram_size": 3,
        "early_stopping": True,
        "forced_bos_token_id": 0,
        "forced_eos_token_id": 2,
    }.items():
        setattr(model.generation_config, name, value)
    save(folder, model, joint)


def _qwen_vl(folder: Path, version: str) -> None:
    extra = {
        "image_token": "<|image_pad|>",
        "video_token": "<|video_pad|>",
        "vision_bos_token": "<|vision_start|>",
        "vision_eos_token": "<|vision_end|>",
    }
    tokenizer = byte_tokenizer(
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *extra.values()],
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        extra_special_tokens=extra,
    )
    image = "<|vision_start|><|image_pad|><|vision_end|>"
    tokenizer.chat_template = CHAT.replace("IMAGE", image).replace("END", "<|im_end|>")
    ids = tokenizer.convert_tokens_to_ids
    text = {
        **LLAMA_LIKE,
        "vocab_size": len(tokenizer),
        "head_dim": 16,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 2, 2]},
        "bos_token_id": 0,
        "eos_token_id": ids("<|im_end|>"),
        "pad_token_id": 0,
    }
    vision: dict[str, Any] = {"depth": 2, "num_heads": 2, "out_hidden_size": 32}
    vision |= {"hidden_size": 32, "intermediate_size": 64}
    if version == "2_5":
        patch = 14
        vision |= {"patch_size": patch, "window_size": 56, "fullatt_block_indexes": [1]}
    else:
        patch = 16
        vision |= {"patch_size": patch, "num_position_embeddings": 64}
        vision["deepstack_visual_indexes"] = [0]
    name = f"Qwen{version}_VL" if version == "2_5" else "Qwen3VL"
    config = getattr(hf, f"{name}Config")(
        text_config=text,
        vision_config=vision,
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
    )
    pixels = hf.Qwen2VLImageProcessorPil(
        patch_size=patch, size={"shortest_edge": 28 * 28 * 4, "longest_edge": 56 * 56 * 4}
    )
    model = getattr(hf, f"{name}ForConditionalGeneration")(config)
    _save_chat(folder, model, pixels, tokenizer, processor_class=f"{name}Processor")


def _paligemma(folder: Path) -> None:
    named = {f"{name}_token": f"<{name}>" for name in ("pad", "eos", "bos", "unk")}
    tokenizer = byte_tokenizer([*named.values()], **named)
    pixels = hf.SiglipImageProcessorPil(size=SIDE)
    pixels.image_seq_length = 16
    joint = hf.PaliGemmaProcessor(image_processor=pixels, tokenizer=tokenizer)
    config = hf.PaliGemmaConfig(
        text_config={
            **SMALL,
            "model_type": "gemma",
            "vocab_size": len(joint.tokenizer),
            "num_key_value_heads": 1,
            "head_dim": 16,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "bos_token_id": 2,
        },
        vision_config={**VISION, "model_type": "siglip_vision_model", "projection_dim": 32},
        projection_dim=32,
        image_token_index=joint.image_token_id,
    )
    save(folder, hf.PaliGemmaForConditionalGeneration(config), joint)


_BUILDERS: dict[str, Callable[[Path], None]] = {
    "blip": _blip,
    "git": _git,
    "blip2": _blip2,
    "vit_gpt2": _vit_gpt2,
    "idefics3": partial(_idefics_like, kind="Idefics3"),
    "smolvlm": partial(_idefics_like, kind="SmolVLM"),
    "florence2": _florence2,
    "qwen2_5_vl": partial(_qwen_vl, version="2_5"),
    "qwen3_vl": partial(_qwen_vl, version="3"),
    "paligemma": _paligemma,
}
KINDS = tuple(_BUILDERS)
