"""Captioners that run on this machine: any image-to-text model that transformers loads."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pseudolabel.captioners.answers import Answer, check_some_worked
from pseudolabel.captioners.batching import BatchSizer, is_out_of_memory, release_memory
from pseudolabel.captioners.decoding import SpecialTokens, TokenRecorder, settle_decoding
from pseudolabel.captioners.devices import check_device
from pseudolabel.captioners.identity import ModelPlan, plan_model
from pseudolabel.captioners.inputs import InputBuilder
from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.preparing import CaptionTimes, CopyingAhead, Prepared
from pseudolabel.captioners.processors import load_processors
from pseudolabel.captioners.prompts import CONTINUES_PROMPT
from pseudolabel.captioners.protocol import CaptionerIdentity, Refusal
from pseudolabel.captioners.sampling import row_keys
from pseudolabel.captioners.weights import load_model, quiet_transformers
from pseudolabel.records import Caption, Frame, FrameSize

_FAILURES = (RuntimeError, ValueError, IndexError, TypeError, ZeroDivisionError)


class TransformersCaptioner:
    """A model, its processors, and how it decodes; use `load`."""

    def __init__(
        self,
        plan: ModelPlan,
        options: CaptionOptions,
        model: Any,
        tokenizer: Any,
        inputs: InputBuilder,
        tokens: SpecialTokens,
    ) -> None:
        self._plan, self._options = plan, options
        self._model, self._tokenizer = model, tokenizer
        self._inputs, self._tokens = inputs, tokens
        self._sizer = BatchSizer.for_device(plan.device, options.batch_size)
        self._copying = CopyingAhead(plan.device)
        self._has_worked = False
        self.times = CaptionTimes()

    @classmethod
    def load(cls, options: CaptionOptions) -> TransformersCaptioner:
        """Find and load the model that these options name.

        Raises:
            CaptionerError: If it cannot be found or loaded, or cannot be used here.
        """
        with quiet_transformers():
            plan = plan_model(options)
            trust = options.trust_remote_code
            processors = load_processors(plan.source, trust_remote_code=trust)
            model = load_model(plan, trust_remote_code=trust)
            tokens = settle_decoding(model, processors.tokenizer, options)
            identity = plan.identity
            inputs = InputBuilder(
                identity.architecture, processors, identity.prompt, tokens, plan.device, plan.dtype
            )
        return cls(plan, options, model, processors.tokenizer, inputs, tokens)

    @property
    def identity(self) -> CaptionerIdentity:
        """Who it is, for the run's manifest."""
        return self._plan.identity

    @property
    def frame_size(self) -> FrameSize:
        """The size that the image processor would resize to."""
        return self._inputs.frame_size

    @property
    def batch_size(self) -> int:
        """How many frames it would like next; grows on a GPU, halves when memory runs out."""
        return self._sizer.size

    @property
    def largest_batch(self) -> int:
        """What the batch size may grow to."""
        return self._sizer.limit

    def prepare(self, frames: Sequence[Frame]) -> Prepared | None:
        """Stack frames, and begin to copy them to the device; may run beside `caption`.

        None where frames must go through the model's own processor. What fails here fails once
        more in `caption`, which knows what to do about it.
        """
        try:
            pixels = self._inputs.stack([f.pixels for f in frames], self._copying.empty)
            return None if pixels is None else self._copying.start(pixels)
        except (*_FAILURES, MemoryError):
            return None

    def caption(self, frames: Sequence[Frame], prepared: Prepared | None = None) -> list[Answer]:
        """Caption frames, in order; one `Caption` a sample.

        A frame that the processor or the model cannot take gets a `Refusal`; its neighbours do
        not notice.

        Args:
            frames: Any number of them.
            prepared: What `prepare` gave for just these frames.

        Raises:
            CaptionerError: If one frame alone does not fit into memory, the device failed, or
                the very first frames all fail.
        """

        def answers_of(places: Sequence[int]) -> list[Answer]:
            return self._answers(frames, places, prepared)

        with quiet_transformers():
            answers = self._sizer.run(range(len(frames)), answers_of)
        self._has_worked = check_some_worked(
            answers, has_worked=self._has_worked, model=self.identity.model
        )
        return answers

    def close(self) -> None:
        """Drop the model, and give its memory back."""
        self._model = None
        release_memory()

    def _answers(
        self, frames: Sequence[Frame], places: Sequence[int], prepared: Prepared | None
    ) -> list[Answer]:
        """Answers to the frames at consecutive places."""
        try:
            start, stop = places[0], places[-1] + 1
            stacked = prepared.rows(start, stop) if prepared is not None else None
            return self._generate(frames[start:stop], stacked)
        except _FAILURES as error:
            if is_out_of_memory(error):
                raise
            check_device(error)
            detail = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        if len(places) == 1:
            return [Refusal(detail)]
        # Find the frame that it was; its neighbours are well.
        return [answer for at in places for answer in self._answers(frames, [at], prepared)]

    def _generate(self, frames: Sequence[Frame], stacked: Any) -> list[Answer]:
        import torch

        options, times = self._options, self.times
        began_s = time.perf_counter()
        keys = None
        if options.is_sampling:
            made = row_keys(frames, samples=options.samples, seed=options.seed)
            keys = torch.tensor(made, dtype=torch.int64, device=self._plan.device)
        recorder = TokenRecorder(options, self._tokens.banned, keys)
        with torch.inference_mode():
            inputs = self._inputs([frame.pixels for frame in frames], stacked)
            prepared_s = time.perf_counter()
            output = self._model.generate(**inputs, logits_processor=[recorder])
            self._copying.wait_for_results()  # for the clock; reading would wait as well
        generated_s = time.perf_counter()
        captions = self._read(output, recorder)
        times.preparing_s += prepared_s - began_s
        times.generating_s += generated_s - prepared_s
        times.reading_s += time.perf_counter() - generated_s
        each = options.samples
        rows = [captions[start : start + each] for start in range(0, len(captions), each)]
        return [_answer(row) for row in rows]

    def _read(self, output: Any, recorder: TokenRecorder) -> list[Caption | None]:
        """A caption a row; None where the model's scores were not numbers."""
        import torch

        prefix = recorder.prefix_length or 0
        written = output.sequences[:, prefix:]
        steps = torch.arange(written.shape[1], device=written.device)
        is_end = torch.isin(written, torch.tensor(self._tokens.ends, device=written.device))
        ended = is_end.any(dim=1)
        # Tokens up to the end token, itself included; all of them where there is none.
        lengths = torch.where(ended, is_end.int().argmax(dim=1) + 1, written.shape[1])
        if self._options.beams > 1:
            means = output.sequences_scores
        else:
            taken = steps < lengths[:, None]
            means = torch.where(taken, recorder.logprobs(), 0.0).sum(dim=1) / lengths
        shown = output.sequences if self.identity.architecture in CONTINUES_PROMPT else written
        texts = self._tokenizer.batch_decode(shown, skip_special_tokens=True)
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
