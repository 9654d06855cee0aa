from __future__ import annotations

from itertools import pairwise

import pytest

from pseudolabel.records import Span
from pseudolabel.videos.sampling import parts, wanted_times


def test_one_frame_is_the_center() -> None:
    assert wanted_times(Span(8.0, 16.0), 1) == (12.0,)


def test_several_frames_are_the_centers_of_equal_parts() -> None:
    assert wanted_times(Span(8.0, 16.0), 4) == (9.0, 11.0, 13.0, 15.0)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100])
def test_parts_tile_the_span(count: int) -> None:
    span = Span(0.1, 8.3)
    pieces = parts(span, count)
    assert len(pieces) == count
    assert pieces[0].start_s == span.start_s
    assert pieces[-1].end_s == span.end_s
    assert all(a.end_s == b.start_s for a, b in pairwise(pieces))
