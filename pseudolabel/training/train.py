"""`train`: a video captioner from pseudolabels, and on from where it stopped."""

# mypy: allow-untyped-calls

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pseudolabel.captioners.batching import is_out_of_memory
from pseudolabel.captioners.weights import quiet_transformers
from pseudolabel.errors import MissingExtraError, TrainingError
from pseudolabel.training.checkpoints import (
    checkpoints,
    is_out_of_patience,
    read_state,
    step_of,
)
from pseudolabel.training.data.found import Found
from pseudolabel.training.data.loading import Tally
from pseudolabel.training.data.options import DataOptions
from pseudolabel.training.loggers import loggers
from pseudolabel.training.train_options import ModelOptions, TrainOptions

if TYPE_CHECKING:
    from pseudolabel.training.session import Session

_SAME_SIGNAL_S = 1.0


@dataclass(frozen=True, slots=True)
class TrainStep:
    """How far it is."""

    step: int
    steps: int
    loss: float | None  # the mean since it was logged last


@dataclass(frozen=True, slots=True)
class Trained:
    """What a start of the training did."""

    out: str
    step: int  # reached
    steps: int  # to reach
    first_step: int  # where it went on; 0: a new one
    is_ended: bool  # all steps, or patience; not, where it was asked to stop
    scores: dict[str, float]  # of the weights that were kept; by metric
    found: Found
    broken: Tally
    is_first_process: bool  # the one that speaks, of several that train together


def train(
    data: DataOptions,
    out: str,
    *,
    model: ModelOptions | None = None,
    options: TrainOptions | None = None,
    on_step: Callable[[TrainStep], None] | None = None,
    on_found: Callable[[Found], None] | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> Trained:
    """Train a video captioner: TimeSformer and OPT, joined by adapters (arXiv 2304.02080).

    Started again with the same options on the same folder, it goes on from its newest checkpoint,
    exact to the step. On SIGTERM or SIGINT the step in work is finished and saved first. With
    `torchrun` or `accelerate launch`, every process calls this.

    Args:
        data: What is learned from.
        out: The folder of the captioner: `VideoCaptioner.from_pretrained`, `--model video:OUT`
            and `--init OUT` take it. Its checkpoints lie in it.
        model: What learns; by default the paper's parts, newly joined.
        options: How.
        on_step: Called after each step, on the first process.
        on_found: Called once with what there is to learn from, before models are loaded, on the
            first process.
        on_notice: Called on the first process with what the user should know besides.

    Raises:
        InputError: If there is nothing to learn from, or it cannot be read any more.
        OptionError, ReleaseError, RunError, HubError: If the data or the options are not right.
        CaptionerError: If a model cannot be loaded.
        TrainingError: If the folder has another training, the loss is no number, or memory runs
            out.
        MissingExtraError: If accelerate is not installed.
    """
    _require_accelerate()
    from pseudolabel.training.session import Session, is_first_process

    folder = Path(out)
    session = Session(data, model or ModelOptions(), options or TrainOptions(), folder)
    if on_found is not None and is_first_process():
        on_found(session.found)
    with quiet_transformers(), session.held():
        before = checkpoints(folder)
        first = step_of(before[-1]) if before else 0
        step, is_asked = first, False
        if first < session.steps and not _is_out_of_patience(before, session.options.patience):
            step, is_asked = _learn(session, folder, before, on_step, on_notice)
        is_ended = not is_asked or step >= session.steps
        scores = session.finish() if is_ended else {}
    return Trained(
        out,
        step,
        session.steps,
        first,
        is_ended,
        scores,
        session.found,
        session.tally,
        is_first_process(),
    )


def _learn(
    session: Session,
    folder: Path,
    before: list[Path],
    on_step: Callable[[TrainStep], None] | None,
    on_notice: Callable[[str], None] | None,
) -> tuple[int, bool]:
    """Train on from the newest checkpoint; the step reached, and whether it was asked to end."""
    first = step_of(before[-1]) if before else 0
    with _loggers(folder, on_notice) as names, _one_line_on_memory(session.options):
        trainer, ending = session.trainer(first, _teller(session.steps, on_step), names)
        with _asked_to_end(ending):
            trainer.train(str(before[-1]) if before else None)
    trainer.count_all()
    return trainer.state.global_step, ending.is_asked


def _is_out_of_patience(before: list[Path], patience: int) -> bool:
    return bool(before) and is_out_of_patience(read_state(before[-1])["log_history"], patience)


def _require_accelerate() -> None:
    try:
        import accelerate  # noqa: F401
    except ImportError:
        raise MissingExtraError("accelerate", extra="train", needed_for="train") from None


def _loggers(
    folder: Path, on_notice: Callable[[str], None] | None
) -> AbstractContextManager[list[str]]:
    from pseudolabel.training.session import is_first_process

    if not is_first_process():  # only that one is listened to
        return nullcontext([])
    return loggers(folder, on_notice or (lambda _line: None))


def _teller(
    steps: int, on_step: Callable[[TrainStep], None] | None
) -> Callable[[int, float | None], None] | None:
    if on_step is None:
        return None
    return lambda step, loss: on_step(TrainStep(step, steps, loss))


@contextmanager
def _asked_to_end(ending: Any) -> Iterator[None]:
    """A first SIGTERM or SIGINT asks for an end after the step; a later one ends it at once.

    What comes within a second of the first is the same one: a scheduler tells the whole group, and
    what launched this process, as torchrun, passes it on.
    """
    numbers = (signal.SIGTERM, signal.SIGINT)
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in numbers}

    asked_s: list[float] = []

    def ask(number: int, _frame: object) -> None:
        asked_s.append(time.monotonic())
        ending.is_asked = True
        if asked_s[-1] - asked_s[0] > _SAME_SIGNAL_S:
            signal.signal(number, before[signal.Signals(number)])
            signal.raise_signal(number)

    for number in numbers:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _one_line_on_memory(options: TrainOptions) -> Iterator[None]:
    from pseudolabel.training.data.readers import is_reader_gone

    try:
        yield
    except (RuntimeError, MemoryError, EOFError, ConnectionError) as error:
        if is_reader_gone():
            raise TrainingError(
                "a process that reads was killed, as systems do where memory runs out",
                hint="fewer --workers; the same command goes on from the newest checkpoint",
            ) from error
        if not is_out_of_memory(error):
            raise
        raise TrainingError(
            f"--batch-size {options.batch_size}: a step does not fit into memory",
            hint="halve --batch-size and double --accumulate, or give --checkpointing",
        ) from error
