"""What the pipeline needs of a captioner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pseudolabel.records import Caption, Frame, FrameSize
from pseudolabel.videos.options import FrameOptions


@dataclass(frozen=True, slots=True)
class CaptionerIdentity:
    """Who made the captions: everything that can change a text, and nothing that cannot."""

    model: str  # Hub name, path, server model, or "demo"
    revision: str  # commit hash; for a local folder a hash of its files; "" where unknown
    backend: str  # "transformers", "video" or "server"
    architecture: str  # config.model_type, such as "blip"; "" where unknown
    prompt: str | None
    decoding: str  # such as "greedy", "beams=3", "samples=5 top_p=0.95 temperature=0.7 seed=0"
    max_new_tokens: int
    dtype: str  # resolved: never "auto"; "" where unknown


@dataclass(frozen=True, slots=True)
class Refusal:
    """A captioner's word that it has no text for a frame, and why."""

    detail: str


class Captioner(Protocol):
    """Frames in, texts out, in order; batches may mix clips and videos."""

    @property
    def identity(self) -> CaptionerIdentity:
        """Who it is, for the run's manifest."""

    @property
    def frame_size(self) -> FrameSize:
        """The size to which the decoder scales."""

    @property
    def batch_size(self) -> int:
        """How many frames it would like next; may change between calls."""

    @property
    def largest_batch(self) -> int:
        """The most frames it may come to like; decoding ahead is bounded by it."""

    def caption(self, frames: Sequence[Frame]) -> list[tuple[Caption, ...] | Refusal]:
        """Caption any number of frames, in order; one `Caption` a sample.

        A text depends on its own frame (and, when sampling, on the seed, video id and time),
        never on its neighbours in the batch; half precision can still differ by rounding.

        Raises:
            CaptionerError: If no frame can be captioned at all (out of memory at one frame,
                server gone, access refused).
        """

    def close(self) -> None:
        """Give back what it holds."""


@runtime_checkable
class ClipCaptioner(Captioner, Protocol):
    """A captioner that sees all frames of a clip at once, in time order, and says what happens.

    `caption` takes whole clips, the frames of each side by side, and gives every frame of a clip
    the same answer. `batch_size` and `largest_batch` count clips. When sampling, a text depends on
    the time of the clip's first frame.
    """

    @property
    def wanted_frames(self) -> FrameOptions:
        """Which frames of a clip it is to see where the user does not say."""
