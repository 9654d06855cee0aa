"""From captions of the test set to scores, by arm: mean, spread, and what each seed says."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pseudolabel.claims.cell import Cell
from pseudolabel.claims.plan import ARMS, ArmName
from pseudolabel.claims.world import DIRECTIONS, names_things, tells_time
from pseudolabel.errors import EvaluationError
from pseudolabel.evaluation.metrics.java import find_java
from pseudolabel.evaluation.metrics.scores import CaptionScorer

SHOWN = ("CIDEr", "BLEU-4", "METEOR", "ROUGE-L")
TAKEN_APART = ("exactly right", "things right", "direction right")  # of the timed world's captions
# What claims are judged by. The second leaves out what no text but the labelled set's tells.
JUDGED_BY = ("CIDEr", "things right")


@dataclass(frozen=True, slots=True)
class Spread:
    """A value of each seed."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """The standard deviation of the sample; None of a single seed."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True, slots=True)
class Results:
    """All scores of all arms; times 100, as papers have them."""

    scores: Mapping[ArmName, Mapping[str, Spread]]
    seeds: Mapping[ArmName, tuple[int, ...]]
    clips: int  # of the test set
    tokenizer: str


def score_cells(
    cells: Sequence[Cell],
    references: Mapping[str, Sequence[str]],
    *,
    apart: bool,
    java: bool = True,
) -> Results:
    """Score the captions of all cells against the same references.

    What a cell has no caption for counts as said nothing.

    Args:
        cells: One or more.
        references: Of the test set, by clip.
        apart: Also take captions of the timed world apart: what of them is right.
        java: Use Java, if there is one; without, there is no METEOR.
    """
    each: dict[ArmName, dict[str, list[float]]] = {}
    seeds: dict[ArmName, list[int]] = {}
    with CaptionScorer(references, java=java and _has_java()) as scorer:
        for cell in cells:
            said = {key: cell.captions.get(key, "") for key in references}
            scored = scorer.score(said)
            values = {name: float(value) for name, value in scored.corpus.items() if name in SHOWN}
            if apart:
                values |= _apart(said, references)
            seeds.setdefault(cell.arm, []).append(cell.seed)
            for name, value in values.items():
                each.setdefault(cell.arm, {}).setdefault(name, []).append(100 * value)
    return Results(
        {
            arm: {name: Spread(tuple(values)) for name, values in each[arm].items()}
            for arm in ARMS
            if arm in each
        },
        {arm: tuple(found) for arm, found in seeds.items()},
        len(references),
        scored.tokenizer,
    )


def _has_java() -> bool:
    try:
        find_java()
    except EvaluationError:
        return False
    return True


def _apart(said: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Shares of clips with the very caption, with its things, and with its direction.

    The direction is right in so many of those clips in which something moves and is said to; who
    guesses has a quarter of them right.
    """
    pairs = [(said[key], references[key][0]) for key in said]
    told = [(tells_time(text), tells_time(label)) for text, label in pairs]
    return {
        "exactly right": _share([text == label for text, label in pairs]),
        "things right": _share(
            [names_things(text) == names_things(label) for text, label in pairs]
        ),
        "direction right": _share(
            [one == other for one, other in told if one in DIRECTIONS and other in DIRECTIONS]
        ),
    }


def _share(found: Sequence[bool]) -> float:
    return sum(found) / len(found) if found else 0.0


@dataclass(frozen=True, slots=True)
class Claim:
    """One arm is said to be better than another; by how much it is, seed by seed."""

    text: str
    better: ArmName
    than: ArmName
    measure: str
    differences: tuple[float, ...]  # of the seeds that both have

    @property
    def mean(self) -> float:
        """Of the differences."""
        return statistics.fmean(self.differences)

    @property
    def verdict(self) -> str:
        """Held by every seed, or not by the mean, or not clear."""
        if len(self.differences) < 2:
            return "one seed says little"
        if min(self.differences) > 0:
            return "holds here, in every seed"
        return "does not hold here" if self.mean <= 0 else "not clear: seeds disagree"


_SAID: tuple[tuple[str, ArmName, ArmName], ...] = (
    ("Pseudolabels on video pre-train better than speech", "pseudolabels", "asr"),
    ("Images and videos together beat videos alone", "both", "pseudolabels"),
    ("Images and videos together beat images alone", "both", "images"),
    ("Pre-training on pseudolabels helps at all", "pseudolabels", "nothing"),
)


def claims_of(results: Results) -> list[Claim]:
    """The paper's claims by each measure, as far as both arms were run with a common seed."""
    found = []
    for text, better, than in _SAID:
        for measure in JUDGED_BY:
            one, other = (_by_seed(results, arm, measure) for arm in (better, than))
            common = sorted(one.keys() & other.keys())
            if common:
                differences = tuple(one[seed] - other[seed] for seed in common)
                found.append(Claim(text, better, than, measure, differences))
    return found


def _by_seed(results: Results, arm: ArmName, measure: str) -> dict[int, float]:
    """An arm's scores; none if it was not run, or is not measured so."""
    spread = results.scores.get(arm, {}).get(measure)
    if spread is None:
        return {}
    return dict(zip(results.seeds[arm], spread.values, strict=True))
