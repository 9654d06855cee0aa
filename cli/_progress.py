"""Progress bars: on stderr, and only on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ._shared import say, stderr

if TYPE_CHECKING:
    from pseudolabel.runs.pipeline.tally import Tally

REFRESH_S = 0.2
Told = TypeVar("Told")


class Videos(NamedTuple):
    """What a bar of videos shows."""

    done: int
    total: int | None  # None: not known
    line: str  # what else there is to tell


def progress_bar() -> AbstractContextManager[Callable[[Tally], None]]:
    """The bar of a run; see `videos_bar`."""
    return videos_bar("loading the captioner", _captioned)


@contextmanager
def videos_bar(before: str, read: Callable[[Told], Videos]) -> Iterator[Callable[[Told], None]]:
    """Gives the function that moves the bar.

    Args:
        before: What the bar says until then.
        read: Makes what is shown of what that function is given.
    """
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("videos"))
    with _bar(*columns, TimeElapsedColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task(before, total=None)
        shown_s = 0.0

        def show(told: Told) -> None:
            nonlocal shown_s
            now_s = time.monotonic()
            if now_s - shown_s < REFRESH_S:
                return
            shown_s = now_s
            videos = read(told)
            progress.update(
                task, completed=videos.done, total=videos.total, description=videos.line
            )

        yield show


@contextmanager
def counting_bar(what: str) -> Iterator[Callable[[int], None]]:
    """Gives the function that shows how many were counted so far; there is no known end."""
    with _bar(TextColumn("{task.completed:,}"), TimeElapsedColumn()) as progress:
        task = progress.add_task(what)
        yield lambda count: progress.update(task, completed=count)


@contextmanager
def steps_bar(before: str) -> Iterator[Callable[[int, int, float | None], None]]:
    """Gives the function that moves the bar of a training: step, steps, and the loss.

    Args:
        before: What the bar says until then.
    """
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("steps"))
    with _bar(*columns, TimeElapsedColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task(before, total=None)

        def show(step: int, steps: int, loss: float | None) -> None:
            line = "training" if loss is None else f"loss {loss:.3f}"
            progress.update(task, completed=step, total=steps, description=line)

        yield show


@contextmanager
def steps(what: str) -> Iterator[tuple[Callable[[str], None], Callable[[int], None]]]:
    """Gives a function that says the next step, and one that shows how many it has counted.

    The bar is there from a step's first count to the next step.

    Args:
        what: Is counted.
    """
    with ExitStack() as bar:
        show: Callable[[int], None] | None = None

        def step(line: str) -> None:
            nonlocal show
            bar.close()
            show = None
            say(line)

        def count(so_far: int) -> None:
            nonlocal show
            if show is None:
                show = bar.enter_context(counting_bar(what))
            show(so_far)

        yield step, count


def say_waiting(why: str, seconds: float) -> None:
    """That a run folder cannot be written, and when it is tried again."""
    say(f"cannot write to the run: {why}; trying again in {seconds:g} s", style="yellow")


def _bar(*columns: ProgressColumn) -> Progress:
    console = stderr()
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _captioned(tally: Tally) -> Videos:
    rate = tally.frames / tally.wall_s if tally.wall_s else 0.0
    line = f"{tally.clips} clips, {rate:.1f} frames/s, {sum(tally.skipped.values())} skipped"
    return Videos(tally.videos + tally.skipped_videos, tally.total, line)
