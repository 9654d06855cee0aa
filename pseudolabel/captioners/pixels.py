"""Frames that already have the model's size, to its input tensor, without the processor.

The decoder delivers frames at the captioner's `frame_size`, so what is left of an image
processor is a crop, a scale and a shift: done here for a whole batch, on the model's device.
It is used only where a trial shows that it equals the processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pseudolabel.records import FrameSize

if TYPE_CHECKING:
    import torch

_LONGEST_EDGE_PX = 1536  # of frames whose size the model leaves open; one sentence needs no more
_TOLERANCE = 1e-2


def frame_size_of(image_processor: Any) -> FrameSize:
    """The size that an image processor resizes to, so that the decoder can do it instead.

    A fixed height and width: `stretch`. A shortest edge, which a center crop follows: `cover`.
    Anything else adapts to the image: `contain`, within its own maximum.
    """
    size = dict(getattr(image_processor, "size", None) or {})
    if size.get("height") and size.get("width"):
        return FrameSize(int(size["width"]), int(size["height"]), "stretch")
    edge, longest = size.get("shortest_edge"), size.get("longest_edge")
    if edge and not longest:
        return FrameSize(int(edge), int(edge), "cover")
    # Qwen-VL counts pixels where its names say edges; only it has patches to merge.
    if longest and hasattr(image_processor, "merge_size"):
        longest = int(longest) ** 0.5
    limit = min(_LONGEST_EDGE_PX, int(longest or _LONGEST_EDGE_PX))
    return FrameSize(limit, limit, "contain")


@dataclass(frozen=True, slots=True)
class PixelScaler:
    """Crop, scale and shift of frames that need no resizing."""

    size: FrameSize
    crop: tuple[int, int]  # height, width
    scale: tuple[float, ...]  # a channel, of uint8 values
    shift: tuple[float, ...]

    @classmethod
    def of(cls, image_processor: Any) -> PixelScaler | None:
        """The scaler that equals this processor, as a trial on noise shows; None if none does."""
        size = frame_size_of(image_processor)
        if size.fit == "contain":
            return None
        crop = size.height, size.width
        if getattr(image_processor, "do_center_crop", None):
            crop_size = dict(image_processor.crop_size)
            crop = int(crop_size["height"]), int(crop_size["width"])
        if crop[0] > size.height or crop[1] > size.width:
            return None
        factor = image_processor.rescale_factor if image_processor.do_rescale else 1.0
        mean, deviation = (0.0,) * 3, (1.0,) * 3
        if getattr(image_processor, "do_normalize", None):
            mean, deviation = image_processor.image_mean, image_processor.image_std
        scaler = cls(
            size=size,
            crop=crop,
            scale=tuple(factor / d for d in deviation),
            shift=tuple(-m / d for m, d in zip(mean, deviation, strict=True)),
        )
        return scaler if scaler._equals(image_processor) else None

    def fits(self, pixels: NDArray[np.uint8]) -> bool:
        """Whether the processor would leave this frame's size as it is, up to the crop."""
        height, width = pixels.shape[:2]
        if self.size.fit == "stretch":
            return (height, width) == (self.size.height, self.size.width)
        return bool(min(height, width) == self.size.height)

    def __call__(
        self, frames: Sequence[NDArray[np.uint8]], device: torch.device, dtype: torch.dtype
    ) -> torch.Tensor:
        """Frames that all `fits`, to `(N, 3, height, width)`; bytes travel to the device."""
        import torch

        stacked = torch.empty(self.stacked_shape(len(frames)), dtype=torch.uint8)
        return self.scaled(self.stack(frames, stacked), device, dtype)

    def stacked_shape(self, count: int) -> tuple[int, int, int, int]:
        """Of so many frames, cropped: `(N, height, width, 3)`."""
        return count, *self.crop, 3

    def stack(self, frames: Sequence[NDArray[np.uint8]], out: torch.Tensor) -> torch.Tensor:
        """Copy frames that all `fits` into `out`, uint8 of `stacked_shape` on the CPU; gives it."""
        np.stack([self._cropped(pixels) for pixels in frames], out=out.numpy())
        return out

    def scaled(
        self, stacked: torch.Tensor, device: torch.device, dtype: torch.dtype
    ) -> torch.Tensor:
        """What `stack` gave, on any device, to `(N, 3, height, width)`: the model's values."""
        import torch

        values = stacked.to(device).permute(0, 3, 1, 2).to(torch.float32)
        scale = torch.tensor(self.scale, device=device).view(3, 1, 1)
        shift = torch.tensor(self.shift, device=device).view(3, 1, 1)
        return (values * scale + shift).to(dtype).contiguous()

    def _cropped(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = self.crop
        top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
        return pixels[top : top + height, left : left + width]

    def _equals(self, image_processor: Any) -> bool:
        import torch
        from PIL import Image

        odd = 0 if self.size.fit == "stretch" else 7  # a crop must agree on odd margins, too
        shape = (self.size.height, self.size.width + odd, 3)
        trial = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        wanted = image_processor(Image.fromarray(trial), return_tensors="pt")["pixel_values"]
        got = self([trial], torch.device("cpu"), torch.float32)
        same: bool = wanted.shape == got.shape and (wanted - got).abs().max().item() <= _TOLERANCE
        return same
