"""Texts to unit vectors: tokens, padding, batches and a memory, for any model that embeds text."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pseudolabel.captioners.batching import BatchSizer
from pseudolabel.captioners.devices import check_device
from pseudolabel.captioners.weights import quiet_transformers
from pseudolabel.errors import CaptionerError

if TYPE_CHECKING:
    import torch

Tensors = dict[str, "torch.Tensor"]
Vectors = NDArray[np.float32]

KEPT_TEXTS = 32_768  # 64 MB at 512 dimensions
_NO_LIMIT = 10**6  # tokenizers without a limit name an astronomical one
_USUAL_LIMIT = 512


@dataclass(frozen=True, slots=True)
class TextTokens:
    """A tokenizer, and what its model takes.

    Args:
        tokenizer: The model's own.
        longest: Tokens after which a text is cut, special ones included.
        fills: Whether each text is padded to `longest`, lower case and unmasked, as SigLIP was
            trained.
    """

    tokenizer: Any
    longest: int
    fills: bool = False

    def rows(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, cut where it is too long."""
        return self._ids(texts, truncation=True, max_length=self.longest)

    def is_cut(self, text: str) -> bool:
        """Whether the model sees only the beginning of a text."""
        return len(self._ids([text])[0]) > self.longest

    def batch(self, rows: Sequence[list[int]], device: torch.device) -> Tensors:
        """Padded on the right: ids `(N, length)`, and where a mask is taken, a mask."""
        import torch

        length = self.longest if self.fills else max(1, *map(len, rows))
        pad = self.tokenizer.pad_token_id or 0
        ids = torch.tensor([row + [pad] * (length - len(row)) for row in rows])
        if self.fills:
            return {"input_ids": ids.to(device)}
        counts = torch.tensor([len(row) for row in rows])
        mask = (torch.arange(length) < counts[:, None]).long()
        return {"input_ids": ids.to(device), "attention_mask": mask.to(device)}

    def _ids(self, texts: Sequence[str], **cut: Any) -> list[list[int]]:
        # A lone surrogate, which a broken transcript may hold, is no text for a tokenizer.
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        shown = [text.lower() for text in clean] if self.fills else clean
        ids: list[list[int]] = self.tokenizer(shown, verbose=False, **cut)["input_ids"]
        return ids


def longest_text(tokenizer: Any, tower: Any) -> int:
    """How many tokens a text model takes: what its tokenizer says, and its positions allow.

    Args:
        tokenizer: The model's own.
        tower: The module that reads text.
    """
    import torch

    limits = [int(tokenizer.model_max_length)] if tokenizer.model_max_length < _NO_LIMIT else []
    for name, module in tower.named_modules():
        if "position_embedding" in name and isinstance(module, torch.nn.Embedding):
            # RoBERTa and its like number positions after that of the padding.
            taken = 0 if module.padding_idx is None else module.padding_idx + 1
            limits.append(module.num_embeddings - taken)
    return min(limits) if limits else _USUAL_LIMIT


class TextVectors:
    """Unit vectors of texts, each computed once while it is remembered.

    Args:
        tokens: How texts become tokens.
        embed: The model: tensors to vectors `(N, D)`, of any length.
        device: Where it computes.
        batch_size: Texts at a time; None for what suits the device.
        named: How the user named the model, such as `--scorer demo`.
        kept: How many texts are remembered.
    """

    def __init__(
        self,
        tokens: TextTokens,
        embed: Callable[[Tensors], torch.Tensor],
        device: torch.device,
        batch_size: int | None,
        *,
        named: str,
        kept: int = KEPT_TEXTS,
    ) -> None:
        self._tokens, self._embed, self._device = tokens, embed, device
        on_cpu = device.type == "cpu"
        grows = not on_cpu and batch_size is None
        self._sizer = BatchSizer(batch_size or (32 if on_cpu else 128), grows=grows)
        self._named = named
        self._kept: OrderedDict[str, Vectors] = OrderedDict()
        self._most = kept

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors `(N, D)`, float32, in order; N is 1 or more.

        Raises:
            CaptionerError: If one text alone does not fit into memory, or the model's numbers
                are not finite.
        """
        unique = dict.fromkeys(texts)
        known = {text: self._kept[text] for text in unique if text in self._kept}
        for text in known:
            self._kept.move_to_end(text)
        missing = [text for text in unique if text not in known]
        if missing:
            known.update(zip(missing, self._computed(missing), strict=True))
        self._remember({text: known[text] for text in missing})
        return np.stack([known[text] for text in texts])

    def _computed(self, texts: list[str]) -> list[Vectors]:
        import torch

        with quiet_transformers(), torch.inference_mode():
            rows = self._tokens.rows(texts)
            # Long with long: a short text is not padded to a long one's length.
            order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
            vectors = run_batches(
                self._sizer,
                [rows[index] for index in order],
                lambda batch: self._embed(self._tokens.batch(batch, self._device)),
                named=self._named,
                item="text",
            )
        place = {index: position for position, index in enumerate(order)}
        return [vectors[place[index]] for index in range(len(texts))]

    def _remember(self, fresh: dict[str, Vectors]) -> None:
        self._kept.update(fresh)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


def check_tokenizer(tokenizer: Any, named: str) -> None:
    """Refuse a tokenizer of special tokens only, which transformers makes where files are missing.

    Every text would be the same to it.

    Raises:
        CaptionerError: If it is such a one.
    """
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):
        raise CaptionerError(
            f"{named}: its tokenizer knows no words",
            hint="save the tokenizer next to the model: tokenizer.save_pretrained(PATH)",
        )


def check_working(named: str, trial: Callable[[], object]) -> None:
    """Try a model once, so that parts which do not belong together are found while loading.

    Raises:
        CaptionerError: If the trial fails.
    """
    try:
        trial()
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CaptionerError(
            f"{named}: loads, but does not work ({type(error).__name__}: {reason})",
            hint="a model with the processor and the tokenizer that belong to it",
        ) from error


def run_batches(
    sizer: BatchSizer,
    items: Sequence[Any],
    embed: Callable[[Sequence[Any]], torch.Tensor],
    *,
    named: str,
    item: str,
) -> list[Vectors]:
    """Unit vectors of items, batch by batch, each a float32 array `(D,)` of its own.

    Args:
        sizer: Chooses the batches.
        items: What `embed` takes a list of.
        embed: Items to vectors `(N, D)`, of any length.
        named: How the user named the model, such as `--scorer demo`.
        item: What one is called in an error: "text", "frame".

    Raises:
        CaptionerError: If one item alone does not fit into memory, the device failed, or numbers
            are not finite.
    """
    import torch

    def compute(batch: Sequence[Any]) -> list[Vectors]:
        vectors = torch.nn.functional.normalize(embed(batch).float(), dim=1).cpu()
        return [row.copy() for row in vectors.numpy()]

    try:
        vectors = sizer.run(items, compute)
    except CaptionerError as error:  # said in a captioner's words
        raise CaptionerError(
            f"{named}: out of memory at a single {item}",
            hint="a smaller model, or a device with more memory",
        ) from error
    except RuntimeError as error:
        check_device(error)
        raise
    if not all(np.isfinite(row).all() for row in vectors):
        raise CaptionerError(
            f"{named}: the model's numbers are not finite",
            hint="another number format than float16, or another model",
        )
    return vectors
