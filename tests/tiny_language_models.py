"""Tiny language models with random weights: no hub, no download.

`build("llama", folder)` writes a model and its tokenizer, as `save_pretrained` would; the same
seed gives the same weights. `CHAT` is a chat template with a switch for thinking; `write_gguf`
writes a Llama as llama.cpp's converters do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tiny_models import LAYERS, LLAMA_LIKE, SMALL, byte_tokenizer, hf, save, word_tokenizer

CONTEXT = 128
TURN_END = "<|im_end|>"
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}"
    "{% endif %}"
)
_SPECIAL: dict[str, Any] = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
_IDS: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_GPT2: dict[str, Any] = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": CONTEXT}
_OPT: dict[str, Any] = {**LAYERS, "hidden_size": 32, "ffn_dim": 64, "word_embed_proj_dim": 32}


def build(kind: str, folder: Path, *, seed: int = 0) -> Path:
    """Write the tiny model of this kind into a folder, and return the folder."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        _BUILDERS[kind](folder)
    return folder


def tokenizer() -> Any:
    """A byte for a token, mostly; with what ends a turn of a chat."""
    return byte_tokenizer([*_SPECIAL.values(), "<|im_start|>", TURN_END], **_SPECIAL)


def _decoder(folder: Path, kind: str, model: str | None = None, **settings: Any) -> None:
    made = tokenizer()
    config = getattr(hf, f"{kind}Config")(**_IDS, **settings, vocab_size=len(made))
    save(folder, getattr(hf, model or f"{kind}ForCausalLM")(config), made)


def _t5(folder: Path) -> None:
    made = tokenizer()
    sizes = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
    config = hf.T5Config(
        **sizes, **_IDS, decoder_start_token_id=0, n_positions=CONTEXT, vocab_size=len(made)
    )
    save(folder, hf.T5ForConditionalGeneration(config), made)


def _bart(folder: Path) -> None:
    made = tokenizer()
    sizes = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 64))
    }
    config = hf.BartConfig(
        **sizes,
        **_IDS,
        d_model=32,
        max_position_embeddings=CONTEXT,
        vocab_size=len(made),
        decoder_start_token_id=2,
        forced_bos_token_id=1,
    )
    save(folder, hf.BartForConditionalGeneration(config), made)


def _bert(folder: Path) -> None:
    made = word_tokenizer()
    save(folder, hf.BertForMaskedLM(hf.BertConfig(**SMALL, vocab_size=len(made))), made)


_LLAMA: dict[str, Any] = {**LLAMA_LIKE, "max_position_embeddings": CONTEXT}
_DECODERS: dict[str, Callable[[Path], None]] = {
    "llama": partial(_decoder, kind="Llama", **_LLAMA),
    "qwen3": partial(_decoder, kind="Qwen3", **_LLAMA, head_dim=16),
    "gemma3_text": partial(
        _decoder,
        kind="Gemma3Text",
        model="Gemma3ForCausalLM",
        **_LLAMA,
        head_dim=16,
        sliding_window=8,
    ),
    "gpt2": partial(_decoder, kind="GPT2", model="GPT2LMHeadModel", **_GPT2),
    "opt": partial(_decoder, kind="OPT", **_OPT, max_position_embeddings=CONTEXT),
    "bloom": partial(_decoder, kind="Bloom", hidden_size=32, n_layer=2, n_head=2),
    "mamba": partial(_decoder, kind="Mamba", hidden_size=32, num_hidden_layers=2, state_size=4),
}
_REWRITERS: dict[str, Callable[[Path], None]] = {"t5": _t5, "bart": _bart}
_BUILDERS = _DECODERS | _REWRITERS | {"bert": _bert}
DECODERS, REWRITERS = tuple(_DECODERS), tuple(_REWRITERS)


def write_gguf(folder: Path, file: Path, *, chat_template: str | None = None) -> Path:
    """The tiny Llama of a folder as a GGUF file in float32; needs the package `gguf`."""
    import gguf

    model = hf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    made, config = hf.AutoTokenizer.from_pretrained(folder), model.config
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    _add_tokenizer(writer, made, chat_template)
    for name, values in _gguf_tensors(model):
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _add_tokenizer(writer: Any, made: Any, chat_template: str | None) -> None:
    import gguf

    inner = json.loads(made.backend_tokenizer.to_str())["model"]
    tokens = [token for token, _ in sorted(made.get_vocab().items(), key=lambda pair: pair[1])]
    special = set(made.all_special_tokens) | {"<|im_start|>", TURN_END}
    kinds = (gguf.TokenType.CONTROL, gguf.TokenType.NORMAL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds[token not in special] for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in inner["merges"]])
    writer.add_bos_token_id(made.bos_token_id)
    writer.add_eos_token_id(made.eos_token_id)
    writer.add_pad_token_id(made.pad_token_id)
    if chat_template is not None:
        writer.add_chat_template(chat_template)


def _gguf_tensors(model: Any) -> list[tuple[str, Any]]:
    import gguf

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, model.config.num_hidden_layers)
    heads = {"q_proj": model.config.num_attention_heads, "k_proj": model.config.num_key_value_heads}
    found: list[tuple[str, Any]] = []
    for name, weights in model.state_dict().items():
        values = weights.numpy()
        for part, count in heads.items():
            if f".{part}." in name:  # rotated in pairs there, in halves here
                halves = values.reshape(count, 2, -1, values.shape[1])
                values = halves.swapaxes(1, 2).reshape(values.shape)
        found.append((names.get_name(name, try_suffixes=(".weight",)) or name, values))
    return found
