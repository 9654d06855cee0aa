"""What people said on the rating sheet, as shares with intervals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pseudolabel.errors import InputError
from pseudolabel.evaluation.clips import Clips
from pseudolabel.evaluation.comparison import Measure
from pseudolabel.evaluation.measuring.intervals import Videos
from pseudolabel.evaluation.measuring.measures import means
from pseudolabel.evaluation.page.ratings import Rated, read_ratings

SIDES = ("caption", "speech")  # as the sheet's pairs name their texts


def rating_measures(path: str, clips: Clips, seed: int = 0) -> Iterator[Measure]:
    """For each question: the share of clips of which people say yes, for both texts.

    A clip counts where both of its texts were answered; "unsure" is no answer. Of several raters
    a clip has the mean.

    Raises:
        InputError: If the file cannot be read, or rates clips that are not compared.
    """
    rated = read_ratings(Path(path))
    numbers = {clips.key(clip): int(video) for clip, video in enumerate(clips.video)}
    unknown = [one.clip for one in rated if one.clip not in numbers]
    if unknown:
        raise InputError(
            f"--ratings {path}: rates clip {unknown[0]!r}, which is not compared here",
            hint="give the run or release that the sheet was made of",
        )
    for at, question in enumerate(dict.fromkeys(one.question for one in rated)):
        answers = _answers([one for one in rated if one.question == question])
        both = [clip for clip in answers if all(side in answers[clip] for side in SIDES)]
        if not both:
            continue
        values = np.array([[np.mean(answers[clip][side]) for side in SIDES] for clip in both])
        videos = Videos.among([numbers[clip] for clip in both], seed=seed)
        one = np.ones(len(both))
        name = f"rated_{at + 1}"
        first, second = values[:, 0], values[:, 1]
        yield means(name, "ratings", question, first, second, one, videos, is_share=True)


def _answers(rated: list[Rated]) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = {}
    for one in rated:
        if one.answer != "unsure":
            found.setdefault(one.clip, {}).setdefault(one.side, []).append(one.answer == "yes")
    return found
