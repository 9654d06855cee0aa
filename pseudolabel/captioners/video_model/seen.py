"""A video as the language model gets to see it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from pseudolabel.captioners.video_model.adapter import VideoKeys


@dataclass(frozen=True, slots=True)
class SeenVideo:
    """B encoded videos; every text about them, beam or sample, shares this one copy.

    It is no tensor, so `generate` neither repeats it for beams nor reorders it: a beam never
    leaves its own video.
    """

    hidden: Tensor  # (B, T, 1 + P, D): the encoder's states, the summary first in each frame
    keys: tuple[VideoKeys | None, ...] | None = None  # of each layer's adapter, or made each time

    @property
    def videos(self) -> int:
        """How many videos, B."""
        return len(self.hidden)
