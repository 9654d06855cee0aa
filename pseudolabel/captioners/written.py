"""What a model wrote: tokens to captions, and a batch that fails to the one that it fails for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pseudolabel.captioners.answers import Answer
from pseudolabel.captioners.batching import is_out_of_memory
from pseudolabel.captioners.decoding import SpecialTokens, TokenRecorder
from pseudolabel.captioners.devices import check_device
from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.protocol import Refusal
from pseudolabel.records import Caption

Item = TypeVar("Item")

FAILURES = (RuntimeError, ValueError, IndexError, TypeError, ZeroDivisionError)


def answered(
    items: Sequence[Item], compute: Callable[[Sequence[Item]], list[Answer]]
) -> list[Answer]:
    """Answers to a batch; what cannot be computed gets a `Refusal`, and its neighbours do not.

    Raises:
        CaptionerError: If the device failed.
        RuntimeError, MemoryError: If memory ran out.
    """
    try:
        return compute(items)
    except FAILURES as error:
        if is_out_of_memory(error):
            raise
        check_device(error)
        detail = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    if len(items) == 1:
        return [Refusal(detail)]
    # Find the one that it was; its neighbours are well.
    return [answer for item in items for answer in answered([item], compute)]


def read_answers(
    output: Any,
    recorder: TokenRecorder,
    tokens: SpecialTokens,
    tokenizer: Any,
    options: CaptionOptions,
    *,
    with_prompt: bool = False,
) -> list[Answer]:
    """What `generate` gave, as answers: the texts and scores of `options.samples` rows each.

    Args:
        output: Of `generate`.
        recorder: Which was its logits processor.
        tokens: Which ended texts.
        tokenizer: Makes texts of them.
        options: How texts were found.
        with_prompt: Whether a text begins with its prompt.
    """
    captions = _captions(output, recorder, tokens, tokenizer, options, with_prompt)
    each = options.samples
    rows = [captions[start : start + each] for start in range(0, len(captions), each)]
    return [_answer(row) for row in rows]


def _captions(
    output: Any,
    recorder: TokenRecorder,
    tokens: SpecialTokens,
    tokenizer: Any,
    options: CaptionOptions,
    with_prompt: bool,
) -> list[Caption | None]:
    """A caption a row; None where the model's scores were not numbers."""
    import torch

    written = output.sequences[:, recorder.prefix_length or 0 :]
    steps = torch.arange(written.shape[1], device=written.device)
    is_end = torch.isin(written, torch.tensor(tokens.ends, device=written.device))
    ended = is_end.any(dim=1)
    # Tokens up to the end token, itself included; all of them where there is none.
    lengths = torch.where(ended, is_end.int().argmax(dim=1) + 1, written.shape[1])
    if options.beams > 1:
        means = output.sequences_scores
    else:
        taken = steps < lengths[:, None]
        means = torch.where(taken, recorder.logprobs(), 0.0).sum(dim=1) / lengths
    shown = output.sequences if with_prompt else written
    texts = tokenizer.batch_decode(shown, skip_special_tokens=True)
    rows = zip(texts, means.tolist(), ended.tolist(), strict=True)
    return [
        Caption(" ".join(text.split()), min(mean, 0.0), truncated=not has_end)
        if mean == mean and mean > float("-inf")
        else None
        for text, mean, has_end in rows
    ]


def _answer(captions: Sequence[Caption | None]) -> Answer:
    whole = tuple(caption for caption in captions if caption is not None)
    if len(whole) < len(captions):
        return Refusal("the model's scores are not finite numbers; try --dtype float32")
    return whole
