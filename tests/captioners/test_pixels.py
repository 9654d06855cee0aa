"""The decoder's sizes, and pixels that equal the processor's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from pseudolabel.captioners.pixels import PixelScaler, frame_size_of
from pseudolabel.captioners.transformers_captioner import TransformersCaptioner
from pseudolabel.records import FrameSize
from tiny_models import noise_frame

hf: Any = transformers


@pytest.mark.parametrize(
    ("processor", "wanted"),
    [
        (hf.BlipImageProcessorPil(), FrameSize(384, 384, "stretch")),
        (hf.ViTImageProcessorPil(), FrameSize(224, 224, "stretch")),
        (hf.SiglipImageProcessorPil(), FrameSize(224, 224, "stretch")),
        (hf.CLIPImageProcessorPil(), FrameSize(224, 224, "cover")),
        (hf.Idefics3ImageProcessorPil(), FrameSize(1456, 1456, "contain")),
        (
            hf.SmolVLMImageProcessorPil(size={"longest_edge": 2048}),
            FrameSize(1536, 1536, "contain"),
        ),
        (hf.Qwen2VLImageProcessorPil(), FrameSize(1001, 1001, "contain")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_decoder_makes_the_processors_size(processor: Any, wanted: FrameSize) -> None:
    assert frame_size_of(processor) == wanted


@pytest.mark.parametrize(
    "processor",
    [
        hf.BlipImageProcessorPil(),
        hf.ViTImageProcessorPil(size={"height": 32, "width": 48}),
        hf.SiglipImageProcessorPil(),
        hf.ViTImageProcessorPil(do_normalize=False),
        hf.ViTImageProcessorPil(do_rescale=False, do_normalize=False),
        hf.CLIPImageProcessorPil(),
        hf.CLIPImageProcessorPil(size={"shortest_edge": 40}, crop_size={"height": 33, "width": 32}),
        hf.CLIPImageProcessorPil(size={"height": 40, "width": 40}, crop_size=32),
    ],
)
def test_ready_frames_get_the_processors_pixels(processor: Any) -> None:
    scaler = PixelScaler.of(processor)
    assert scaler is not None
    size = frame_size_of(processor)
    for shape in ((640, 360), (361, 640), (33, 77)):
        width, height = size.of(*shape)  # as the decoder delivers it
        pixels = noise_frame(1, height=height, width=width).pixels
        assert scaler.fits(pixels)
        wanted = processor(pixels, return_tensors="pt")["pixel_values"]
        got = scaler([pixels, pixels], torch.device("cpu"), torch.float32)
        assert got.shape == (2, *wanted.shape[1:])
        assert (got - wanted).abs().max() <= 1e-4


def test_a_frame_of_another_size_is_not_ready() -> None:
    scaler = PixelScaler.of(hf.BlipImageProcessorPil())
    assert scaler is not None
    assert not scaler.fits(noise_frame(1, height=384, width=383).pixels)


def test_a_processor_that_does_more_is_left_alone() -> None:
    assert PixelScaler.of(hf.Qwen2VLImageProcessorPil()) is None
    assert PixelScaler.of(hf.Idefics3ImageProcessorPil()) is None
    tiles = hf.LlavaNextImageProcessorPil(size={"height": 32, "width": 32}, do_center_crop=False)
    assert PixelScaler.of(tiles) is None, "it tiles: no trial equals it"


def test_no_processor_needs_torchvision(
    tiny: Callable[[str], Path], captioner: Callable[..., TransformersCaptioner]
) -> None:
    for kind in ("blip", "smolvlm", "qwen2_5_vl", "qwen3_vl"):
        processors = captioner(kind)._inputs._processors
        assert processors.image.backend == "pil", kind
