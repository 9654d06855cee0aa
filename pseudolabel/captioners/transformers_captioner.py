"""Captioners that run on this machine: any image-to-text model that transformers loads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pseudolabel.captioners.answers import Answer, check_some_worked
from pseudolabel.captioners.batching import BatchSizer
from pseudolabel.captioners.decoding import settle_decoding
from pseudolabel.captioners.generating import Generator
from pseudolabel.captioners.identity import ModelPlan, plan_model
from pseudolabel.captioners.inputs import InputBuilder
from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.preparing import CopyingAhead, Prepared
from pseudolabel.captioners.processors import load_processors
from pseudolabel.captioners.prompts import CONTINUES_PROMPT
from pseudolabel.captioners.protocol import CaptionerIdentity
from pseudolabel.captioners.weights import load_model, quiet_transformers
from pseudolabel.captioners.written import FAILURES, answered
from pseudolabel.records import Frame, FrameSize


class TransformersCaptioner:
    """A model, its processors, and how it decodes; use `load`."""

    def __init__(
        self,
        plan: ModelPlan,
        options: CaptionOptions,
        inputs: InputBuilder,
        generator: Generator,
        copying: CopyingAhead,
    ) -> None:
        self._plan = plan
        self._inputs, self._copying = inputs, copying
        self.generator = generator
        self._sizer = BatchSizer.for_device(plan.device, options.batch_size)
        self._has_worked = False
        self.times = generator.times

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
            copying = CopyingAhead(plan.device)
            with_prompt = identity.architecture in CONTINUES_PROMPT
            generator = Generator(
                model, processors.tokenizer, tokens, options, copying, with_prompt=with_prompt
            )
        return cls(plan, options, inputs, generator, copying)

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
        except (*FAILURES, MemoryError):
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
            return answered(places, lambda some: self._generate(frames, some, prepared))

        with quiet_transformers():
            answers = self._sizer.run(range(len(frames)), answers_of)
        self._has_worked = check_some_worked(
            answers, has_worked=self._has_worked, model=self.identity.model
        )
        return answers

    def close(self) -> None:
        """Drop the model, and give its memory back."""
        self.generator.close()

    def _generate(
        self, frames: Sequence[Frame], places: Sequence[int], prepared: Prepared | None
    ) -> list[Answer]:
        """Answers to the frames at consecutive places."""
        start, stop = places[0], places[-1] + 1
        some = frames[start:stop]

        def inputs() -> dict[str, Any]:
            stacked = None if prepared is None else prepared.rows(start, stop)
            return self._inputs([frame.pixels for frame in some], stacked)

        return self.generator.answers(some, inputs)
