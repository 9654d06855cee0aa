"""`pseudolabel compact`: the many small parts of a run, joined into few large ones."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ._progress import counting_bar, say_waiting
from ._shared import echo_json, option, say


def compact(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder: a path or a URL.")],
    as_json: Annotated[bool, option("--json", help="The summary as JSON on stdout.")] = False,
) -> None:
    """Join the small parts of a run into few large ones; its rows stay what they are.

    Example: pseudolabel compact run
    """
    from pseudolabel.runs.compact import compact as compact_run

    with counting_bar("joining parts") as on_progress:
        tally = compact_run(
            run, on_progress=lambda tally: on_progress(tally.joined), on_wait=say_waiting
        )
    if as_json:
        echo_json({"run": run, **asdict(tally)})
        return
    before_mb, after_mb = tally.bytes_before / 1e6, tally.bytes_after / 1e6
    say(
        f"{run}: {tally.parts_before} parts are {tally.parts_after} now, "
        f"{before_mb:.1f} MB are {after_mb:.1f}"
    )
