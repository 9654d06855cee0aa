"""Language models that run on this machine: any that transformers loads and that writes text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pseudolabel.captioners.batching import BatchSizer, is_out_of_memory, release_memory
from pseudolabel.captioners.decoding import SpecialTokens, TokenRecorder, settle_decoding
from pseudolabel.captioners.devices import check_device, resolve_device, resolve_dtype
from pseudolabel.captioners.gguf_files import find_gguf, reading_gguf
from pseudolabel.captioners.language_protocol import (
    FLAG,
    WHAT,
    LanguageModelIdentity,
    LanguageModelOptions,
    Written,
    check_some_written,
)
from pseudolabel.captioners.prompt_tokens import PromptTokens, turn_ends
from pseudolabel.captioners.protocol import Refusal
from pseudolabel.captioners.refusals import asked_by
from pseudolabel.captioners.sources import ModelSource, find_source
from pseudolabel.captioners.text_vectors import check_tokenizer, check_working
from pseudolabel.captioners.weights import load_weights, quiet_transformers
from pseudolabel.errors import CaptionerError

if TYPE_CHECKING:
    import torch

_FAILURES = (RuntimeError, ValueError, LookupError, TypeError, ZeroDivisionError)
# Encoder-decoders of text to text; most others hear, or only translate.
_REWRITERS = frozenset(
    {"bart", "led", "longt5", "mt5", "mvp", "pegasus", "pegasus_x", "switch_transformers", "t5"}
    | {"t5gemma", "umt5"}
)
# Known to transformers as writing text, but only beside an image or a sound.
_NOT_OF_TEXT = frozenset(
    {"emu3", "fuyu", "git", "got_ocr2", "moshi", "moss_transcribe_diarize", "musicgen"}
    | {"musicgen_melody", "trocr", "whisper"}
)


@dataclass(frozen=True, slots=True)
class LanguageModelPlan:
    """Everything that is settled before weights are read."""

    source: ModelSource
    device: torch.device
    dtype: torch.dtype
    identity: LanguageModelIdentity

    @property
    def is_rewriter(self) -> bool:
        """Whether an encoder reads the prompt, and a decoder begins anew."""
        return self.source.architecture in _REWRITERS


def plan_language_model(options: LanguageModelOptions) -> LanguageModelPlan:
    """Settle a transformers model, its device and number format, without loading weights.

    Raises:
        CaptionerError: If it does not exist, does not write texts, brings its own code, or asks
            for a device that is not there.
        MissingExtraError: If it is a GGUF file, and what reads one is not installed.
    """
    device = resolve_device(options.device)
    dtype = resolve_dtype(options.dtype, device)
    source = find_gguf(options.model) or find_source(options.model)
    if source.gguf_file is None:  # transformers says which architectures it reads of those
        _check_architecture(source)
    identity = LanguageModelIdentity(
        model=source.model,
        revision=source.revision,
        backend="transformers",
        architecture=source.architecture,
        dtype=str(dtype).removeprefix("torch."),
        max_new_tokens=options.max_new_tokens,
    )
    return LanguageModelPlan(source, device, dtype, identity)


class LocalLanguageModel:
    """A model, its tokenizer, and how it decodes; use `load`."""

    def __init__(
        self, plan: LanguageModelPlan, options: LanguageModelOptions, model: Any, tokenizer: Any
    ) -> None:
        self.identity = plan.identity
        self._named = f"{FLAG} {plan.source.model}"
        self._device, self._model, self._options = plan.device, model, options
        self._tokens = _settle(model, tokenizer, options)
        self._prompts = PromptTokens(
            tokenizer,
            pad=self._tokens.pad,
            ends=self._tokens.ends,
            pads_left=not model.config.is_encoder_decoder,
        )
        self._longest = _longest_prompt(model.config, options.max_new_tokens)
        self._sizer = BatchSizer.for_device(plan.device, options.batch_size)
        self._has_worked = False
        check_working(self._named, self._try)

    @classmethod
    def load(cls, options: LanguageModelOptions) -> LocalLanguageModel:
        """Find and load the model that these options name.

        Raises:
            CaptionerError: If it cannot be found or loaded, or cannot be used here.
            MissingExtraError: As `plan_language_model`.
        """
        with asked_by(FLAG, WHAT), quiet_transformers():
            plan = plan_language_model(options)
            if plan.source.gguf_file is None:
                model, tokenizer = _load(plan)
            else:
                with reading_gguf(plan.source):
                    model, tokenizer = _load(plan)
            return cls(plan, options, model, tokenizer)

    @property
    def batch_size(self) -> int:
        """How many prompts go through the model at once."""
        return self._sizer.size

    def write(self, prompts: Sequence[str]) -> list[Written | Refusal]:
        """Answer prompts, in order.

        Raises:
            CaptionerError: If one prompt alone does not fit into memory, the device failed, or
                the very first prompts are all refused.
        """
        with quiet_transformers():
            rows = [self._row(prompt) for prompt in prompts]
            asked = {index: row for index, row in enumerate(rows) if not isinstance(row, Refusal)}
            # The longest first: a batch size that fits them fits all.
            order = sorted(asked, key=lambda index: -len(asked[index]))
            written = self._run([asked[index] for index in order])
        found = dict(zip(order, written, strict=True))
        answers = [row if isinstance(row, Refusal) else found[i] for i, row in enumerate(rows)]
        self._has_worked = check_some_written(
            answers, has_worked=self._has_worked, model=self.identity.model
        )
        return answers

    def close(self) -> None:
        """Drop the model, and give its memory back."""
        self._model = None
        release_memory()

    def _row(self, prompt: str) -> list[int] | Refusal:
        """Token ids of a prompt that leaves room for an answer."""
        try:
            row = self._prompts.row(prompt)
        except _FAILURES as error:
            return _refusal(error)
        if not row:
            return Refusal("the prompt has no tokens")
        if self._longest is not None and len(row) > self._longest:
            return Refusal(
                f"the prompt has {len(row)} tokens; the model takes {self._longest} beside the"
                f" {self._options.max_new_tokens} that it may write"
            )
        return row

    def _run(self, rows: Sequence[list[int]]) -> list[Written | Refusal]:
        try:
            return self._sizer.run(rows, self._answers)
        except CaptionerError as error:
            if error.__cause__ is not None:
                raise
            # Said in a captioner's words.
            raise CaptionerError(
                f"{self._named}: out of memory at a single prompt",
                hint=f"a smaller {FLAG}, --dtype bfloat16, or another --device",
            ) from error

    def _answers(self, rows: Sequence[list[int]]) -> list[Written | Refusal]:
        try:
            return self._generate(rows)
        except _FAILURES as error:
            if is_out_of_memory(error):
                raise
            check_device(error)
            refusal = _refusal(error)
        if len(rows) == 1:
            return [refusal]
        # Find the prompt that it was; its neighbours are well.
        return [answer for row in rows for answer in self._answers([row])]

    def _generate(self, rows: Sequence[list[int]], **settings: Any) -> list[Written | Refusal]:
        import torch

        recorder = TokenRecorder(self._options.as_captioner(), self._tokens.banned)
        with torch.inference_mode():
            inputs = self._prompts.batch(rows, self._device)
            if len(self._tokens.start) > 1:
                start = torch.tensor([self._tokens.start], device=self._device)
                inputs["decoder_input_ids"] = start.repeat(len(rows), 1)
            output = self._model.generate(**inputs, logits_processor=[recorder], **settings)
        written = output.sequences[:, recorder.prefix_length or 0 :]
        ends = torch.tensor(self._tokens.ends, device=written.device)
        ended = torch.isin(written, ends).any(dim=1).tolist()
        finite = recorder.logprobs().isfinite().all(dim=1).tolist()
        texts = self._prompts.texts(written)
        return [
            Written(text, truncated=not has_end)
            if is_finite
            else Refusal("the model's scores are not finite numbers; try --dtype float32")
            for text, has_end, is_finite in zip(texts, ended, finite, strict=True)
        ]

    def _try(self) -> None:
        self._generate([self._prompts.row("Write one sentence.")], max_new_tokens=1)


def _refusal(error: Exception) -> Refusal:
    return Refusal(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")


def _settle(model: Any, tokenizer: Any, options: LanguageModelOptions) -> SpecialTokens:
    """Greedy decoding that also stops where the chat's form ends an answer."""
    tokens = settle_decoding(model, tokenizer, options.as_captioner())
    ends = tuple(sorted({*tokens.ends, *turn_ends(tokenizer)}))
    model.generation_config.eos_token_id = list(ends) or None
    return replace(tokens, ends=ends)


def _longest_prompt(config: Any, max_new_tokens: int) -> int | None:
    """How many tokens of prompt leave room for the answer; None where there is no limit."""
    text = config.get_text_config()
    names = ("max_position_embeddings", "n_positions", "max_seq_len")
    limit = next((value for name in names if (value := getattr(text, name, None))), None)
    if limit is None or config.is_encoder_decoder:  # whose answer has positions of its own
        return limit
    return max(0, int(limit) - max_new_tokens)


def _load(plan: LanguageModelPlan) -> tuple[Any, Any]:
    import transformers

    hf: Any = transformers  # its annotations are partial
    source = plan.source
    auto_class = hf.AutoModelForSeq2SeqLM if plan.is_rewriter else hf.AutoModelForCausalLM
    try:
        tokenizer = hf.AutoTokenizer.from_pretrained(source.location, **source.load_args)
    except Exception as error:  # that of a broken file is a bare one
        raise CaptionerError(
            f"{FLAG} {source.model}: its tokenizer does not load ({type(error).__name__})",
            hint="save the tokenizer next to the model: tokenizer.save_pretrained(PATH)",
        ) from error
    check_tokenizer(tokenizer, f"{FLAG} {source.model}")
    return load_weights(auto_class, source, plan.device, plan.dtype), tokenizer


def _check_architecture(source: ModelSource) -> None:
    from transformers.models.auto import modeling_auto

    known: Any = modeling_auto
    kind, config = source.architecture, source.config
    writes = kind in known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and kind not in _NOT_OF_TEXT
    encodes = kind in known.MODEL_FOR_MASKED_LM_MAPPING_NAMES and not config.get("is_decoder")
    if kind in _REWRITERS or (writes and not encodes):
        return
    if "auto_map" in config and not writes:
        does = "brings code with its weights, which is not run here"
    elif kind in known.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        does = "describes images, and does not write from text alone"
    else:
        does = "encodes texts, and writes none" if encodes else "does not write texts"
    raise CaptionerError(
        f"{FLAG} {source.model}: architecture {kind or 'unnamed'!r} {does}",
        hint="Llama, Qwen, Gemma, Mistral, SmolLM, Phi, flan-T5 and their like;"
        f" or a server: {FLAG} server:URL#MODEL",
    )
