"""Which frames of a clip are wanted: times, from plain numbers."""

from __future__ import annotations

from itertools import pairwise

from pseudolabel.records import Span


def parts(span: Span, count: int) -> tuple[Span, ...]:
    """A span in `count` equal parts, in order."""
    length_s = (span.end_s - span.start_s) / count
    edges = [span.start_s + n * length_s for n in range(count)] + [span.end_s]
    return tuple(Span(start, end) for start, end in pairwise(edges))


def wanted_times(span: Span, count: int) -> tuple[float, ...]:
    """The times, in seconds, of `count` frames spread evenly over a span: its parts' centers."""
    return tuple(part.center_s for part in parts(span, count))
