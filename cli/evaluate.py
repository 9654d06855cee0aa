"""`pseudolabel evaluate`: captions against human references."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ._shared import echo_json, option, say, stdout

if TYPE_CHECKING:
    from pseudolabel.evaluation.evaluate import Evaluation


def evaluate(
    captions: Annotated[
        str, typer.Argument(metavar="CAPTIONS", help="A run, a release, or a file of captions.")
    ],
    references: Annotated[
        str, typer.Argument(metavar="REFERENCES", help="A file of human captions.")
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
) -> None:
    """Score captions against human references: BLEU, METEOR, ROUGE-L, CIDEr.

    Example: pseudolabel evaluate run test_videodatainfo.json
    """
    from pseudolabel.evaluation.evaluate import evaluate as score

    found = score(
        captions,
        references,
        of=of,  # type: ignore[arg-type]  # the library says what is allowed
        java=not no_java,
        per_id=None if per_id is None else str(per_id),
    )
    if as_json:
        echo_json(found.to_dict())
    else:
        stdout().print(_table(found))
        for line in _lines(found):
            say(line)
    for warning in found.scores.warnings:
        say(f"warning: {warning}", style="yellow")


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
    return lines
