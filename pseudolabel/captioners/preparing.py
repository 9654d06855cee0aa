"""The next batch's bytes, on their way to the device while a batch is generated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pseudolabel.captioners.protocol import Captioner, Refusal
from pseudolabel.records import Caption, Frame

if TYPE_CHECKING:
    import torch


@dataclass(slots=True)
class CaptionTimes:
    """Where the time inside a captioner went, in seconds, since it was loaded."""

    preparing_s: float = 0.0  # frames to inputs, as far as it was not done ahead
    generating_s: float = 0.0  # inside the model's `generate`
    reading_s: float = 0.0  # tokens to texts and scores


@dataclass(frozen=True, slots=True)
class Prepared:
    """The bytes of a batch of frames, on the device or on their way to it."""

    pixels: torch.Tensor  # uint8 `(N, height, width, 3)`
    copied: torch.cuda.Event | None = None  # when they have arrived; None: they are there

    def rows(self, start: int, stop: int) -> torch.Tensor:
        """Some of them, for work that is queued from now on."""
        import torch

        if self.copied is not None:
            stream = torch.cuda.current_stream(self.pixels.device)
            stream.wait_event(self.copied)
            self.pixels.record_stream(stream)  # else their memory is reused too early
        return self.pixels[start:stop]


@runtime_checkable
class PreparingCaptioner(Captioner, Protocol):
    """A captioner that takes a batch's preparation off the time of the batch before."""

    @property
    def times(self) -> CaptionTimes:
        """Where its time went so far."""

    def prepare(self, frames: Sequence[Frame]) -> Prepared | None:
        """What can be done of a batch while another is captioned; called from another thread."""

    def caption(
        self, frames: Sequence[Frame], prepared: Prepared | None = None
    ) -> list[tuple[Caption, ...] | Refusal]:
        """As `Captioner.caption`, with what `prepare` gave for just these frames."""


class CopyingAhead:
    """Memory that a copy to the device need not wait for, and a stream for the copies.

    Without CUDA the bytes stay where they are.

    Args:
        device: Where the model is.
    """

    def __init__(self, device: torch.device) -> None:
        import torch

        self._device = device
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def empty(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Uint8 memory on the CPU: pinned for CUDA, from a cache that knows the copies."""
        import torch

        return torch.empty(shape, dtype=torch.uint8, pin_memory=self._stream is not None)

    def start(self, pixels: torch.Tensor) -> Prepared:
        """Begin to copy; `pixels` come from `empty`."""
        import torch

        if self._stream is None:
            return Prepared(pixels)
        with torch.cuda.stream(self._stream):
            moved = pixels.to(self._device, non_blocking=True)
            return Prepared(moved, self._stream.record_event())

    def wait_for_results(self) -> None:
        """Return when the device has done what this thread asked of it, copies ahead aside."""
        import torch

        if self._stream is not None:
            torch.cuda.current_stream(self._device).synchronize()
