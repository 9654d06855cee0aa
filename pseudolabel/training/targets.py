"""Captions as token ids, to be predicted one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    import torch

    from pseudolabel.training.data.examples import Broken, Example

IGNORED = -100  # a label that is no target, to transformers


class TokenBatch(TypedDict):
    """A batch as the model takes it, but for pixels, which become numbers on the device."""

    pixels: torch.Tensor  # uint8 RGB (B, T, S, S, 3)
    input_ids: torch.Tensor  # int64 (B, L), padded on the right
    attention_mask: torch.Tensor  # int64 (B, L)
    labels: torch.Tensor  # int64 (B, L), IGNORED where there is padding, and for the first token
    id: list[str]
    replaced: list[Broken]
    failed: list[Broken]


@dataclass(frozen=True, slots=True)
class Tokenize:
    """Makes batches of examples, and captions of tokens; goes to worker processes.

    A caption is `</s> words </s>`, as OPT's texts begin; one that is cut has no end.

    Args:
        tokenizer: The language model's.
        max_tokens: Of a caption, without the first token.
    """

    tokenizer: Any
    max_tokens: int

    def __call__(self, examples: list[Example]) -> TokenBatch:
        """A batch of examples of one kind."""
        from pseudolabel.training.data.loading import collated

        batch = collated(examples)
        ids, mask, labels = self.tokens(batch["text"])
        return TokenBatch(
            pixels=batch["pixels"],
            input_ids=ids,
            attention_mask=mask,
            labels=labels,
            id=batch["id"],
            replaced=batch["replaced"],
            failed=batch["failed"],
        )

    def tokens(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Ids, mask and labels of captions, `(B, L)` each."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        first, last = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        spoken = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        rows = [torch.tensor([first, *[*ids, last][: self.max_tokens]]) for ids in spoken]
        pad = self.tokenizer.pad_token_id
        ids = pad_sequence(rows, batch_first=True, padding_value=last if pad is None else pad)
        mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
        labels = ids.masked_fill(mask == 0, IGNORED)
        labels[:, 0] = IGNORED
        return ids, mask, labels

    def limits(self) -> dict[str, Any]:
        """What `generate` is to be told, to write captions as these are, greedily."""
        end, pad = self.tokenizer.eos_token_id, self.tokenizer.pad_token_id
        return {
            "max_new_tokens": self.max_tokens,
            "do_sample": False,
            "eos_token_id": end,
            "pad_token_id": end if pad is None else pad,
        }

    def read(self, tokens: torch.Tensor) -> list[str]:
        """The captions in what `generate` gives, `(B, L)`."""
        texts = self.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [text.strip() for text in texts]
