"""`pseudolabel review`: one page to look through a run or a release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ._shared import option, say, stderr, stdout, visible

if TYPE_CHECKING:
    from pseudolabel.evaluation.review import Review

LIST, PICTURES = "The list", "Pictures"


def review(
    captions: Annotated[
        str,
        typer.Argument(metavar="RUN_OR_RELEASE", help="A run, a release, or USER/REPO\\[@v1.0.0]."),
    ],
    out: Annotated[str, option(help="The page, one HTML file.")],
    clips: Annotated[
        int, option(min=1, rich_help_panel=LIST, help="At most, drawn if there are more.")
    ] = 10_000,
    where: Annotated[
        list[str] | None,
        option(rich_help_panel=LIST, help='Only clips such as "flagged(loop)", as in export.'),
    ] = None,
    pictures: Annotated[
        str, option(rich_help_panel=PICTURES, help="Of which frames: all, captioned, none.")
    ] = "all",
    megabytes: Annotated[
        int, option(min=1, rich_help_panel=PICTURES, help="That pictures may take, about.")
    ] = 100,
    videos: Annotated[
        str | None,
        option(rich_help_panel=PICTURES, help="Where the videos are now: a folder, list or table."),
    ] = None,
    workers: Annotated[
        int | None, option(min=1, rich_help_panel=PICTURES, help="Decode processes.")
    ] = None,
    as_json: Annotated[bool, option("--json", help="The figures as JSON on stdout.")] = False,
) -> None:
    """Write a page to look through captions: frames, all texts, scores, flags.

    Example: pseudolabel review run --out review.html
    """
    from pseudolabel.evaluation.review import ReviewOptions
    from pseudolabel.evaluation.review import review as write_review

    options = ReviewOptions(
        clips=clips,
        where=tuple(where or ()),
        pictures=pictures,  # type: ignore[arg-type]  # checked there
        megabytes=megabytes,
        videos=videos,
        workers=workers,
    )
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = stderr()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("clips", total=None)
        found = write_review(
            captions,
            out,
            options,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        typer.echo(found.to_json())
    else:
        _print(found)
    for note in found.notes:
        say(f"note: {note}")
    say(f"{found.page}: open it in a browser")


def _print(found: Review) -> None:
    console = stdout()
    clean = 100 * found.without_flags / found.clips
    console.print(
        f"{found.clips:,} clips of {found.videos:,} videos, {clean:.1f} % without a flag; "
        f"{found.shown:,} on the page"
    )
    table = Table("flag", "clips", "share", box=None, pad_edge=False)
    for flag, count in found.flags.items():
        if count:
            table.add_row(Text(visible(flag)), f"{count:,}", f"{100 * count / found.clips:.1f} %")
    if table.row_count:
        console.print(table)
