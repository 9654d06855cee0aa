"""Which examples come when: a function of the seed and the number of the batch, of nothing else.

All batches of all processes are one sequence. A batch is of one kind (clips have eight frames and
images one), and the kinds take turns in the proportions of the mix. The examples of a kind are
shuffled anew each epoch; a batch that reaches over the end of an epoch goes on into the next, so
all batches are full.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pseudolabel.training.data.options import KINDS

if TYPE_CHECKING:
    from pseudolabel.training.data.options import Kind, Mix


class Pick(NamedTuple):
    """An example that is due; a data set's key."""

    kind: Kind
    row: int  # among the examples of the kind
    draw: int  # how often examples of the kind were picked before: seeds what is random about it


class Order:
    """The sequence of batches.

    Args:
        sizes: How many examples there are of each kind.
        mix: Proportions of the kinds.
        batch_size: Examples in a batch, over all processes.
        seed: Of the shuffling.
    """

    def __init__(self, sizes: Mapping[Kind, int], mix: Mix, *, batch_size: int, seed: int) -> None:
        self._sizes = dict(sizes)
        self._video_share = mix.video / (mix.video + mix.image)
        self.batch_size = batch_size
        self._seed = seed
        self._shuffled: dict[Kind, tuple[int, NDArray[np.int64]]] = {}  # the last epoch used

    @property
    def batches_per_epoch(self) -> int:
        """Batches until every example of every kind has come at least once."""
        shares: dict[Kind, Fraction] = {
            "video": self._video_share,
            "image": 1 - self._video_share,
        }
        return max(
            -(-self._sizes[kind] * share.denominator // (share.numerator * self.batch_size))
            for kind, share in shares.items()
            if share
        )

    def kind(self, batch: int) -> Kind:
        """The kind of a batch."""
        return "video" if self._videos_before(batch + 1) > self._videos_before(batch) else "image"

    def picks(self, batch: int) -> list[Pick]:
        """The examples of a batch, `batch_size` of them."""
        kind = self.kind(batch)
        videos = self._videos_before(batch)
        first = (videos if kind == "video" else batch - videos) * self.batch_size
        return [Pick(kind, self._row(kind, draw), draw) for draw in self._draws(first)]

    def _draws(self, first: int) -> range:
        return range(first, first + self.batch_size)

    def _videos_before(self, batch: int) -> int:
        """How many of the batches before this one are of videos."""
        return -(-batch * self._video_share.numerator // self._video_share.denominator)

    def _row(self, kind: Kind, draw: int) -> int:
        epoch, place = divmod(draw, self._sizes[kind])
        known = self._shuffled.get(kind)
        if known is None or known[0] != epoch:
            random = np.random.default_rng([self._seed, KINDS.index(kind), epoch])
            known = epoch, random.permutation(self._sizes[kind])
            self._shuffled[kind] = known
        return int(known[1][place])


class BatchSampler:
    """The part of each batch that is one process's, from some batch on; for torch's `DataLoader`.

    Args:
        order: Of all batches.
        first: The number of the first batch: where a run goes on.
        count: How many batches.
        rank: The number of this process.
        ranks: How many processes there are; `order.batch_size` is a multiple of it.
    """

    def __init__(
        self, order: Order, *, first: int = 0, count: int, rank: int = 0, ranks: int = 1
    ) -> None:
        if order.batch_size % ranks or not 0 <= rank < ranks:
            raise ValueError(f"a batch of {order.batch_size} for process {rank} of {ranks}")
        self._order = order
        self._batches = range(first, first + count)
        self.size = order.batch_size // ranks  # examples in a batch of this process
        self._own = slice(rank * self.size, (rank + 1) * self.size)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[Pick]]:
        for batch in self._batches:
            yield self._order.picks(batch)[self._own]
