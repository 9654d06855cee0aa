"""Which caption of a clip stands for it."""

from __future__ import annotations

from pseudolabel.captions.consolidate import Choice, center
from pseudolabel.records import Caption, FrameCaption, Span


def frame(time_s: float, *logprobs: float | None) -> FrameCaption:
    return FrameCaption(time_s, True, tuple(Caption(f"{p}", mean_logprob=p) for p in logprobs))


def test_the_frame_nearest_the_center() -> None:
    frames = [frame(1.0, -1.0), frame(3.9, -9.0), frame(7.0, -1.0)]
    assert center(Span(0, 8), frames) == Choice(1, 0)


def test_ties_go_to_the_earlier_frame() -> None:
    assert center(Span(0, 8), [frame(3.0, -2.0), frame(5.0, -1.0)]) == Choice(0, 0)


def test_the_likeliest_of_several_samples() -> None:
    assert center(Span(0, 8), [frame(4.0, -2.0, -0.5, -1.0)]) == Choice(0, 1)


def test_unknown_likelihoods_take_the_first_sample() -> None:
    assert center(Span(0, 8), [frame(4.0, None, None)]) == Choice(0, 0)
