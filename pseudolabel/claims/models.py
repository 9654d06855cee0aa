"""A tiny TimeSformer and a tiny OPT with random weights, made from their configurations.

They have learned nothing: no picture, no word. What a captioner of them can do, its training has
taught it.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")


@dataclass(frozen=True, slots=True)
class TinyModels:
    """Sizes of both; the encoder sees `frames` frames of `side` pixels."""

    side: int = 64
    patch: int = 16
    frames: int = 4
    width: int = 64
    encoder_layers: int = 3
    writer_layers: int = 2
    heads: int = 4

    def write(self, folder: Path, words: Iterable[str], *, seed: int) -> tuple[str, str]:
        """Write `encoder` and `writer` (with its tokenizer) into a folder, as transformers does.

        Args:
            folder: Where to.
            words: All words that there are; the tokenizer knows no others.
            seed: Of the weights.

        Returns:
            The two folders.
        """
        import torch
        from transformers import OPTConfig, OPTForCausalLM, TimesformerConfig, TimesformerModel

        from pseudolabel.captioners.weights import quiet_transformers

        tokenizer = word_tokenizer(words)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            encoder: Any = TimesformerModel(
                TimesformerConfig(
                    image_size=self.side,
                    patch_size=self.patch,
                    num_frames=self.frames,
                    hidden_size=self.width,
                    num_hidden_layers=self.encoder_layers,
                    num_attention_heads=self.heads,
                    intermediate_size=4 * self.width,
                    initializer_range=self.width**-0.5,
                )
            )
            # transformers begins with zeros, to add time to an encoder of images that has learned.
            torch.nn.init.normal_(encoder.embeddings.time_embeddings, std=self.width**-0.5)
            writer = OPTForCausalLM(
                OPTConfig(
                    vocab_size=len(tokenizer),
                    hidden_size=self.width,
                    word_embed_proj_dim=self.width,
                    ffn_dim=4 * self.width,
                    num_hidden_layers=self.writer_layers,
                    num_attention_heads=self.heads,
                    max_position_embeddings=64,
                    dropout=0.0,
                    init_std=self.width**-0.5,
                    pad_token_id=tokenizer.pad_token_id,
                    bos_token_id=tokenizer.bos_token_id,
                    eos_token_id=tokenizer.eos_token_id,
                )
            )
        with quiet_transformers():
            encoder.save_pretrained(folder / "encoder")
            writer.save_pretrained(folder / "writer")
            tokenizer.save_pretrained(folder / "writer")
        return str(folder / "encoder"), str(folder / "writer")


def word_tokenizer(words: Iterable[str]) -> Any:
    """A tokenizer of whole words and commas; texts begin with `</s>`, as OPT's do."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = sorted({part for word in words for part in word.lower().replace(",", " , ").split()})
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *known])}
    inner: Any = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Punctuation(), pre_tokenizers.WhitespaceSplit()]
    )
    # Words and spaces between them; none before a comma.
    inner.decoder = decoders.Sequence(
        [decoders.WordPiece(prefix="##", cleanup=False), decoders.Replace(" ,", ",")]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token="</s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )
