"""`pseudolabel show`: the clips of a run, on the terminal."""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text

from pseudolabel.errors import OptionError

from ._health import health_object
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
    flag: Annotated[
        str | None,
        option(help="Only clips with this flag, such as loop or repeated; see --health."),
    ] = None,
    health: Annotated[
        bool, option("--health", help="How many clips have which flag, and when, instead.")
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

    if health:
        some = {"--video": video, "--text": text, "--skipped": skipped, "--flag": flag}
        if beside := [name for name, value in some.items() if value]:
            raise OptionError(
                f"--health with {beside[0]}: it tells of all clips of the run", hint="one of them"
            )
        _show_health(run, as_json)
        return
    if skipped and flag:
        raise OptionError(
            "--skipped with --flag: what was skipped has no flags", hint="one of them"
        )
    kind: Literal["clips", "skipped"] = "skipped" if skipped else "clips"
    found = find_rows(run, kind=kind, video=video, text=text, flag=flag)
    if as_json:
        for row in itertools.islice(found, limit or None):
            echo_json(row)
        return
    most = ROWS_ON_A_SCREEN if limit is None else limit
    rows = list(itertools.islice(found, most or None))
    stdout().print(_skipped_table(rows) if skipped else _clips_table(rows))
    if next(found, None) is not None:
        say(f"the first {most} rows; --limit 0 shows all")


def _show_health(run: str, as_json: bool) -> None:
    found = health_object(run)
    if as_json:
        echo_json(found)
        return
    table = Table("flag", "clips", "share", "when", box=None)
    for flag, count in found["flags"].items():
        share = count / found["clips"] if found["clips"] else 0.0
        table.add_row(flag, f"{count:,}", f"{share:.1%}", found["rules"].get(flag, ""))
    stdout().print(table)
    repeated = Table("clips", "caption", box=None)
    for row in found["most_repeated"]:
        repeated.add_row(f"{row['clips']:,}", Text(visible(row["caption"])))
    if found["most_repeated"]:
        stdout().print(repeated)
    say(f"{found['without_flags']} of {found['clips']} clips have no flag")


def _clips_table(rows: list[dict[str, Any]]) -> Table:
    table = Table("video", "clip", "seconds", "frame", "caption", "log-prob", "flags", box=None)
    for row in rows:
        logprob = row["mean_logprob"]
        table.add_row(
            Text(visible(row["video_id"])),
            str(row["clip_index"]),
            f"{row['start_s']:.1f}-{row['end_s']:.1f}",
            _pictures(row),
            Text(visible(row["caption"]) + (" …" if row["truncated"] else "")),
            "" if logprob is None else f"{logprob:.2f}",
            ", ".join(row["flags"]),
        )
    return table


def _pictures(row: dict[str, Any]) -> str:
    """What the caption is of: the time of a frame, or how many frames."""
    if row["seen_together"]:
        return f"{len(row['frames'])} frames"
    is_keyframe = row["frames"][row["parts"][0]["frame"]]["is_keyframe"]
    return f"{row['frame_time_s']:.2f}{' key' if is_keyframe else ''}"


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
