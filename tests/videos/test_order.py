"""Largest first, within a window: as a function of plain values."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pseudolabel.records import Skipped, SkipReason, Video
from pseudolabel.videos.order import largest_first

LOST = Skipped("lost", "/lost.mp4", "list", SkipReason.NOT_FOUND, "not there")


def sized(*sizes: int | None) -> list[Video]:
    return [Video(f"{at}", f"/{at}.mp4", size_bytes=size) for at, size in enumerate(sizes)]


def sizes(videos: Iterator[Video | Skipped]) -> list[int | None]:
    return [video.size_bytes for video in videos if isinstance(video, Video)]


def test_the_largest_of_all_is_first_where_the_window_holds_all() -> None:
    assert sizes(largest_first(iter(sized(3, 9, 1, 7)))) == [9, 7, 3, 1]


def test_a_window_sees_no_further() -> None:
    assert sizes(largest_first(iter(sized(3, 1, 2, 9, 4)), window=2)) == [3, 9, 4, 2, 1]


def test_equally_large_ones_keep_their_order() -> None:
    videos = sized(5, 5, 5)
    assert list(largest_first(iter(videos))) == videos


def test_unknown_sizes_and_what_was_not_listed_come_at_once() -> None:
    videos = sized(None, 4, None, 8)
    given: list[Video | Skipped] = [videos[0], videos[1], LOST, *videos[2:]]
    assert list(largest_first(iter(given))) == [videos[0], LOST, videos[2], videos[3], videos[1]]


@pytest.mark.parametrize("window", [0, 1, 3, 100])
def test_nothing_is_lost_or_doubled(window: int) -> None:
    videos = sized(*(number * 7919 % 101 for number in range(50)))
    ordered = list(largest_first(iter(videos), window))
    assert sorted(v.video_id for v in ordered) == sorted(v.video_id for v in videos)


def test_it_lists_no_more_than_the_window_ahead() -> None:
    listing = iter(sized(*range(100)))
    ordered = largest_first(listing, window=10)
    for _ in range(5):
        next(ordered)
    assert len(list(listing)) == 100 - 15


def test_an_error_while_listing_is_raised() -> None:
    def listing() -> Iterator[Video]:
        yield from sized(1, 2)
        raise OSError("the list broke off")

    with pytest.raises(OSError, match="broke off"):
        list(largest_first(listing()))
