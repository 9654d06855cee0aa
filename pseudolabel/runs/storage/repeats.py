"""Ids that stand in more than one place, found without holding all ids in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from pseudolabel.runs.storage.ahead import ahead

Place = TypeVar("Place", bound=Hashable)


def repeated_ids(
    places: Mapping[Place, Callable[[], Sequence[str]]],
) -> dict[str, list[Place]]:
    """The ids that stand in several places, each with its places in the order given.

    Places are read a few at a time and hashed, 8 bytes an id; only those that hold a repeated hash
    are read again.

    Args:
        places: By name, a function that reads the distinct ids of the place.
    """
    hashes = [
        np.fromiter(map(hash, ids), np.int64, len(ids))
        for ids in ahead((1, read) for read in places.values())
    ]
    if not hashes:
        return {}
    distinct, counts = np.unique(np.concatenate(hashes), return_counts=True)
    several = distinct[counts > 1]
    found: dict[str, list[Place]] = defaultdict(list)
    if len(several):
        for (place, read), here in zip(places.items(), hashes, strict=True):
            is_repeated = np.isin(here, several)
            if is_repeated.any():
                ids = read()
                for at in np.flatnonzero(is_repeated).tolist():
                    found[ids[at]].append(place)
    return {key: where for key, where in found.items() if len(where) > 1}
