from __future__ import annotations

import itertools

import pytest

from pseudolabel.demo.grammar import COLORS, SHAPES, WORDS, Thing, describe

THINGS: list[Thing] = list(itertools.product(COLORS, SHAPES))


def test_the_left_thing_is_named_first() -> None:
    things: tuple[Thing, Thing] = (("green", "star"), ("orange", "square"))
    assert describe(things) == "a green star left of an orange square"
    assert describe(things[::-1]) == "an orange square left of a green star"


def test_different_scenes_have_different_captions() -> None:
    scenes = [(thing,) for thing in THINGS] + list(itertools.permutations(THINGS, 2))
    assert len({describe(scene) for scene in scenes}) == len(scenes)


def test_every_caption_is_made_of_the_grammars_words_and_uses_all_of_them() -> None:
    said = {word for pair in itertools.permutations(THINGS, 2) for word in describe(pair).split()}
    assert said == set(WORDS)


@pytest.mark.parametrize("count", [0, 3])
def test_other_numbers_of_things_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"1 or 2 things, got {count}"):
        describe(tuple(THINGS[:count]))
