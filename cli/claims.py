"""`pseudolabel claims`: the paper's claims, tried."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._shared import echo_json, option, say, stdout, visible

if TYPE_CHECKING:
    from pseudolabel.claims.runner import Outcome

MOST_BESIDE = 8  # trainings at a time, unless more are asked for: each takes some 0.6 GB


def claims(
    out: Annotated[str, option(help="Folder for everything that is made.")] = "claims",
    config: Annotated[
        Path | None, option(help="A TOML file with real data and models; see docs/claims.md.")
    ] = None,
    quick: Annotated[
        bool,
        option("--quick", help="A few steps on a few videos: that it runs, not what it shows."),
    ] = False,
    narrow: Annotated[
        bool,
        option("--narrow", help="Videos show half of the colors that images and tests show."),
    ] = False,
    jobs: Annotated[
        int | None,
        option(min=1, help="Trainings at a time.", show_default="one a core; with --config one"),
    ] = None,
    java: Annotated[
        bool, option("--java/--no-java", help="With Java METEOR, too, if there is one.")
    ] = True,
    as_json: Annotated[bool, option("--json", help="The scores as JSON on stdout.")] = False,
) -> None:
    """Pre-train a video captioner on each kind of text, fine-tune all alike, compare.

    Nothing is downloaded: videos, captions and tiny models of random weights are made first. The
    same command goes on where it stopped.

    Example: pseudolabel claims --out claims
    """
    from pseudolabel.claims.plan import read_plan
    from pseudolabel.claims.runner import run_claims, show_step
    from pseudolabel.claims.synthetic import NARROW_COLORS, QUICK, Sizes, make_synthetic
    from pseudolabel.runs.cores import usable_cores

    if config is not None and (quick or narrow):
        raise typer.BadParameter(
            "--quick and --narrow are of the world that is made here, not of --config"
        )
    started_s = time.perf_counter()
    if config is None:
        sizes = QUICK if quick else Sizes()
        if narrow:
            sizes = replace(sizes, colors=NARROW_COLORS)
        plan = make_synthetic(Path(out), sizes, say)
    else:
        plan = read_plan(config)
    beside = 1 if quick or config is not None else min(usable_cores(), MOST_BESIDE)
    outcome = run_claims(
        plan,
        Path(out),
        jobs=jobs or beside,
        java=java,
        since_s=started_s,
        say=say,
        tell=show_step(say),
    )
    if as_json:
        echo_json(_object(outcome))
    else:
        _print(outcome)


def _object(outcome: Outcome) -> dict[str, Any]:
    results = outcome.results
    return {
        "report": outcome.report,
        "left": outcome.left,
        "scores": {
            arm: {name: asdict(spread)["values"] for name, spread in scores.items()}
            for arm, scores in ({} if results is None else results.scores).items()
        },
    }


def _print(outcome: Outcome) -> None:
    from pseudolabel.claims.report import score_table

    if outcome.results is not None:
        for line in score_table(outcome.results):
            stdout().print(visible(line), markup=False, soft_wrap=True)
    if outcome.left:
        say(f"{outcome.left} trainings are left; the same command goes on from here")
    if outcome.report is not None:
        say(f"report: {outcome.report}")
