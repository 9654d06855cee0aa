"""Which split a video is in: a function of its id alone, so that adding videos moves none."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pseudolabel.errors import OptionError

if TYPE_CHECKING:
    import pyarrow as pa

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_HINT = "such as --split train=0.9,validation=0.1; the shares add up to 1"


def parse_splits(text: str) -> dict[str, float]:
    """Read `train=0.9,validation=0.1`.

    Raises:
        OptionError: If a name or share is not allowed, or the shares do not add up to 1.
    """
    shares: dict[str, float] = {}
    for piece in text.split(","):
        name, _, share = (part.strip() for part in piece.partition("="))
        if not _NAME.fullmatch(name) or name == "all" or name in shares:
            raise OptionError(f"--split {text}: {name!r} cannot name a split", hint=_HINT)
        try:
            shares[name] = float(share)
        except ValueError:
            raise OptionError(f"--split {text}: {share!r} is not a share", hint=_HINT) from None
        if not 0 < shares[name] <= 1:
            raise OptionError(f"--split {text}: {share} is not above 0 and at most 1", hint=_HINT)
    if not math.isclose(sum(shares.values()), 1, abs_tol=1e-9):
        raise OptionError(
            f"--split {text}: the shares add up to {sum(shares.values()):g}", hint=_HINT
        )
    return shares


def split_of(video_id: str, shares: Mapping[str, float]) -> str:
    """The split of a video.

    The first 8 bytes, big-endian, of the SHA-256 of the id in UTF-8, over 2^64, is a number from
    0 to 1; the split is the first whose share, added to those before it, exceeds it.
    """
    digest = hashlib.sha256(video_id.encode()).digest()
    at, total = int.from_bytes(digest[:8], "big") / 2**64, 0.0
    for name, share in shares.items():
        total += share
        if at < total:
            return name
    return name  # the shares added up to a little less than 1


def split_rows(rows: pa.Table, shares: Mapping[str, float]) -> list[tuple[str, pa.Table]]:
    """The rows of each split, in their order."""
    names = list(shares)
    if len(names) == 1:
        return [(names[0], rows)]
    import pyarrow as pa

    ids = rows["video_id"].combine_chunks().dictionary_encode()
    codes = _codes(ids.dictionary.to_pylist(), names, shares)
    split = codes[np.asarray(ids.indices)] if len(ids) else codes
    return [(name, rows.filter(pa.array(split == i))) for i, name in enumerate(names)]


def _codes(ids: Sequence[str], names: Sequence[str], shares: Mapping[str, float]) -> Any:
    return np.array([names.index(split_of(video_id, shares)) for video_id in ids], np.int64)
