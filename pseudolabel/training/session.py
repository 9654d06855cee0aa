"""One training: its data, its model and its folder, put together."""

# mypy: allow-untyped-calls

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from pseudolabel.captioners.devices import resolve_device, resolve_dtype
from pseudolabel.captioners.refusals import asked_by
from pseudolabel.captioners.sources import ModelSource, find_source
from pseudolabel.captioners.video_model.assembly import from_encoder_decoder
from pseudolabel.captioners.video_model.config import VideoCaptionerConfig
from pseudolabel.captioners.video_model.model import VideoCaptioner
from pseudolabel.captioners.weights import load_weights
from pseudolabel.errors import CaptionerError, InputError, OptionError, TrainingError
from pseudolabel.files import explained
from pseudolabel.training.checkpoints import (
    METRIC,
    UNFINISHED,
    checkpoint_name,
    checkpoints,
    read_state,
)
from pseudolabel.training.data.clips import VALIDATION
from pseudolabel.training.data.loading import Tally
from pseudolabel.training.data.opening import open_examples
from pseudolabel.training.data.options import DataOptions
from pseudolabel.training.data.order import Order
from pseudolabel.training.data.source import splits_of
from pseudolabel.training.held_out import HeldOut
from pseudolabel.training.record import CONFIG, TrainRecord
from pseudolabel.training.targets import Tokenize
from pseudolabel.training.train_options import (
    DEFAULT_ENCODER,
    DEFAULT_LANGUAGE_MODEL,
    ModelOptions,
    TrainOptions,
)
from pseudolabel.training.trainer import Ending, Feed, Patience, Telling, VideoTrainer

LOG_EVERY = 10  # steps


class Session:
    """Everything of one training; models are loaded when they are first asked for.

    Args:
        data: What is learned from.
        model: What learns.
        options: How.
        out: Its folder; made, and told what this is, by `held`.

    Raises:
        As `train`.
    """

    def __init__(
        self, data: DataOptions, model: ModelOptions, options: TrainOptions, out: Path
    ) -> None:
        self.options, self._model, self._out = options, model, out
        self.device = resolve_device(options.device)
        if self.device.index:
            raise OptionError(
                f"--device {options.device}: a process trains on the first GPU that it sees",
                hint=f"CUDA_VISIBLE_DEVICES={self.device.index} with --device cuda",
            )
        self._parts = _find_parts(model)
        size = data.frame_size or _picture_size(self._parts[0])
        self._data = replace(data, frame_size=size)
        self._examples, self.found = open_examples(self._data)
        self.record = TrainRecord(
            self._data,
            model,
            options,
            self._parts,
            self.found,
            self._examples.fingerprint(),
            _processes(),
        )
        if is_first_process():
            self.record.check(out)
        self.tally = Tally()  # of what is broken
        self._order = Order(
            self._examples.sizes,
            self._data.shares,
            batch_size=options.batch_size * _processes(),
            seed=self._data.seed,
        )

    @property
    def steps(self) -> int:
        """Steps of the optimizer, from the first start to the end."""
        options = self.options
        if options.steps is not None:
            return options.steps
        batches = options.epochs * self._order.batches_per_epoch
        return max(1, round(batches / options.accumulate))

    @cached_property
    def model(self) -> VideoCaptioner:
        """What learns, in float32.

        Raises:
            CaptionerError: If it cannot be loaded.
            OptionError: If options do not fit it.
        """
        wanted, sources = self._model, self._parts
        torch.manual_seed(self.options.seed)  # of the adapters' first weights
        if wanted.init is not None:
            cpu = torch.device("cpu")
            model: VideoCaptioner = load_weights(VideoCaptioner, sources[0], cpu, torch.float32)
        else:
            every = 1 if wanted.adapter_every is None else wanted.adapter_every
            model = from_encoder_decoder(*_names(wanted), adapter_every=every)
        most = model.config.text_config.max_position_embeddings - 1  # beside the first token
        if self.options.max_tokens > most:
            raise OptionError(
                f"--max-tokens {self.options.max_tokens}: the language model takes {most} at most",
                hint=f"--max-tokens {most}",
            )
        model.freeze(train_encoder=wanted.train_encoder, train_lm=wanted.train_lm)
        # How `caption` is to show it clips: as they were when it learned.
        model.config.clip_frames = self._data.frames
        model.config.clip_size = self._data.side
        model.config.clip_fit = self._data.fit
        return model

    @cached_property
    def tokenizer(self) -> Any:
        """The language model's."""
        option = "--language-model" if self._model.init is None else "--init"
        return _load_tokenizer(self._parts[-1], option)

    @cached_property
    def feed(self) -> Feed:
        """Training batches."""
        return Feed(self._examples, self._order, self._tokenize, self._data.workers, self.tally)

    @cached_property
    def _tokenize(self) -> Tokenize:
        return Tokenize(self.tokenizer, self.options.max_tokens)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps others from writing to the folder, in which is written what this training is."""
        if not is_first_process():
            yield
            return
        if not (self._out / CONFIG).exists():
            # What is refused is so before anything is made.
            _ = self.model, self.tokenizer, self._held_out
        with self.record.write(self._out):
            yield

    def trainer(
        self,
        first_step: int,
        tell: Callable[[int, float | None], None] | None,
        loggers: Sequence[str] = (),
    ) -> tuple[VideoTrainer, Ending]:
        """What trains, and what ends it.

        Args:
            first_step: See `VideoTrainer`.
            tell: See `Telling`.
            loggers: By the names that transformers' Trainer has for them.
        """
        held_out = self._held_out
        ending = Ending(evaluates=held_out is not None)
        callbacks: list[TrainerCallback] = [ending, Telling(tell)]
        if held_out is not None and self.options.patience:
            callbacks.append(Patience(self.options.patience))
        trainer = VideoTrainer(
            self.feed,
            held_out,
            first_step=first_step,
            keep=self.options.keep,
            model=self.model,
            args=self._arguments(loggers, evaluates=held_out is not None),
            callbacks=callbacks,
            eval_dataset=held_out,  # for it to know that there is one; we read it
        )
        trainer.remove_callback(PrinterCallback)
        return trainer, ending

    @cached_property
    def _held_out(self) -> HeldOut | None:
        """What is evaluated; the first process does that, others see that there is something."""
        options, source = self.options, self.found.source
        if not options.evaluate_every:
            return None
        if source is None or (not self._data.validation and VALIDATION not in splits_of(source)):
            if options.patience:
                raise OptionError(
                    f"--patience {options.patience}: nothing is held out, so nothing is evaluated",
                    hint="leave --patience out; or --validation 0.05, of clips",
                )
            return None
        # Of the very files that are learned from, should there be a newer version by now.
        data = replace(self._data, data=source.folder)
        try:
            examples, _ = open_examples(data, VALIDATION, is_training=False)
        except InputError as error:
            raise InputError(
                f"there is nothing to evaluate on: {error}",
                hint="a larger --validation, or --evaluate-every 0",
            ) from error
        return HeldOut(
            examples,
            self._tokenize,
            batch_size=options.batch_size,
            clips=options.evaluate_clips,
            workers=self._data.workers,
            tally=self.tally,
        )

    def _arguments(self, loggers: Sequence[str], *, evaluates: bool) -> TrainingArguments:
        options = self.options
        dtype = resolve_dtype(options.dtype, self.device)
        every = options.evaluate_every if evaluates else options.save_every
        arguments = TrainingArguments(
            output_dir=str(self._out),
            max_steps=self.steps,
            per_device_train_batch_size=options.batch_size,
            gradient_accumulation_steps=options.accumulate,
            learning_rate=options.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=round(options.warmup * self.steps),
            weight_decay=options.weight_decay,
            max_grad_norm=options.max_norm,
            bf16=dtype == torch.bfloat16,
            use_cpu=self.device.type == "cpu",
            seed=options.seed,
            activation_checkpointing=options.checkpointing,
            logging_steps=LOG_EVERY,
            logging_first_step=True,
            logging_nan_inf_filter=False,
            save_strategy="steps",
            save_steps=every,
            eval_strategy="steps" if evaluates else "no",
            eval_steps=every if evaluates else None,
            metric_for_best_model=METRIC if evaluates else None,
            greater_is_better=True if evaluates else None,
            ignore_data_skip=True,  # batches that were learned from are not read again
            remove_unused_columns=False,
            report_to=list(loggers),
            disable_tqdm=True,
            ddp_find_unused_parameters=False,
        )
        # transformers would split a batch among all GPUs that one process sees, in copies of the
        # model that have no parameters: it could not tell what is frozen, nor its number format.
        arguments._n_gpu = min(1, arguments.n_gpu)
        # Else `accelerate launch` says it, by the environment, against --dtype and config.toml.
        arguments.mixed_precision = "bf16" if dtype == torch.bfloat16 else "no"
        return arguments

    def finish(self) -> dict[str, float]:
        """Put the best weights, or the last ones, where a captioner is loaded from; its scores."""
        newest = checkpoints(self._out)[-1]
        state = read_state(newest)
        best = state["best_global_step"]
        kept = newest if best is None else self._out / checkpoint_name(best)
        scores = _scores(state["log_history"], best)
        if not is_first_process():
            return scores
        with explained(self._out, TrainingError, hint="make room, and run the same command again"):
            self._put(kept, scores, state["global_step"])
        return scores

    def _put(self, kept: Path, scores: Mapping[str, float], step: int) -> None:
        """Copy a checkpoint's weights to where they are found, with a card and the tokenizer."""
        ready = self._out / UNFINISHED
        shutil.rmtree(ready, ignore_errors=True)
        ready.mkdir()
        for path in kept.iterdir():
            if path.name.startswith(("model", "generation_config", "config")):
                shutil.copy(path, ready)
        self.tokenizer.save_pretrained(ready)
        self.record.write_card(ready, scores, step)
        for path in sorted(ready.iterdir(), key=lambda path: path.name == "config.json"):
            path.replace(self._out / path.name)  # the configuration last: it makes it a captioner
        ready.rmdir()


def _names(model: ModelOptions) -> tuple[str, str]:
    return model.encoder or DEFAULT_ENCODER, model.language_model or DEFAULT_LANGUAGE_MODEL


def _find_parts(model: ModelOptions) -> list[ModelSource]:
    """The captioner to begin with, or the encoder and the language model; nothing is loaded.

    Raises:
        CaptionerError: If one is not there, or the captioner is of another architecture.
    """
    if model.init is not None:
        with asked_by("--init", "a video captioner"):
            captioner = find_source(model.init)
            VideoCaptionerConfig.get_config_dict(captioner.location, **captioner.load_args)
            return [captioner]
    encoder, writer = _names(model)
    with asked_by("--encoder", "a TimeSformer"):
        found = find_source(encoder)
    with asked_by("--language-model", "an OPT"):
        return [found, find_source(writer)]


def _load_tokenizer(source: ModelSource, option: str) -> Any:
    """A tokenizer that knows words; without its files transformers may make one that knows none.

    Raises:
        CaptionerError: If there is none.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(source.location, **source.load_args)
        knows_words = len(tokenizer) > len(tokenizer.all_special_ids)
    except (ImportError, OSError, ValueError, TypeError, KeyError, AttributeError):
        knows_words = False
    if not knows_words or None in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        raise CaptionerError(
            f"{option} {source.model}: no tokenizer that knows words, and where they begin and end",
            hint="a folder with the files of its tokenizer, too; of a training, the one that it "
            "ended with, not a checkpoint inside it",
        )
    return tokenizer


def _picture_size(encoder: ModelSource) -> int:
    """Of the encoder, or of that in a captioner."""
    vision = encoder.config.get("vision_config", encoder.config)
    return int(vision.get("image_size", 224))


def _processes() -> int:
    """Those that train together, as their launcher says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Whether this is the one that writes and speaks, of those that train together."""
    return os.environ.get("RANK", "0") == "0"


def _scores(log: Sequence[Mapping[str, Any]], step: int | None) -> dict[str, float]:
    """What was measured after a step, or the last of it."""
    measured = [entry for entry in log if METRIC in entry]
    at = [entry for entry in measured if entry["step"] == step] or measured
    told = at[-1] if at else {}
    return {
        name.removeprefix("eval_"): value
        for name, value in told.items()
        if name.startswith("eval_") and isinstance(value, float)
    }
