"""The progress bar of a run: on stderr, and only on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ._shared import stderr

if TYPE_CHECKING:
    from pseudolabel.runs.caption import Tally

REFRESH_S = 0.2


@contextmanager
def counting_bar(what: str) -> Iterator[Callable[[int], None]]:
    """Gives the function that shows how many were counted so far; there is no known end."""
    console = stderr()
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed:,}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(what)
        yield lambda count: progress.update(task, completed=count)


@contextmanager
def progress_bar() -> Iterator[Callable[[Tally], None]]:
    """Gives the function that moves the bar."""
    console = stderr()
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("videos"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("loading the captioner", total=None)
        shown_s = 0.0

        def show(tally: Tally) -> None:
            nonlocal shown_s
            now_s = time.monotonic()
            if now_s - shown_s < REFRESH_S:
                return
            shown_s = now_s
            rate = tally.frames / tally.wall_s if tally.wall_s else 0.0
            progress.update(
                task,
                completed=tally.videos + tally.skipped_videos,
                total=tally.total,
                description=f"{tally.clips} clips, {rate:.1f} frames/s, "
                f"{sum(tally.skipped.values())} skipped",
            )

        yield show
