from __future__ import annotations

from itertools import pairwise

import pytest

from pseudolabel.records import Span
from pseudolabel.videos.segments import clamped, cuts_inside, fixed, scenes, whole


def edges(spans: tuple[Span, ...]) -> list[tuple[float, float]]:
    return [(span.start_s, span.end_s) for span in spans]


def test_fixed_pieces_lie_on_the_grid() -> None:
    spans = fixed(20.0, length_s=8, min_clip_s=2)
    assert edges(spans) == [(0, 8), (8, 16), (16, 20)]


@pytest.mark.parametrize(
    ("end_s", "expected"),
    [
        (17.9, [(0, 8), (8, 17.9)]),  # a last piece of 1.9 s joins
        (18.0, [(0, 8), (8, 16), (16, 18)]),  # one of 2 s does not
        (16.0, [(0, 8), (8, 16)]),
        (9.0, [(0, 9)]),
        (8.0, [(0, 8)]),
        (0.04, [(0, 0.04)]),  # shorter than the shortest clip: one clip all the same
    ],
)
def test_a_short_last_piece_joins_the_one_before(
    end_s: float, expected: list[tuple[float, float]]
) -> None:
    assert edges(fixed(end_s, length_s=8, min_clip_s=2)) == expected


def test_a_negligible_last_piece_joins_even_where_any_length_is_allowed() -> None:
    assert edges(fixed(16.00001, length_s=8, min_clip_s=0)) == [(0, 8), (8, 16.00001)]


def test_fixed_pieces_before_the_first_frame_are_left_out() -> None:
    spans = fixed(30.0, length_s=8, min_clip_s=2, first_frame_s=8.0)
    assert edges(spans) == [(8, 16), (16, 24), (24, 30)]


@pytest.mark.parametrize("length_s", [0.1, 0.3, 1 / 3, 8.0])
def test_fixed_pieces_tile_the_video(length_s: float) -> None:
    spans = fixed(61.7, length_s=length_s, min_clip_s=0.05)
    assert spans[0].start_s == 0
    assert spans[-1].end_s == 61.7
    assert all(a.end_s == b.start_s for a, b in pairwise(spans))


def test_whole_is_one_clip() -> None:
    assert edges(whole(3.2)) == [(0, 3.2)]


def test_scenes_lie_between_cuts() -> None:
    assert edges(scenes((4.0, 2.0, 2.0), 6.0)) == [(0, 2), (2, 4), (4, 6)]
    assert edges(scenes((), 6.0)) == [(0, 6)]
    assert edges(scenes((0.0, 6.0, 7.0), 6.0)) == [(0, 6)]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (Span(1, 3), (1, 3)),
        (Span(-1, 3), (0, 3)),
        (Span(8, 12), (8, 10)),
        (Span(10, 12), None),
        (Span(0, 0.5), None),  # before the first frame
        (Span(-3, -1), None),
    ],
)
def test_given_spans_are_clamped(span: Span, expected: tuple[float, float] | None) -> None:
    result = clamped(span, first_frame_s=0.5, end_s=10.0)
    assert (None if result is None else (result.start_s, result.end_s)) == expected


def test_a_cut_at_the_start_is_not_inside() -> None:
    assert cuts_inside(Span(2, 4), (1.0, 2.0, 3.5, 3.0, 4.0)) == (3.0, 3.5)
