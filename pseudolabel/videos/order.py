"""The order in which videos are decoded: so that no long one is left alone at the end."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from pseudolabel.records import Skipped, Video

WINDOW = 1_000  # videos that are looked at ahead; some hundred bytes each


def largest_first(
    videos: Iterator[Video | Skipped], window: int = WINDOW
) -> Iterator[Video | Skipped]:
    """The same items, of the next `window` videos the largest first.

    A video whose size is not known, and what could not be listed, comes as soon as it is met.
    Equally large ones keep their order. An error while listing is raised when it is met.

    Args:
        videos: Taken lazily: at most `window` beyond what was given out.
        window: How many videos wait here at most.
    """
    waiting: list[tuple[int, int, Video]] = []
    for number, video in enumerate(videos):
        if isinstance(video, Skipped) or video.size_bytes is None:
            yield video
        else:
            heapq.heappush(waiting, (-video.size_bytes, number, video))
            if len(waiting) > window:
                yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]
