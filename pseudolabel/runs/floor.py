"""The floor of chance: how like a frame a caption of another video is, under the same scorer.

A score means little by itself: 0.25 is much for one model and nothing for another. So a run with
a scorer keeps the vectors of a few frames and captions, drawn by a hash of the clip, so that the
same ones are drawn whatever the order, the batches or the interruptions. Pairs of a frame and a
caption of different videos are the floor; a score is read as a percentile of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

Vectors = NDArray[np.float32]

KEPT = 512  # clips; their pairs are a quarter of a million chances
CHANCE_PERCENTILE = 95.0  # what is not above it cannot be told from chance


@dataclass(frozen=True, slots=True)
class Pair:
    """The vectors of a clip's frame and of a caption of it."""

    video_id: str
    clip_index: int
    picture: Vectors  # (D,)
    text: Vectors  # (D,)


def place_of(video_id: str, clip_index: int) -> int:
    """Where a clip stands in the draw: the clips with the smallest places are kept."""
    digest = hashlib.blake2b(f"{video_id}\0{clip_index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1  # fits an int64


def floor_schema() -> pa.Schema:
    """The Arrow schema of a part's `floor-*.parquet`."""
    import pyarrow as pa

    vector = pa.list_(pa.float16())
    return pa.schema(
        [
            pa.field("video_id", pa.string(), nullable=False),
            pa.field("clip_index", pa.int32(), nullable=False),
            pa.field("place", pa.int64(), nullable=False),
            pa.field("picture", vector, nullable=False),
            pa.field("text", vector, nullable=False),
        ]
    )


class Draw:
    """Which clips of a run are kept for its floor, as far as is known.

    Args:
        places: Of the clips that earlier parts keep.
    """

    def __init__(self, places: Sequence[int] = ()) -> None:
        self._places = np.sort(np.asarray(places, np.int64))[:KEPT]

    def smallest(self, pairs: Sequence[Pair]) -> list[Pair]:
        """Those that stay when all of these have been seen; later draws know them."""
        places = {place_of(pair.video_id, pair.clip_index): pair for pair in pairs}
        known = np.unique(np.concatenate([self._places, np.array([*places], np.int64)]))[:KEPT]
        stays = [pair for place, pair in places.items() if len(known) and place <= known[-1]]
        self._places = known
        return stays


def floor_table(pairs: Sequence[Pair]) -> pa.Table:
    """Pairs as a table with the columns of `floor_schema()`."""
    import pyarrow as pa

    return pa.Table.from_pylist(
        [
            {
                "video_id": pair.video_id,
                "clip_index": pair.clip_index,
                "place": place_of(pair.video_id, pair.clip_index),
                "picture": pair.picture.astype(np.float16),
                "text": pair.text.astype(np.float16),
            }
            for pair in pairs
        ],
        schema=floor_schema(),
    )


class Floor:
    """What chance gives: similarities of frames with captions of other videos.

    Args:
        kept: Rows of `floor_schema()`, part by part: of a clip the last one counts, and of all
            clips those with the smallest places.
    """

    def __init__(self, kept: pa.Table) -> None:
        newest_first = np.asarray(kept["place"])[::-1]
        _, first = np.unique(newest_first, return_index=True)
        rows = kept.take(len(newest_first) - 1 - first[:KEPT])
        self.chances: Vectors = np.zeros(0, np.float32)
        if rows.num_rows:
            pictures, texts = (_matrix(rows[name]) for name in ("picture", "text"))
            video = np.asarray(rows["video_id"].combine_chunks().dictionary_encode().indices)
            apart = video[:, None] != video[None, :]
            self.chances = np.sort((pictures @ texts.T)[apart])

    def percentile(self, similarity: NDArray[np.float64]) -> NDArray[np.float64]:
        """Which share of chance lies below each, in percent; NaN where nothing is known."""
        if not len(self.chances):
            return np.full(len(similarity), np.nan)
        below = np.searchsorted(self.chances, similarity) * (100 / len(self.chances))
        return np.where(np.isnan(similarity), np.nan, below)


def _matrix(vectors: pa.ChunkedArray) -> Vectors:
    rows = vectors.combine_chunks()
    return np.asarray(rows.values, np.float32).reshape(len(rows), -1)
