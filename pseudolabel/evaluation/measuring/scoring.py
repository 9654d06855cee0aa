"""Captions and speech against what people wrote, over the same clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pseudolabel.evaluation.clips import Clips
from pseudolabel.evaluation.comparison import Measure
from pseudolabel.evaluation.measuring.intervals import Videos, from_rounds, interval
from pseudolabel.evaluation.metrics.matching import match
from pseudolabel.evaluation.metrics.predictions import predictions_of
from pseudolabel.evaluation.metrics.references import References
from pseudolabel.evaluation.metrics.scores import CaptionScorer, CaptionScores


def reference_measures(
    clips: Clips,
    said: Sequence[str],
    references: References,
    *,
    java: bool,
    seed: int = 0,
) -> Iterator[Measure]:
    """BLEU, METEOR, ROUGE-L and CIDEr of both, over the clips that have references.

    Intervals draw whole videos of the ids and follow the scores of single ids; BLEU of a set is
    no mean of those, so its interval is theirs, moved to it.

    Args:
        clips: What was captioned.
        said: What was said during each.
        references: What people wrote.
        java: Without it METEOR is left out.
        seed: Of the draws.

    Raises:
        EvaluationError: If nothing matches, or Java is missing.
        InputError: If two clips lay claim to one id.
    """
    matched = match(predictions_of(clips), references)
    with CaptionScorer(references.captions, java=java) as scorer:
        caption, speech = (
            scorer.score({key: texts[clip] for key, clip in matched.chosen.items()})
            for texts in (clips.captions, said)
        )
    video = [int(clips.video[matched.chosen[key]]) for key in caption.ids]
    yield from _measures(caption, speech, Videos.among(video, seed=seed))


def _measures(caption: CaptionScores, speech: CaptionScores, videos: Videos) -> Iterator[Measure]:
    one = np.ones(len(caption.ids))
    for metric, value in caption.corpus.items():
        first, second = caption.per_id[metric], speech.per_id[metric]
        drawn = videos.drawn(videos.sums(np.stack([first, second, one], axis=1)))
        rounds = drawn[:, :2] / drawn[:, 2:]
        rounds = rounds - rounds.mean(axis=0) + [value, speech.corpus[metric]]
        yield Measure(
            metric.lower().replace("-", "_"),
            "references",
            metric,
            caption=interval(value, rounds[:, 0]),
            transcript=interval(speech.corpus[metric], rounds[:, 1]),
            difference=from_rounds(value - speech.corpus[metric], rounds[:, 0] - rounds[:, 1]),
        )
