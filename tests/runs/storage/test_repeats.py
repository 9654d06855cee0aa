"""Ids that stand in several places."""

from __future__ import annotations

import random
from collections import defaultdict
from functools import partial

from pseudolabel.runs.storage.repeats import repeated_ids


def test_only_what_stands_in_several_places_is_told_with_its_places_in_order() -> None:
    places = {3: ["a", "b"], 1: ["c"], 2: ["b", "d", "a"], 0: []}
    found = repeated_ids({place: partial(list, ids) for place, ids in places.items()})
    assert found == {"a": [3, 2], "b": [3, 2]}


def test_no_place_at_all() -> None:
    assert repeated_ids({}) == {}


def test_places_without_repeats_are_read_once() -> None:
    reads: list[str] = []

    def read(place: str, ids: list[str]) -> list[str]:
        reads.append(place)
        return ids

    repeated_ids(
        {
            "x": lambda: read("x", ["a"]),
            "y": lambda: read("y", ["b"]),
            "z": lambda: read("z", ["b"]),
        }
    )
    assert reads == ["x", "y", "z", "y", "z"]


def test_it_agrees_with_counting() -> None:
    dice = random.Random(0)
    places = {i: list({str(dice.randrange(300)) for _ in range(20)}) for i in range(30)}
    where: dict[str, list[int]] = defaultdict(list)
    for place, ids in places.items():
        for key in ids:
            where[key].append(place)
    expected = {key: found for key, found in where.items() if len(found) > 1}
    assert repeated_ids({p: partial(list, ids) for p, ids in places.items()}) == expected
