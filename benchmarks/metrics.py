"""Caption metrics over 2,000 ids with five references each: what each part costs."""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.machine import warn_if_busy
from benchmarks.reporting import Report, Table, median
from pseudolabel.evaluation.metrics.ptb import PtbLikeTokenizer, PtbTokenizer
from pseudolabel.evaluation.metrics.scores import CaptionScorer

IDS, REFERENCES = 2_000, 5
WORDS = ("a", "the", "two", "man", "woman", "child", "dog", "cat", "horse", "people", "is", "are")
WORDS += ("riding", "eating", "holding", "playing", "singing", "on", "in", "with", "near", "while")
WORDS += ("street", "kitchen", "field", "guitar", "bike", "table", "red", "blue", "large", "old")
WORDS += ("it's", "doesn't", "slowly", "together", "black-and-white", "3.5")


def run(data: Path, *, quick: bool) -> Report:
    """Time each part; CPU includes Java's, which is not seen in the process's own."""
    report = Report("metrics", quick)
    warn_if_busy()
    ids, rounds = (IDS // 20, 1) if quick else (IDS, 3)
    random_ = random.Random(0)
    references = {f"v{n}": [_caption(random_) for _ in range(REFERENCES)] for n in range(ids)}
    captions = {key: random_.choice([t[0], _caption(random_)]) for key, t in references.items()}
    texts = [text for group in references.values() for text in group]
    table = Table(
        f"{ids:,} ids, {REFERENCES} references each; wall and CPU with Java's",
        ("part", "median wall, s", "median CPU, s"),
    )

    def score(systems: int, **how: bool) -> None:
        with CaptionScorer(references, **how) as scorer:
            for _ in range(systems):
                scorer.score(captions)

    parts: dict[str, Callable[[], object]] = {
        "PTBTokenizer, the references": lambda: PtbTokenizer().tokenize(texts),
        "the tokenizer without Java, the references": lambda: PtbLikeTokenizer().tokenize(texts),
        "--no-java": lambda: score(1, java=False),
        "without METEOR": lambda: score(1, meteor=False),
        "all": lambda: score(1),
        "all, two systems": lambda: score(2),
    }
    for name, part in parts.items():
        taken = [_measured(part) for _ in range(rounds)]
        wall, cpu = (median([each[i] for each in taken]) for i in (0, 1))
        report.results[name] = {"wall_s": wall, "cpu_s": cpu}
        table.rows.append((name, wall, cpu))
    report.add(table)
    return report


def _caption(random_: random.Random) -> str:
    return " ".join(random_.choices(WORDS, k=random_.randint(6, 14))) + "."


def _measured(part: Callable[[], object]) -> tuple[float, float]:
    began, cpu_before_s = time.perf_counter(), _cpu_s()
    part()
    return time.perf_counter() - began, _cpu_s() - cpu_before_s


def _cpu_s() -> float:
    """Of this process and of those it started that have ended."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    usages = [resource.getrusage(kind) for kind in kinds]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
