"""`pseudolabel compare`: captions beside what was said."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from pseudolabel.errors import OptionError

from ._progress import steps
from ._shared import option, say, stdout, visible

if TYPE_CHECKING:
    from pseudolabel.evaluation.comparison import Comparison

JUDGES, REPORT = "Judges", "Report"


def compare(
    captions: Annotated[
        str,
        typer.Argument(metavar="RUN_OR_RELEASE", help="A run, a release, or USER/REPO\\[@v1.0.0]."),
    ],
    transcripts: Annotated[
        str, option(help="A folder or file: .vtt .srt .json3 .json .csv .tsv, HowTo100M's JSON.")
    ],
    out: Annotated[
        str | None, option(help="Folder for the page, the figures and the rows.")
    ] = None,
    mapping: Annotated[
        str | None,
        option("--map", help="A table video_id,transcript, where names do not say it."),
    ] = None,
    scorer: Annotated[
        str | None,
        option(rich_help_panel=JUDGES, help="A CLIP or SigLIP model, or demo: is it seen?"),
    ] = None,
    frames: Annotated[
        int, option(min=1, rich_help_panel=JUDGES, help="Of each clip, that the scorer sees.")
    ] = 3,
    text_encoder: Annotated[
        str | None,
        option(rich_help_panel=JUDGES, help="A sentence encoder: do both mean the same?"),
    ] = None,
    references: Annotated[
        str | None,
        option(rich_help_panel=JUDGES, help="What people wrote: BLEU, METEOR, ROUGE-L, CIDEr."),
    ] = None,
    no_java: Annotated[
        bool, option("--no-java", rich_help_panel=JUDGES, help="Without METEOR.")
    ] = False,
    ratings: Annotated[
        str | None,
        option(rich_help_panel=JUDGES, help="A file that the page's rating sheet saved."),
    ] = None,
    device: Annotated[
        str, option(rich_help_panel=JUDGES, help="auto, cpu, cuda, cuda:1, mps.")
    ] = "auto",
    page_clips: Annotated[
        int,
        option(min=0, rich_help_panel=REPORT, help="Clips on the page, drawn if there are more."),
    ] = 1000,
    rate: Annotated[
        bool, option("--rate", rich_help_panel=REPORT, help="Add a rating sheet to the page.")
    ] = False,
    sample: Annotated[
        int, option(min=1, rich_help_panel=REPORT, help="Pairs on the rating sheet.")
    ] = 400,
    workers: Annotated[
        int | None, option(min=1, rich_help_panel=REPORT, help="Decode processes.")
    ] = None,
    as_json: Annotated[bool, option("--json", help="The figures as JSON on stdout.")] = False,
) -> None:
    """Compare captions with the speech of the same clips: coverage, agreement, what is seen.

    Example: pseudolabel compare run --transcripts transcripts --scorer demo --out report
    """
    from pseudolabel.evaluation.compare import CompareOptions
    from pseudolabel.evaluation.compare import compare as compare_texts
    from pseudolabel.evaluation.report import check_out, write_report
    from pseudolabel.runs.cores import usable_cores

    options = CompareOptions(
        transcripts=transcripts,
        mapping=mapping,
        text_encoder=text_encoder,
        scorer=scorer,
        frames=frames,
        references=references,
        java=not no_java,
        ratings=ratings,
        device=device,
        workers=workers,
    )
    if out is not None:
        check_out(out)
    elif rate:
        raise OptionError("--rate without --out", hint="--out FOLDER, for the page with the sheet")
    with steps("frames looked at") as (on_step, on_progress):
        found = compare_texts(captions, options, on_step=on_step, on_progress=on_progress)
    if as_json:
        typer.echo(found.to_json(), nl=False)
    else:
        _print(found)
    for warning in found.warnings:
        say(f"note: {warning}")
    if out is not None:
        page = write_report(
            found,
            out,
            page_clips=page_clips,
            rated_clips=sample if rate else 0,
            workers=workers or usable_cores(),
        )
        say(f"{page}: open it in a browser")


def _print(found: Comparison) -> None:
    from pseudolabel.evaluation.report import figure, table

    console = stdout()
    console.print(
        Text(
            visible(found.source)
            + f": {found.clips:,} clips of {found.videos:,} videos; "
            + f"{found.found.videos_with:,} have a transcript"
        ),
        soft_wrap=True,
    )
    figures = table(found.measures)
    shown = Table(*figures.columns, box=None, pad_edge=False)
    for row in figures.rows:
        shown.add_row(*(Text(visible(cell)) for cell in row))
    console.print(shown)
    if found.offsets is not None:
        shares = ", ".join(
            f"{name} {figure(share, is_share=True)}" for name, share in found.offsets.timing.items()
        )
        console.print(f"speech, of the videos: {shares}", soft_wrap=True)
        best = found.offsets.best_s
        line = f"the captions' words are said most {best.value:+.0f} s from the picture"
        if math.isfinite(best.low):
            line += f" [{best.low:+.0f}, {best.high:+.0f}]"
        console.print(line, soft_wrap=True)
