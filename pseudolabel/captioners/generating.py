"""A call of a model's `generate`, as every captioner on this machine makes it."""

# mypy: allow-untyped-calls

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pseudolabel.captioners.answers import Answer
from pseudolabel.captioners.batching import release_memory
from pseudolabel.captioners.decoding import SpecialTokens, TokenRecorder
from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.preparing import CaptionTimes, CopyingAhead
from pseudolabel.captioners.sampling import row_keys
from pseudolabel.captioners.written import read_answers
from pseudolabel.records import Frame


class Generator:
    """A model with its tokenizer: inputs to answers, each sample drawn by its frame's own key.

    Args:
        model: Has settled its decoding.
        tokenizer: Makes texts of tokens.
        tokens: What `settle_decoding` gave for the two.
        options: How texts are found.
        copying: Of the captioner that this is part of.
        with_prompt: Whether a text begins with its prompt.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        tokens: SpecialTokens,
        options: CaptionOptions,
        copying: CopyingAhead,
        *,
        with_prompt: bool = False,
    ) -> None:
        self.model: Any = model
        self.tokenizer, self.tokens = tokenizer, tokens
        self.options, self._copying, self._with_prompt = options, copying, with_prompt
        self.times = CaptionTimes()

    def answers(
        self, frames: Sequence[Frame], inputs: Callable[[], Mapping[str, Any]]
    ) -> list[Answer]:
        """Caption a batch; an answer a frame.

        Args:
            frames: One for each row of the inputs: samples are keyed by it.
            inputs: Makes what `generate` takes, on the model's device; its time is `preparing_s`.
        """
        import torch

        options, times = self.options, self.times
        began_s = time.perf_counter()
        keys = None
        if options.is_sampling:
            made = row_keys(frames, samples=options.samples, seed=options.seed)
            keys = torch.tensor(made, dtype=torch.int64, device=self.model.device)
        recorder = TokenRecorder(options, self.tokens.banned, keys)
        with torch.inference_mode():
            given = inputs()
            prepared_s = time.perf_counter()
            output = self.model.generate(**given, logits_processor=[recorder])
            self._copying.wait_for_results()  # for the clock; reading would wait as well
        generated_s = time.perf_counter()
        found = read_answers(
            output,
            recorder,
            self.tokens,
            self.tokenizer,
            options,
            with_prompt=self._with_prompt,
        )
        times.preparing_s += prepared_s - began_s
        times.generating_s += generated_s - prepared_s
        times.reading_s += time.perf_counter() - generated_s
        return found

    def close(self) -> None:
        """Drop the model, and give its memory back."""
        self.model = None
        release_memory()
