"""How the captions of a clip's frames become the caption of the clip.

A strategy is a pure function of one clip; it says which frame and sample the caption is, so that
every caption can be traced to a picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pseudolabel.records import FrameCaption, Span


@dataclass(frozen=True, slots=True)
class Choice:
    """Which caption of a clip stands for it: `frames[frame].captions[sample]`."""

    frame: int
    sample: int


Strategy = Callable[[Span, Sequence[FrameCaption]], Choice]


def center(span: Span, frames: Sequence[FrameCaption]) -> Choice:
    """The caption of the frame nearest the clip's center: the paper's recipe (figure 1).

    Of several samples, the one the model finds likeliest. Ties go to the earlier.

    Args:
        span: The clip.
        frames: Its captioned frames, in time order; at least one.
    """
    frame = min(range(len(frames)), key=lambda i: abs(frames[i].time_s - span.center_s))
    captions = frames[frame].captions

    def likelihood(sample: int) -> float:
        value = captions[sample].mean_logprob
        return -math.inf if value is None else value

    return Choice(frame, max(range(len(captions)), key=likelihood))
