"""Pixels as a video captioner takes them: the one place where bytes become its numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from pseudolabel.captioners.video_model.config import VideoCaptionerConfig


def normalized(pixels: Tensor, config: VideoCaptionerConfig) -> Tensor:
    """Frames as `VideoCaptioner` takes them, computed where they are.

    Args:
        pixels: uint8 RGB `(B, T, H, W, 3)`.
        config: Whose `image_mean` and `image_std` they get.

    Returns:
        float32 `(B, T, 3, H, W)`.
    """
    mean, std = (
        255 * torch.tensor(values, device=pixels.device).view(3, 1, 1)
        for values in (config.image_mean, config.image_std)
    )
    return (pixels.permute(0, 1, 4, 2, 3).float() - mean) / std
