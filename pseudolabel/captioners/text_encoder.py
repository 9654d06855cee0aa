"""The text encoder: how alike two texts are in meaning, as the cosine of two unit vectors.

Any transformers encoder of text. Its last states are averaged over the tokens, or the first is
taken where the repository says so, as those of sentence-transformers do. Nothing is put before a
text: a model that was trained with a prefix ("query: ") works without, if less well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pseudolabel.captioners.batching import release_memory
from pseudolabel.captioners.devices import resolve_device, resolve_dtype
from pseudolabel.captioners.options import CaptionOptions, DType
from pseudolabel.captioners.pooling import Pooling, Recipe, find_recipe
from pseudolabel.captioners.refusals import asked_by
from pseudolabel.captioners.sources import ModelSource, find_source
from pseudolabel.captioners.text_vectors import (
    Tensors,
    TextTokens,
    TextVectors,
    check_tokenizer,
    check_working,
    longest_text,
)
from pseudolabel.captioners.weights import load_weights, quiet_transformers
from pseudolabel.errors import CaptionerError

if TYPE_CHECKING:
    import torch

FLAG = "--text-encoder"
_POOLER = "pooler."  # made for another task, often missing, and not used here
# Known to transformers as filling in blanks, but of proteins, tables, pages or anything at all.
_NOT_OF_TEXT = frozenset(
    {"esm", "esmc", "layoutlm", "modernvbert", "neomme", "perceiver", "tapas", "ultravbert"}
)


@dataclass(frozen=True, slots=True)
class TextEncoderIdentity:
    """Who compared the texts: everything that can change a similarity."""

    model: str  # Hub name or path
    revision: str  # commit hash; for a folder a hash of its files
    architecture: str  # config.model_type, such as "bert"
    pooling: Pooling  # how the states of tokens become one vector
    longest: int  # tokens after which a text is cut
    dtype: str  # resolved: never "auto"


class TextEncoder:
    """Embeds texts by their meaning; use `load_text_encoder`."""

    def __init__(
        self,
        source: ModelSource,
        recipe: Recipe,
        model: Any,
        tokenizer: Any,
        device: torch.device,
        batch_size: int | None,
    ) -> None:
        self._model, self._pooling = model, recipe.pooling
        longest = longest_text(tokenizer, model)
        if recipe.longest:
            longest = min(longest, recipe.longest)
        self.identity = TextEncoderIdentity(
            model=source.model,
            revision=source.revision,
            architecture=source.architecture,
            pooling=recipe.pooling,
            longest=longest,
            dtype=str(model.dtype).removeprefix("torch."),
        )
        self._tokens = TextTokens(tokenizer, longest)
        named = f"{FLAG} {source.model}"
        self._texts = TextVectors(self._tokens, self._embed, device, batch_size, named=named)
        self.dimensions = 0
        check_working(named, self._try)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors `(N, D)`, in order, of texts; the latest ones are remembered.

        A text longer than the model takes is cut: `is_cut` says which. In float32 a vector does
        not depend on the batch that it was computed in, but for rounding (1e-6).

        Raises:
            CaptionerError: If one text alone does not fit into memory, or the model's numbers
                are not finite.
        """
        if not len(texts):
            return np.zeros((0, self.dimensions), np.float32)
        return self._texts(texts)

    def is_cut(self, text: str) -> bool:
        """Whether a text is longer than the model takes, so that its end does not count."""
        return self._tokens.is_cut(text)

    def close(self) -> None:
        """Drop the model, and give its memory back."""
        self._model = None
        release_memory()

    def _try(self) -> None:
        self.dimensions = self.encode([""]).shape[1]

    def _embed(self, tensors: Tensors) -> torch.Tensor:
        states: torch.Tensor = self._model(**tensors).last_hidden_state  # (N, length, D)
        if self._pooling == "cls":
            return states[:, 0]
        mask = tensors["attention_mask"][:, :, None]
        return (states.float() * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def load_text_encoder(
    name: str, *, device: str = "auto", dtype: DType = "auto", batch_size: int | None = None
) -> TextEncoder:
    """The text encoder of that name, ready to encode; `close` it when done.

    Args:
        name: NAME[@revision] on the Hub, or a folder.
        device: "auto" (CUDA, MPS, then the CPU), "cpu", "cuda", "cuda:1" or "mps".
        dtype: "auto" is bfloat16 where the device has it natively, else float32.
        batch_size: Texts at a time; None for what suits the device. It is halved where memory
            ends.

    Raises:
        CaptionerError: If it cannot be found or loaded, cannot be used here, or is no encoder
            of text.
        OptionError: If `dtype` or `batch_size` is not allowed.
    """
    import transformers

    hf: Any = transformers  # its annotations are partial
    with asked_by(FLAG, "a text encoder"), quiet_transformers():
        CaptionOptions(device=device, dtype=dtype, batch_size=batch_size)  # checks
        place = resolve_device(device)
        source = find_source(name)
        _check_architecture(source)
        recipe = find_recipe(source)
        tokenizer = _load_tokenizer(source)
        format_ = resolve_dtype(dtype, place)
        model = load_weights(hf.AutoModel, source, place, format_, unused=(_POOLER,))
    return TextEncoder(source, recipe, model, tokenizer, place, batch_size)


def _load_tokenizer(source: ModelSource) -> Any:
    import transformers

    hf: Any = transformers
    named = f"{FLAG} {source.model}"
    try:
        tokenizer = hf.AutoTokenizer.from_pretrained(source.location, **source.load_args)
    except Exception as error:  # that of a broken file is a bare one
        raise CaptionerError(
            f"{named}: its tokenizer does not load ({type(error).__name__})",
            hint="save the tokenizer next to the model: tokenizer.save_pretrained(PATH)",
        ) from error
    check_tokenizer(tokenizer, named)
    return tokenizer


def _check_architecture(source: ModelSource) -> None:
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as WRITERS,
    )
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_MASKED_LM_MAPPING_NAMES as ENCODERS,
    )

    kind, config = source.architecture, source.config
    decodes = bool(config.get("is_encoder_decoder") or config.get("is_decoder"))
    if kind in ENCODERS and kind not in _NOT_OF_TEXT and not decodes:
        return
    does = "writes texts" if decodes or kind in WRITERS else "does not encode texts alone"
    raise CaptionerError(
        f"{FLAG} {source.model}: architecture {kind or 'unnamed'!r} {does}",
        hint="BERT, MPNet, RoBERTa, XLM-R, MiniLM and their like,"
        " such as sentence-transformers/all-MiniLM-L6-v2",
    )
