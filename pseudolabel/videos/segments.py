"""How a video is cut into clips: functions of plain numbers, none of which opens a video.

All times are seconds on the player's clock; a video shows its first frame at `first_frame_s` and
its last until `end_s`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from pseudolabel.records import Span

# Rounding of timestamps makes ends such as 16.000011 of 16: no piece of its own.
_NEGLIGIBLE_S = 0.001


def fixed(
    end_s: float, *, length_s: float, min_clip_s: float, first_frame_s: float = 0.0
) -> tuple[Span, ...]:
    """Pieces on the grid 0, `length_s`, 2 `length_s`, ... over `[0, end_s)`.

    A last piece shorter than `min_clip_s` joins the one before; a video shorter than that is one
    clip. Pieces without a picture, before the first frame, are left out.
    """
    count = max(1, math.ceil(end_s / length_s))
    starts = [n * length_s for n in range(count)]
    if count > 1 and end_s - starts[-1] < max(min_clip_s, _NEGLIGIBLE_S):
        starts.pop()
    ends = [*starts[1:], end_s]
    return tuple(
        Span(start, end) for start, end in zip(starts, ends, strict=True) if end > first_frame_s
    )


def whole(end_s: float) -> tuple[Span, ...]:
    """The video as one clip."""
    return (Span(0.0, end_s),)


def scenes(cuts_s: Sequence[float], end_s: float) -> tuple[Span, ...]:
    """The stretches between shot changes; `cuts_s` are the first times of new shots."""
    edges = [0.0, *sorted({cut for cut in cuts_s if 0.0 < cut < end_s}), end_s]
    return tuple(Span(start, end) for start, end in pairwise(edges))


def clamped(span: Span, *, first_frame_s: float, end_s: float) -> Span | None:
    """The part of a given span that lies in `[0, end_s)`; None: it has no picture there."""
    start, end = max(0.0, span.start_s), min(span.end_s, end_s)
    return Span(start, end) if start < end and end > first_frame_s else None


def cuts_inside(span: Span, cuts_s: Iterable[float]) -> tuple[float, ...]:
    """The shot changes within a span; one at its start is its beginning, not a cut in it."""
    return tuple(sorted(cut for cut in cuts_s if span.start_s < cut < span.end_s))
