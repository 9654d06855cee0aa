"""`pseudolabel show`: the clips of a run, on the terminal."""

from __future__ import annotations

import itertools
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from ._shared import echo_json, option, say, stdout, visible

ROWS_ON_A_SCREEN = 50


def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder: a path or a URL.")],
    video: Annotated[
        str | None, option(help="Only videos whose id contains this, or matches it (*, ?).")
    ] = None,
    text: Annotated[
        str | None, option(help="Only clips whose caption contains this, in any case.")
    ] = None,
    skipped: Annotated[
        bool, option("--skipped", help="What was not captioned, and why, instead.")
    ] = False,
    limit: Annotated[
        int | None,
        option(min=0, help="At most this many rows; 0 is all.", show_default="50 on a table"),
    ] = None,
    as_json: Annotated[bool, option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show the clips of a run.

    Example: pseudolabel show run --text "red circle" --json
    """
    from pseudolabel.runs.show import find_rows

    found = find_rows(run, kind="skipped" if skipped else "clips", video=video, text=text)
    if as_json:
        for row in itertools.islice(found, limit or None):
            echo_json(row)
        return
    most = ROWS_ON_A_SCREEN if limit is None else limit
    rows = list(itertools.islice(found, most or None))
    stdout().print(_skipped_table(rows) if skipped else _clips_table(rows))
    if next(found, None) is not None:
        say(f"the first {most} rows; --limit 0 shows all")


def _clips_table(rows: list[dict[str, Any]]) -> Table:
    table = Table("video", "clip", "seconds", "frame", "caption", "log-prob", box=None)
    for row in rows:
        keyframe = row["frames"][row["chosen_frame"]]["is_keyframe"]
        logprob = row["mean_logprob"]
        table.add_row(
            Text(visible(row["video_id"])),
            str(row["clip_index"]),
            f"{row['start_s']:.1f}-{row['end_s']:.1f}",
            f"{row['frame_time_s']:.2f}{' key' if keyframe else ''}",
            Text(visible(row["caption"]) + (" …" if row["truncated"] else "")),
            "" if logprob is None else f"{logprob:.2f}",
        )
    return table


def _skipped_table(rows: list[dict[str, Any]]) -> Table:
    table = Table("video", "clip", "stage", "reason", "detail", box=None)
    for row in rows:
        clip = "" if row["clip_index"] is None else str(row["clip_index"])
        table.add_row(
            Text(visible(row["video_id"])),
            clip,
            row["stage"],
            row["reason"],
            Text(visible(row["detail"])),
        )
    return table
