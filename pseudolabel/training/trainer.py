"""transformers' Trainer over our data: batches that know their number, checkpoints that are whole.

What is changed of it: batches come from `Order`, so a run that goes on begins with the very batch
that is due; checkpoints appear whole or not at all; SIGTERM ends a run after the step in work;
a loss that is no number stops it at once, with the examples written down.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import Trainer, TrainerCallback

from pseudolabel.captioners.video_model.config import VideoCaptionerConfig
from pseudolabel.captioners.video_model.pixels import normalized
from pseudolabel.errors import TrainingError
from pseudolabel.files import explained
from pseudolabel.training.checkpoints import (
    STATE,
    UNFINISHED,
    checkpoint_name,
    is_out_of_patience,
    publish,
    remove_old,
)
from pseudolabel.training.data.loading import Tally, checked, make_loader
from pseudolabel.training.data.order import BatchSampler, Order
from pseudolabel.training.held_out import HeldOut

LOG = "log.jsonl"
NON_FINITE = "non-finite"  # how files begin that name the examples of a loss that is none
_MAKE_ROOM = "make room; the same command goes on from the checkpoint before"
_TORCH_CANNOT_WRITE = ("PytorchStreamWriter", "inline_container")


@dataclass(frozen=True, slots=True)
class Feed:
    """Where batches come from."""

    examples: Any
    order: Order  # a batch of it is one of all processes
    tokenize: Any
    workers: int
    tally: Tally  # of what was broken

    def batches(self, *, first: int, last: int, rank: int, ranks: int) -> Iterator[Any]:
        """One process's part of batches `first` to `last`, in their order."""
        sampler = BatchSampler(self.order, first=first, count=last - first, rank=rank, ranks=ranks)
        loader = make_loader(
            self.examples,
            sampler,
            workers=self.workers,
            collate=self.tokenize,
            pin_memory=torch.cuda.is_available(),
        )
        return checked(loader, self.tally)


class VideoTrainer(Trainer):
    """Trains a video captioner from a `Feed`.

    Args:
        feed: Of training batches.
        held_out: What is evaluated; None: nothing.
        first_step: Steps done before: those of the checkpoint that is gone on from.
        keep: Newest checkpoints that stay.
        **kwargs: Of transformers' Trainer.
    """

    def __init__(
        self, feed: Feed, held_out: HeldOut | None, *, first_step: int, keep: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.feed, self.held_out = feed, held_out
        self._first_step, self._keep = first_step, keep
        self._is_writing = False
        self._ids: list[str] = []  # of the examples of the step in work
        self._config: VideoCaptionerConfig = kwargs["model"].config

    def get_train_dataloader(self) -> Any:
        """The batches that are still due; without a length, so that `max_steps` alone counts."""
        batches = self.args.gradient_accumulation_steps
        return _Due(
            lambda: self.feed.batches(
                first=self._first_step * batches,
                last=self.args.max_steps * batches,
                rank=self.args.process_index,
                ranks=self.args.world_size,
            )
        )

    def prepare(self, batch: Any) -> dict[str, Any]:
        """A batch on the device, with `pixel_values` `(B, T, 3, S, S)` float."""
        pixels = batch["pixels"].to(self.args.device, non_blocking=True)
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "labels")}
        moved: dict[str, Any] = super()._prepare_inputs(inputs)
        return {"pixel_values": normalized(pixels, self._config), **moved}

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """One batch, forward and back.

        Raises:
            TrainingError: If its loss is no number.
        """
        loss = super().training_step(model, self.prepare(inputs), num_items_in_batch)
        self._ids += inputs["id"]
        if not torch.isfinite(loss):
            self._write_down(inputs["id"], "loss", float(loss))
        return loss

    def _clip_grad_norm(self, model: Any) -> Any:
        """The norm of a step's gradient, which is scaled down; before weights change.

        Raises:
            TrainingError: If it is no number. Weights would be none either, and be saved.
        """
        norm = super()._clip_grad_norm(model)
        ids, self._ids = self._ids, []
        if not torch.isfinite(norm):
            self._write_down(ids, "gradient", float(norm))
        return norm

    def _write_down(self, ids: list[str], what: str, value: float) -> None:
        out = Path(str(self.args.output_dir))
        step = self.state.global_step + 1
        name = f"{NON_FINITE}-{step}-{self.args.process_index}.json"
        told = {"step": step, what: str(value), "examples": ids}
        text = json.dumps(told, ensure_ascii=False, indent=2) + "\n"
        # Names of files need not be UTF-8; what is not becomes an escape of JSON.
        (out / name).write_text(text, encoding="utf-8", errors="backslashreplace")
        raise TrainingError(
            f"step {step}: the {what} is {value}; its examples stand in {out / name}",
            hint="a lower --learning-rate, or --dtype float32; the checkpoint before is whole",
        )

    def evaluate(self, *_args: Any, **_kwargs: Any) -> dict[str, float]:
        """Scores on the held-out clips, on the first process; the others wait for them."""
        assert self.held_out is not None, "evaluation is asked for only where there are clips"
        found: list[Any] = [None]
        if self.is_world_process_zero():
            found = [self.held_out.evaluate(self.model, self.prepare)]
        if self.args.world_size > 1:
            torch.distributed.broadcast_object_list(found)
        metrics: dict[str, float] = found[0]
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def count_all(self) -> None:
        """Add to the tally what was broken in the other processes."""
        if self.args.world_size == 1:
            return
        tallies: list[Any] = [None] * self.args.world_size
        torch.distributed.all_gather_object(tallies, self.feed.tally)
        for process, tally in enumerate(tallies):
            if process != self.args.process_index:
                self.feed.tally.join(tally)

    def _get_output_dir(self, trial: Any) -> str:
        out: str = super()._get_output_dir(trial)
        return str(Path(out) / UNFINISHED) if self._is_writing else out

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        out = Path(str(self.args.output_dir))
        with explained(out, TrainingError, hint=_MAKE_ROOM), _storage_errors():
            self._write_checkpoint(out, self.state.global_step, model, trial)

    def _write_checkpoint(self, out: Path, step: int, model: Any, trial: Any) -> None:
        if self.args.should_save:
            shutil.rmtree(out / UNFINISHED, ignore_errors=True)  # of one that was killed
        self._wait_for_all()
        self._is_writing = True
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self._is_writing = False
        self._wait_for_all()
        best = self.state.best_global_step
        if best:
            self.state.best_model_checkpoint = str(out / checkpoint_name(best))
        if self.args.should_save:
            self.state.save_to_json(str(out / UNFINISHED / checkpoint_name(step) / STATE))
            publish(out, step)
            remove_old(out, keep=self._keep, best=self.state.best_model_checkpoint)
            shutil.rmtree(out / UNFINISHED)

    def _wait_for_all(self) -> None:
        self.accelerator.wait_for_everyone()


@contextmanager
def _storage_errors() -> Iterator[None]:
    """Makes an `OSError` of what safetensors and torch raise where a file cannot be written."""
    try:
        yield
    except SafetensorError as error:
        raise OSError(str(error)) from error
    except RuntimeError as error:  # torch has no type for it
        if not any(sign in str(error) for sign in _TORCH_CANNOT_WRITE):
            raise
        raise OSError("torch could not write all of a file") from error


class _Due:
    """Batches for the Trainer, which asks for them once."""

    def __init__(self, batches: Callable[[], Iterator[Any]]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Any]:
        return self._batches()


class Patience(TrainerCallback):
    """Stops after so many evaluations in a row without a better CIDEr."""

    def __init__(self, evaluations: int) -> None:
        self._evaluations = evaluations

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count from what was logged, so that a run that goes on counts on."""
        if is_out_of_patience(state.log_history, self._evaluations):
            control.should_training_stop = control.should_save = True


class Ending(TrainerCallback):
    """Ends a run after the step in work, with a checkpoint, once it was asked to.

    After the last step there is an evaluation, if there are any.
    """

    def __init__(self, *, evaluates: bool) -> None:
        self.is_asked = False
        self._evaluates = evaluates

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save and stop, on all processes if any was asked."""
        if args.world_size > 1:
            asked = torch.tensor(float(self.is_asked), device=args.device)
            torch.distributed.all_reduce(asked)
            self.is_asked = bool(asked)
        if state.global_step >= state.max_steps:
            control.should_evaluate = self._evaluates
        elif self.is_asked:
            control.should_save = control.should_training_stop = True
            control.should_evaluate = False


class Telling(TrainerCallback):
    """Tells of every step, and writes what the Trainer logs into a file."""

    def __init__(self, tell: Callable[[int, float | None], None] | None) -> None:
        self._tell = tell
        self._loss: float | None = None

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """A line of JSON."""
        logs = logs or {}
        self._loss = logs.get("loss", self._loss)
        if state.is_world_process_zero:
            out = Path(args.output_dir)
            with (
                explained(out, TrainingError, hint=_MAKE_ROOM),
                (out / LOG).open("a", encoding="utf-8") as file,
            ):
                file.write(json.dumps({"step": state.global_step, **logs}) + "\n")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """How far it is."""
        if self._tell is not None and state.is_world_process_zero:
            self._tell(state.global_step, self._loss)
