"""`pseudolabel evaluate`: captions, or a captioner, against human references."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.errors import OptionError
from pseudolabel.runs.options import RunOptions
from pseudolabel.videos.options import ClipOptions

from ._progress import progress_bar, say_waiting
from ._shared import echo_json, option, say, stdout

if TYPE_CHECKING:
    from pseudolabel.evaluation.evaluate import Evaluation
    from pseudolabel.evaluation.evaluate_model import ModelUnderTest

CAPTIONER = "Captions that are written first"


def evaluate(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="[CAPTIONS] REFERENCES",
            help="A run, a release, or a file of captions (not with --model); and a file of"
            " human captions.",
        ),
    ],
    of: Annotated[
        str | None,
        option(help="clip or video: what references are of; by default as their ids say."),
    ] = None,
    no_java: Annotated[
        bool, option("--no-java", help="No METEOR, and words split without PTBTokenizer.")
    ] = False,
    per_id: Annotated[
        Path | None, option(help="Also write each id's scores: a .jsonl or .csv file.")
    ] = None,
    as_json: Annotated[bool, option("--json", help="One JSON object on stdout.")] = False,
    model: Annotated[
        str | None,
        option(
            rich_help_panel=CAPTIONER,
            help="A captioner to score: what train wrote, or any as for caption.",
        ),
    ] = None,
    videos: Annotated[
        str | None,
        option(rich_help_panel=CAPTIONER, help="Where the videos of the references are."),
    ] = None,
    out: Annotated[
        str | None,
        option(rich_help_panel=CAPTIONER, help="Keep the captions in this run, and go on with it."),
    ] = None,
    clips: Annotated[
        str | None,
        option(
            rich_help_panel=CAPTIONER,
            help="As for caption.",
            show_default="as the references are",
        ),
    ] = None,
    beams: Annotated[
        int | None, option(rich_help_panel=CAPTIONER, help="Beam search.", show_default="1")
    ] = None,
    max_new_tokens: Annotated[
        int | None,
        option(rich_help_panel=CAPTIONER, help="Length limit of a caption.", show_default="30"),
    ] = None,
    dtype: Annotated[
        str | None, option(rich_help_panel=CAPTIONER, help="As for caption.", show_default="auto")
    ] = None,
    device: Annotated[
        str | None, option(rich_help_panel=CAPTIONER, help="As for caption.", show_default="auto")
    ] = None,
    batch_size: Annotated[
        int | None, option(rich_help_panel=CAPTIONER, help="As for caption.", show_default="auto")
    ] = None,
    workers: Annotated[
        int | None,
        option(rich_help_panel=CAPTIONER, help="Decode processes.", show_default="one a core"),
    ] = None,
) -> None:
    """Score captions, or a captioner, against human references: BLEU, METEOR, ROUGE-L, CIDEr.

    Examples: pseudolabel evaluate run test_videodatainfo.json
    and pseudolabel evaluate --model CAPTIONER --videos my_videos test_videodatainfo.json
    """
    settings = {
        "beams": beams,
        "max_new_tokens": max_new_tokens,
        "dtype": dtype,
        "device": device,
        "batch_size": batch_size,
    }
    tested = _under_test(model, videos, out, clips, settings, workers)
    scoring: dict[str, Any] = {
        "of": of,
        "java": not no_java,
        "per_id": None if per_id is None else str(per_id),
    }
    if len(files) != (2 if tested is None else 1):
        wanted = "CAPTIONS and REFERENCES" if tested is None else "with --model, only REFERENCES"
        raise typer.BadParameter(f"{wanted}: got {' '.join(files)}")
    if tested is not None:
        found = _of_model(tested, files[0], scoring)
    else:
        from pseudolabel.evaluation.evaluate import evaluate as score

        found = score(*files, **scoring)
    if as_json:
        echo_json(found.to_dict())
    else:
        stdout().print(_table(found))
        for line in _lines(found):
            say(line)
    for warning in found.scores.warnings:
        say(f"warning: {warning}", style="yellow")


def _under_test(
    model: str | None,
    videos: str | None,
    out: str | None,
    clips: str | None,
    settings: dict[str, Any],
    workers: int | None,
) -> ModelUnderTest | None:
    """What is to be captioned; None where nothing is."""
    chosen = {name: value for name, value in settings.items() if value is not None}
    if model is None:
        others = {"videos": videos, "out": out, "clips": clips, **chosen, "workers": workers}
        for name, value in others.items():
            if value is not None:
                flag = f"--{name.replace('_', '-')}"
                raise OptionError(f"{flag} {value} without --model", hint="--model CAPTIONER")
        return None
    if videos is None:
        raise OptionError(
            f"--model {model} without --videos", hint="--videos FOLDER, where they are"
        )
    from pseudolabel.evaluation.evaluate_model import ModelUnderTest

    return ModelUnderTest(
        CaptionOptions(model=model, **chosen),
        videos,
        out,
        None if clips is None else ClipOptions.parse(clips),
        RunOptions() if workers is None else RunOptions(workers=workers),
    )


def _of_model(tested: ModelUnderTest, references: str, scoring: dict[str, Any]) -> Evaluation:
    from pseudolabel.evaluation.evaluate_model import evaluate_model

    with progress_bar() as on_progress:
        return evaluate_model(
            tested, references, **scoring, on_progress=on_progress, on_wait=say_waiting
        )


def _table(found: Evaluation) -> Table:
    table = Table("metric", box=None)
    table.add_column("x 100", justify="right")
    for name, value in found.scores.corpus.items():
        table.add_row(name, f"{100 * value:.2f}")
    return table


def _lines(found: Evaluation) -> list[str]:
    scores = found.scores
    lines = [
        f"over {len(scores.ids)} ids with {scores.reference_captions} references of "
        f"{found.references} ({found.reference_shape}); matched {found.matched_by}",
        f"words by {scores.tokenizer}",
    ]
    for what, ids in (
        ("captions without a reference", scores.without_reference),
        ("references without a caption", scores.without_caption),
    ):
        if ids:
            more = ", ..." if len(ids) > 3 else ""
            lines.append(f"{what}: {len(ids)} ({', '.join(map(repr, ids[:3]))}{more})")
    if found.skipped:
        told = ", ".join(f"{count} {reason}" for reason, count in found.skipped.items())
        lines.append(f"  skipped        {told}")
    return lines
