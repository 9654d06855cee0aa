"""Prompts to a language model's tokens: in its chat's form where it has one, padded in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    Tensors = dict[str, torch.Tensor]

# The switches by which chat templates turn thinking off; one that knows neither ignores them.
_NO_THINKING = {"enable_thinking": False, "thinking": False}
_ANSWER = "ANSWER"


class PromptTokens:
    """A tokenizer as a language model needs it.

    Args:
        tokenizer: The model's own.
        pad: The token that fills a batch.
        ends: The tokens at which the model stops.
        pads_left: Whether a row ends where its text goes on, as where prompt and answer are one;
            an encoder of its own numbers positions from the left.
    """

    def __init__(self, tokenizer: Any, *, pad: int, ends: Sequence[int], pads_left: bool) -> None:
        self._tokenizer, self._pad, self._pads_left = tokenizer, pad, pads_left
        self._ends = frozenset(ends)
        self._special = special_tokens(tokenizer)

    def row(self, prompt: str) -> list[int]:
        """Token ids of one prompt.

        Raises:
            ValueError: If the chat's form does not take it.
        """
        # A lone surrogate, which a broken transcript may hold, is no text for a tokenizer.
        text = prompt.encode("utf-8", "replace").decode()
        # What a caption says is never an instruction to the tokenizer, such as an end of turn.
        for token in self._special:
            text = text.replace(token, " ")
        if self._tokenizer.chat_template is None:
            ids: list[int] = self._tokenizer(text, verbose=False)["input_ids"]
            # BERT's kind of tokenizer closes a text, which then has nothing to be continued with.
            while self._pads_left and ids and ids[-1] in self._ends:
                ids.pop()
            return ids
        question = render(self._tokenizer, [{"role": "user", "content": text}], asks=True)
        asked: list[int] = self._tokenizer(question, add_special_tokens=False, verbose=False)[
            "input_ids"
        ]
        return asked

    def batch(self, rows: Sequence[list[int]], device: torch.device) -> Tensors:
        """Ids and mask `(N, length)` of rows of any lengths."""
        import torch

        length = max(map(len, rows))
        gaps = [[self._pad] * (length - len(row)) for row in rows]
        masks = [([0] * len(gap), [1] * len(row)) for row, gap in zip(rows, gaps, strict=True)]
        if self._pads_left:
            ids = [gap + row for row, gap in zip(rows, gaps, strict=True)]
            mask = [empty + full for empty, full in masks]
        else:
            ids = [row + gap for row, gap in zip(rows, gaps, strict=True)]
            mask = [full + empty for empty, full in masks]
        return {
            "input_ids": torch.tensor(ids, device=device),
            "attention_mask": torch.tensor(mask, device=device),
        }

    def texts(self, written: torch.Tensor) -> list[str]:
        """The text of each row of written tokens `(N, length)`."""
        texts: list[str] = self._tokenizer.batch_decode(written, skip_special_tokens=True)
        return [without_thoughts(text).strip() for text in texts]


def special_tokens(tokenizer: Any) -> dict[str, int]:
    """The tokens of a vocabulary that stand for no text, such as "<|im_end|>", and their ids."""
    added = tokenizer.added_tokens_decoder.items()
    marked = {token.content: int(index) for index, token in added if token.special}
    named = tokenizer.all_special_tokens
    return marked | dict(zip(named, tokenizer.convert_tokens_to_ids(named), strict=True))


def turn_ends(tokenizer: Any) -> set[int]:
    """The token that ends an answer in the chat's form; none where there is no such form.

    A GGUF file, and many a fine-tuned model, names only the end of a whole text as an end: its
    answers would run on into a next question of its own.
    """
    if tokenizer.chat_template is None:
        return set()
    chat = [{"role": "user", "content": "A"}, {"role": "assistant", "content": _ANSWER}]
    try:
        tail = render(tokenizer, chat, asks=False).rpartition(_ANSWER)[2].lstrip()
    except ValueError:  # it may still take a question alone, which is tried while loading
        return set()
    return {index for token, index in special_tokens(tokenizer).items() if tail.startswith(token)}


def render(tokenizer: Any, messages: list[dict[str, str]], *, asks: bool) -> str:
    """Messages in the chat's form, thinking off where the template has such a switch.

    Args:
        tokenizer: One with a chat template.
        messages: Of users and assistants.
        asks: Whether an answer is to follow.

    Raises:
        ValueError: If the template does not take them.
    """
    from jinja2 import TemplateError

    try:
        text: str = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=asks, **_NO_THINKING
        )
    except TemplateError as error:
        raise ValueError(f"its chat template fails: {error}") from error
    return text


def without_thoughts(text: str) -> str:
    """The answer, less the thoughts that models put in front of it, and may never end."""
    if "</think>" in text:
        return text.rpartition("</think>")[2]
    return "" if text.lstrip().startswith("<think>") else text
