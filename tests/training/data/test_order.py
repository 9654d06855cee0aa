"""The order of examples follows from the seed and the number of the batch."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import pytest

from pseudolabel.errors import OptionError
from pseudolabel.training.data.options import Kind, Mix
from pseudolabel.training.data.order import BatchSampler, Order, Pick


def order(
    sizes: dict[Kind, int] | None = None, mix: str = "video=1", batch_size: int = 4, seed: int = 0
) -> Order:
    held: dict[Kind, int] = sizes or {"video": 10, "image": 6}
    return Order(held, Mix.parse(mix), batch_size=batch_size, seed=seed)


def rows(order: Order, count: int) -> list[int]:
    return [pick.row for batch in range(count) for pick in order.picks(batch)]


def test_each_epoch_has_every_example_once_in_another_order() -> None:
    found = rows(order(), 10)  # 40 picks of 10 clips: four epochs
    epochs = [found[first : first + 10] for first in range(0, 40, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_the_order_is_of_the_seed() -> None:
    assert rows(order(seed=3), 5) == rows(order(seed=3), 5)
    assert rows(order(seed=3), 5) != rows(order(seed=4), 5)


def test_going_on_gives_the_batches_that_were_left() -> None:
    whole = list(BatchSampler(order(), count=12))
    assert list(BatchSampler(order(), first=5, count=7)) == whole[5:]
    assert len(BatchSampler(order(), first=5, count=7)) == 7


def test_several_processes_share_one_order() -> None:
    whole = list(BatchSampler(order(), count=6))
    shares = [list(BatchSampler(order(), count=6, rank=rank, ranks=2)) for rank in range(2)]
    assert [a + b for a, b in zip(*shares, strict=True)] == whole
    with pytest.raises(ValueError, match="process 0 of 3"):
        BatchSampler(order(), count=1, ranks=3)


@pytest.mark.parametrize(
    ("mix", "kinds"),
    [
        ("video=1,image=1", "vivivivi"),
        ("video=3,image=1", "vvvivvvi"),
        ("video=1,image=3", "viiiviii"),
        ("video=1,image=0", "vvvvvvvv"),
        ("image=2", "iiiiiiii"),
        ("video=0.5,image=0.25", "vvivvivv"),
    ],
)
def test_kinds_take_turns_in_the_ratio(mix: str, kinds: str) -> None:
    made = order(mix=mix)
    # Which of a turn's batches is the image's does not matter; how many there are does.
    found = "".join(made.kind(batch)[0] for batch in range(8))
    assert Counter(found) == Counter(kinds)
    assert all({pick.kind for pick in made.picks(b)} == {made.kind(b)} for b in range(8))


def test_each_kind_has_epochs_of_its_own() -> None:
    made = order(mix="video=1,image=1")
    picks = list(chain.from_iterable(made.picks(batch) for batch in range(60)))
    for kind, size in (("video", 10), ("image", 6)):
        own = [pick for pick in picks if pick.kind == kind]
        assert [pick.draw for pick in own] == list(range(120))
        assert set(Counter(pick.row for pick in own).values()) == {120 // size}


def test_an_epoch_is_long_enough_for_all() -> None:
    for mix, sizes in (
        ("video=1", {"video": 10, "image": 0}),
        ("video=1,image=1", {"video": 10, "image": 30}),
        ("video=3,image=1", {"video": 30, "image": 7}),
    ):
        made = order(sizes, mix)  # type: ignore[arg-type]
        count = made.batches_per_epoch

        def seen(batches: int, made: Order = made) -> set[Pick]:
            picks = chain.from_iterable(made.picks(batch) for batch in range(batches))
            return {pick._replace(draw=0) for pick in picks}

        total = 10 if mix == "video=1" else sum(sizes.values())
        assert len(seen(count + 1)) == total
        assert len(seen(count - 2)) < total


@pytest.mark.parametrize(
    "text", ["", "video", "video=x", "film=1", "video=1,video=2", "video=0", "video=-1,image=2"]
)
def test_what_is_no_mix_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="--mix"):
        Mix.parse(text)
