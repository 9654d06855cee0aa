"""Captions and speech against what people wrote, over the same clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pseudolabel.evaluation.clips import Clips
from pseudolabel.evaluation.comparison import Measure
from pseudolabel.evaluation.measuring.intervals import Videos, from_rounds, interval, paired
from pseudolabel.evaluation.metrics.java import find_java
from pseudolabel.evaluation.metrics.matching import Matched, match
from pseudolabel.evaluation.metrics.predictions import predictions_of
from pseudolabel.evaluation.metrics.references import References, read_references
from pseudolabel.evaluation.metrics.scores import (
    CaptionScorer,
    CaptionScores,
    nothing_in_common,
)


@dataclass(frozen=True, slots=True)
class Judged:
    """Which clips people wrote of, and what."""

    references: References
    matched: Matched


def judged_clips(clips: Clips, references: str, *, java: bool) -> Judged:
    """Match clips with references: what is wrong with these is told before hours of other work.

    Args:
        clips: What was captioned.
        references: A file, as for `read_references`.
        java: Whether it will be needed.

    Raises:
        EvaluationError: If nothing matches, or Java is missing.
        InputError: If the file cannot be read, or two clips lay claim to one id.
    """
    if java:
        find_java()
    against, predictions = read_references(references), predictions_of(clips)
    matched = match(predictions, against)
    if not matched.chosen:
        raise nothing_in_common({p.label: p.caption for p in predictions}, against.captions)
    return Judged(against, matched)


def reference_measures(
    clips: Clips, said: Sequence[str], judged: Judged, *, java: bool, seed: int = 0
) -> tuple[list[Measure], list[str]]:
    """BLEU, METEOR, ROUGE-L and CIDEr of both, over the clips that have references.

    Intervals draw whole videos of the ids and follow the scores of single ids; BLEU of a set is
    no mean of those, so its interval is theirs, moved to it. Differences are tested on the scores
    of single ids, the two sides of whole videos exchanged.

    Args:
        clips: What was captioned.
        said: What was said during each.
        judged: What people wrote.
        java: Without it METEOR is left out.
        seed: Of the draws.

    Returns:
        The measures, and what to know of them: what they are over, and what CIDEr is worth there.

    Raises:
        EvaluationError: If Java fails.
    """
    chosen = judged.matched.chosen
    with CaptionScorer(judged.references.captions, java=java) as scorer:
        caption, speech = (
            scorer.score({key: texts[clip] for key, clip in chosen.items()})
            for texts in (clips.captions, said)
        )
    video = [int(clips.video[chosen[key]]) for key in caption.ids]
    over = (
        f"scores against references are over {len(caption.ids)} ids with "
        f"{caption.reference_captions} references ({judged.references.shape}; matched "
        f"{judged.matched.by}); words by {caption.tokenizer}"
    )
    measures = list(_measures(caption, speech, Videos.among(video, seed=seed)))
    return measures, [over, *caption.warnings]


def _measures(caption: CaptionScores, speech: CaptionScores, videos: Videos) -> Iterator[Measure]:
    one = np.ones(len(caption.ids))
    for metric, value in caption.corpus.items():
        first, second = caption.per_id[metric], speech.per_id[metric]
        drawn = videos.drawn(videos.sums(np.stack([first, second, one], axis=1)))
        rounds = drawn[:, :2] / drawn[:, 2:]
        rounds = rounds - rounds.mean(axis=0) + [value, speech.corpus[metric]]
        apart = from_rounds(value - speech.corpus[metric], rounds[:, 0] - rounds[:, 1])
        ours, theirs = np.maximum(rounds, 0.0).T  # moved rounds may lie below what is possible
        yield Measure(
            metric.lower().replace("-", "_"),
            "references",
            metric,
            caption=interval(value, ours),
            transcript=interval(speech.corpus[metric], theirs),
            difference=replace(apart, p=paired(videos, first, second, one).p),
        )
