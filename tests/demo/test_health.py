"""Strategies and flags on a small damaged world whose truth is known, through the whole pipeline.

`python -m benchmarks captions` gives the figures; here is what has to hold, whatever they are.
"""

from __future__ import annotations

import pytest

from benchmarks.captions_measuring import Outcome, measure
from pseudolabel.records import Flag

ALWAYS_SEEN = (
    *(Flag.EMPTY, Flag.TRUNCATED, Flag.LOOP),
    *(Flag.BLACK, Flag.BLANK, Flag.FROZEN, Flag.STATIC),
)
NEVER_WRONG = (
    *(Flag.EMPTY, Flag.TRUNCATED, Flag.LOOP, Flag.BOILERPLATE, Flag.BLACK),
    *(Flag.TEXT_OVERLAY, Flag.NEAR_DUPLICATE),
)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Six videos and a copy of the first, captioned by the demo captioner, damaged, judged."""
    return measure(tmp_path_factory.mktemp("damaged") / "world", videos=6, copies=1, workers=2)


def test_what_most_texts_say_beats_what_the_center_says(outcome: Outcome) -> None:
    center, medoid = (outcome.damaged[name].of_most for name in ("center", "medoid"))
    assert center.of >= 30
    assert medoid.value >= center.value + 0.05
    some = {name: one.of_some.value for name, one in outcome.damaged.items()}
    assert min(some["medoid"], some["best"]) >= some["center"]


def test_without_damage_every_strategy_is_mostly_right(outcome: Outcome) -> None:
    for accuracy in outcome.undamaged.values():
        assert accuracy.of_most.value >= 0.8
        assert accuracy.of_some.value >= accuracy.of_most.value


def test_a_timeline_leaves_no_scene_out(outcome: Outcome) -> None:
    undamaged = outcome.timelines["undamaged, things on all frames"]
    assert undamaged.clips >= 20
    assert undamaged.exact.value >= 0.9
    assert all(one.none_missing.value >= 0.8 for one in outcome.timelines.values())


@pytest.mark.parametrize("flag", ALWAYS_SEEN)
def test_what_was_planted_is_flagged(outcome: Outcome, flag: Flag) -> None:
    score = outcome.flags[flag]
    assert score.planted, "nothing was planted: this would prove nothing"
    assert score.recall == 1.0


@pytest.mark.parametrize("flag", NEVER_WRONG)
def test_what_was_not_planted_is_not_flagged(outcome: Outcome, flag: Flag) -> None:
    score = outcome.flags[flag]
    assert score.right == score.flagged


def test_copies_of_the_same_moment_are_found(outcome: Outcome) -> None:
    same = outcome.copies_of_one_moment
    assert same.of >= 2
    assert same.right >= same.of - 1, "but for a picture that is too plain to tell from others"


def test_a_caption_of_something_else_scores_low(outcome: Outcome) -> None:
    score = outcome.flags[Flag.LOW_SIMILARITY]
    assert score.planted
    assert score.precision is not None and score.precision >= 0.9
    assert score.recall is not None and score.recall >= 0.9
