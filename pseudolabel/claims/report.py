"""What came of it: a page in Markdown, a plot, and all numbers as JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pseudolabel.claims.cell import PRETRAINED, TUNED, Cell, Stage, cell_folder
from pseudolabel.claims.gates import gate_opening
from pseudolabel.claims.plan import ARMS, ArmName, Plan
from pseudolabel.claims.plot import bars_svg
from pseudolabel.claims.scoring import SHOWN, TAKEN_APART, Claim, Results, Spread, claims_of
from pseudolabel.claims.texts import TextTruth
from pseudolabel.files import write_whole
from pseudolabel.runs.cores import usable_cores

REPORT, PLOT, NUMBERS = "report.md", "claims.svg", "results.json"
TITLES: Mapping[ArmName, str] = {
    "nothing": "nothing",
    "asr": "speech (ASR)",
    "pseudolabels": "pseudolabels on video",
    "images": "images with captions",
    "both": "images and videos",
}


def write_report(
    out: Path,
    plan: Plan,
    cells: Sequence[Cell],
    results: Results,
    truth: Mapping[ArmName, TextTruth],
    *,
    wall_s: float,
    jobs: int,
) -> Path:
    """Write the report, the plot and the numbers of the cells that are done.

    Args:
        out: Where to.
        plan: What was compared.
        cells: Those that are done.
        results: Their scores.
        truth: Of the texts that arms learned from, where it is known.
        wall_s: How long this start took.
        jobs: Cells at a time.

    Returns:
        The report's path.
    """
    claims = claims_of(results)
    plot = bars_svg(
        [(TITLES[arm], scores["CIDEr"].values) for arm, scores in results.scores.items()],
        title="CIDEr on the test set, by what was learned from first",
    )
    write_whole(out / PLOT, plot.encode())
    numbers = _numbers(plan, cells, results, claims, truth, wall_s)
    write_whole(out / NUMBERS, (json.dumps(numbers, indent=1) + "\n").encode())
    parts = [
        *_head(plan, cells, results),
        *score_table(results),
        "",
        *_legend(plan),
        f"![CIDEr by arm]({PLOT})",
        "",
        *_verdicts(claims),
        *_texts(truth),
        *_stages(out, cells),
        *_machine(plan, cells, wall_s, jobs),
    ]
    write_whole(out / REPORT, ("\n".join(parts) + "\n").encode())
    return out / REPORT


def _head(plan: Plan, cells: Sequence[Cell], results: Results) -> list[str]:
    left = len(plan.cells()) - len(cells)
    models = (
        "a tiny TimeSformer and a tiny OPT with **random weights**"
        if plan.is_synthetic
        else f"`{plan.model.encoder}` and `{plan.model.language_model}`"
    )
    lines = [
        "# What a video captioner is pre-trained on",
        "",
        f"Each row: {models}",
        "learned from what the row says, then all of them from the same labelled clips, and",
        f"captioned the same {results.clips:,} test clips. Scores are times 100; ± is the standard",
        "deviation over seeds, each with weights and order of its own.",
        "",
    ]
    if left:
        lines += [f"**Not done yet: {left} of {len(plan.cells())} trainings.**", ""]
    return lines


def _legend(plan: Plan) -> list[str]:
    if not plan.is_synthetic:
        return []
    return [
        "Things: all that the label names, in its order, and no other. Direction: of the clips in",
        "which something moves and is said to; a guess is right in 25 of 100.",
        "",
    ]


def score_table(results: Results) -> list[str]:
    """The scores of all arms as a Markdown table."""
    known = {name for scores in results.scores.values() for name in scores}
    names = [name for name in (*SHOWN, *TAKEN_APART) if name in known]
    rows = [
        [TITLES[arm], str(len(results.seeds[arm])), *(_spread(scores.get(name)) for name in names)]
        for arm, scores in results.scores.items()
    ]
    return _table(["pre-trained on", "seeds", *names], rows)


def _verdicts(claims: Sequence[Claim]) -> list[str]:
    if not claims:
        return []
    rows = [
        [
            claim.text,
            claim.measure,
            f"{claim.mean:+.1f}",
            ", ".join(f"{difference:+.1f}" for difference in claim.differences),
            claim.verdict,
        ]
        for claim in claims
    ]
    return [
        "## The claims",
        "",
        *_table(["claim", "by", "mean", "by seed", "so it"], rows),
        "",
        "A claim holds here if the difference is above 0 in every seed. Where two arms are worth",
        "the same, three seeds say so by chance in 1 of 8 reports. The same seed on another",
        "machine, or with another number of threads, rounds otherwise and is another seed.",
        "",
        *_measures(claims),
    ]


def _measures(claims: Sequence[Claim]) -> list[str]:
    """Why there are two, where there are."""
    if all(claim.measure == "CIDEr" for claim in claims):
        return []
    return [
        "By things right: all that the label names, in its order, which is what texts to learn",
        "from first can tell. CIDEr has the direction as well; the labelled clips alone tell it,",
        "and one captioner finds it out in its steps of fine-tuning where the next does not.",
        "",
    ]


def _texts(truth: Mapping[ArmName, TextTruth]) -> list[str]:
    if not truth:
        return []
    rows = [
        [
            TITLES[arm],
            f"{said.clips:,}",
            f"{said.names_thing:.1%}",
            f"{said.names_other:.1%}",
            f"{said.tells_time:.1%}",
        ]
        for arm, said in truth.items()
    ]
    head = ["texts of", "clips", "name what is shown", "name something else", "tell time"]
    return [
        "## How true the texts were",
        "",
        *_table(head, rows),
        "",
        "Counted in the texts that were learned from. Time is what no frame tells: the direction",
        "in which a thing moved, or that one came first. Only the labelled set tells it.",
        "",
    ]


def _stages(out: Path, cells: Sequence[Cell]) -> list[str]:
    rows = []
    for arm in ARMS:
        own = [cell for cell in cells if cell.arm == arm]
        for name, folder, stages in (
            ("pre-training", PRETRAINED, [cell.pretrain for cell in own if cell.pretrain]),
            ("fine-tuning", TUNED, [cell.tune for cell in own]),
        ):
            if stages:
                gates = [gate_opening(cell_folder(out, arm, cell.seed) / folder) for cell in own]
                rows.append([TITLES[arm], name, *_stage(stages), _mean(gates)])
    head = ["arm", "", "runs", "steps", "clips", "images", "first loss", "last loss", "s a run"]
    return [
        "## The trainings",
        "",
        *_table([*head, "gates"], rows),
        "",
        "Losses are means over the first and the last ten steps, and over the runs. Gates: how far",
        "those of the adapters are open, 0 to 1. They begin at 0; there, what the captioner says",
        "has nothing to do with the video.",
        "",
    ]


def _stage(stages: Sequence[Stage]) -> list[str]:
    one = stages[0]
    return [
        str(len(stages)),
        f"{one.steps:,}",
        f"{one.clips:,}",
        f"{one.images:,}",
        _mean(stage.first_loss for stage in stages),
        _mean(stage.last_loss for stage in stages),
        f"{sum(stage.seconds for stage in stages) / len(stages):.0f}",
    ]


def _machine(plan: Plan, cells: Sequence[Cell], wall_s: float, jobs: int) -> list[str]:
    pretrain, tune = plan.pretrain, plan.tune
    stages = [stage for cell in cells for stage in (cell.pretrain, cell.tune) if stage]
    trained_s = sum(stage.seconds for stage in stages)
    return [
        "## How",
        "",
        f"Batches of {pretrain.batch_size}, of {tune.batch_size} in fine-tuning; learning rates "
        f"{pretrain.learning_rate:g} and {tune.learning_rate:g}, cosine; {plan.view.frames} frames "
        f"a clip, {_pixels(plan)}. All arms have the same number of steps."
        + (f" {plan.about}" if plan.about else ""),
        "",
        f"This start took {wall_s / 60:.1f} minutes in all, {jobs} at a time, "
        f"on {usable_cores()} cores ({platform.machine()}), torch {version('torch')}, "
        f"transformers {version('transformers')}. What was done before is not in it; "
        f"all {len(stages)} trainings took {trained_s / 60:.1f} minutes, one after the other.",
    ]


def _pixels(plan: Plan) -> str:
    size = plan.view.frame_size
    return "as large as the encoder wants them" if size is None else f"{size} x {size} pixels"


def _numbers(
    plan: Plan,
    cells: Sequence[Cell],
    results: Results,
    claims: Sequence[Claim],
    truth: Mapping[ArmName, TextTruth],
    wall_s: float,
) -> dict[str, Any]:
    return {
        "plan": plan.described(),
        "scores": {
            arm: {name: spread.values for name, spread in scores.items()}
            for arm, scores in results.scores.items()
        },
        "seeds": dict(results.seeds),
        "test_clips": results.clips,
        "tokenizer": results.tokenizer,
        "claims": [{**asdict(claim), "verdict": claim.verdict} for claim in claims],
        "text_truth": {arm: asdict(said) for arm, said in truth.items()},
        "cells": [{**asdict(cell), "captions": None} for cell in cells],
        "wall_s": wall_s,
    }


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return ""
    around = "" if spread.deviation is None else f" ± {spread.deviation:.1f}"
    return f"{spread.mean:.1f}{around}"


def _mean(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known):.3f}" if known else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]
