"""How good consolidated captions and health flags are, on a damaged world of known truth."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from benchmarks.captions_measuring import FRAMES, SAMPLES, SINGLE, Outcome, measure
from benchmarks.machine import cores
from benchmarks.reporting import Cell, Report, Table

VIDEOS, COPIES = 48, 12
SMALL = (6, 1)  # of both, with `--quick`


def run(data: Path, *, quick: bool) -> Report:
    """Write the world, caption it, damage the captions, and see what comes through."""
    report = Report("captions", quick)
    folder = data / "captions"
    shutil.rmtree(folder, ignore_errors=True)
    started_s = time.perf_counter()
    outcome = measure(folder, *(SMALL if quick else (VIDEOS, COPIES)), cores())
    took_s = time.perf_counter() - started_s
    for table in (_accuracies(outcome), _timelines(outcome), _flags(outcome)):
        report.add(table)
    report.results = {"clips": outcome.clips, "seconds": took_s} | _figures(outcome)
    print(f"{took_s:.0f} s in all\n")
    return report


def _accuracies(outcome: Outcome) -> Table:
    table = Table(
        f"{outcome.clips} clips of {outcome.videos} videos, {FRAMES} frames, {SAMPLES} samples:"
        " clips whose caption is true, %",
        ("strategy", "of what fills most of the clip", "of some moment", "most, undamaged texts"),
    )
    for name in SINGLE:
        one, other = outcome.damaged[name], outcome.undamaged[name]
        row = (one.of_most, one.of_some, other.of_most)
        table.rows.append((name, *(_percent(share.value) for share in row)))
    counted = outcome.damaged["center"].of_most.of
    table.notes = [
        f"of {counted} clips: in the others, what fills most of the clip is black or of one color",
        "true is the world's own caption to the letter, words about the picture before it apart",
    ]
    return table


def _timelines(outcome: Outcome) -> Table:
    table = Table(
        "timeline: clips, %",
        ("texts and clips", "clips", "exact", "all parts true", "no scene missing"),
    )
    for name, one in outcome.timelines.items():
        shares = (one.exact, one.all_true, one.none_missing)
        table.rows.append((name, one.clips, *(_percent(share.value) for share in shares)))
    table.notes = ["exact: all parts are true and in order, and no captioned scene is missing"]
    return table


def _flags(outcome: Outcome) -> Table:
    table = Table(
        "flags of the captions by center, against what was planted",
        ("flag", "clips", "planted", "flagged", "right", "precision, %", "recall, %"),
    )
    for flag, score in outcome.flags.items():
        counts: tuple[Cell, ...] = (score.clips, score.planted, score.flagged, score.right)
        shares = (_percent(score.precision), _percent(score.recall))
        table.rows.append((flag.value, *counts, *shares))
    same = outcome.copies_of_one_moment
    table.notes = [
        "empty to low_similarity: of captions of frames on which there is a thing to be seen",
        f"near_duplicate: of the {same.of} copies captioned at the original's very moment,"
        f" {same.right} were found; the others' keyframes lie elsewhere",
        "low_logprob is not measured: the demo captioner is never so unsure",
    ]
    return table


def _percent(share: float | None) -> Cell:
    return None if share is None else f"{100 * share:.1f}"


def _figures(outcome: Outcome) -> dict[str, object]:
    return {
        "true_of_most": {name: one.of_most.value for name, one in outcome.damaged.items()},
        "true_of_most_undamaged": {n: one.of_most.value for n, one in outcome.undamaged.items()},
        "timeline_exact": {name: one.exact.value for name, one in outcome.timelines.items()},
        "precision": {flag.value: score.precision for flag, score in outcome.flags.items()},
        "recall": {flag.value: score.recall for flag, score in outcome.flags.items()},
    }
