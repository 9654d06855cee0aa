"""The encoder is TimeSformer, and knows patches from frames."""

# mypy: allow-untyped-calls

from __future__ import annotations

import pytest
import torch
from torch.nn import functional
from transformers import TimesformerModel

from pseudolabel.captioners.video_model.encoder import VideoEncoder
from tiny_video_captioner import FRAMES, PATCH, PATCHES, SIZE, clips, vision_config

KINDS = ["divided_space_time", "joint_space_time", "space_only"]


def pair(kind: str = KINDS[0], **changes: int) -> tuple[VideoEncoder, TimesformerModel]:
    """Our encoder and transformers' own, with the same weights."""
    torch.manual_seed(0)
    theirs = TimesformerModel(vision_config(attention_type=kind, **changes)).eval()
    if kind != "space_only":
        torch.nn.init.normal_(theirs.embeddings.time_embeddings)
    ours = VideoEncoder(vision_config(attention_type=kind, **changes)).eval()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_it_computes_what_timesformer_does(kind: str) -> None:
    ours, theirs = pair(kind)
    seen, wanted = ours(clips()), theirs(clips()).last_hidden_state
    assert seen.shape == (2, FRAMES, 1 + PATCHES, 24)
    if kind == "space_only":
        wanted = wanted.unflatten(0, (2, FRAMES))
        assert torch.allclose(seen, wanted, atol=1e-5)
        return
    # TimeSformer's tokens: the summary, then each patch's frames: patch 0 at 0 s, at 1 s, ...
    for frame in range(FRAMES):
        assert torch.allclose(seen[:, frame, 0], wanted[:, 0], atol=1e-5)
        for patch in range(PATCHES):
            token = wanted[:, 1 + patch * FRAMES + frame]
            assert torch.allclose(seen[:, frame, 1 + patch], token, atol=1e-5)


@torch.no_grad()
def test_a_patch_of_a_frame_is_found_where_it_is() -> None:
    encoder = VideoEncoder(vision_config(num_hidden_layers=0)).eval()
    before = clips(1)
    after = before.clone()
    row, column, frame = 1, 3, 2
    after[:, frame, :, row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH] += 1
    changed = (encoder(before) != encoder(after)).any(dim=-1).nonzero().tolist()
    assert changed == [[0, frame, 1 + row * (SIZE // PATCH) + column]]


@pytest.mark.parametrize("frames", [1, 2, 3, 8, 9])
@torch.no_grad()
def test_other_numbers_of_frames_are_as_a_timesformer_made_for_them(frames: int) -> None:
    ours, _ = pair()
    made_for = TimesformerModel(vision_config(num_frames=frames)).eval()
    weights = dict(ours.state_dict())
    times = weights["embeddings.time_embeddings"].transpose(1, 2)
    times = functional.interpolate(times, size=frames, mode="linear").transpose(1, 2)
    made_for.load_state_dict({**weights, "embeddings.time_embeddings": times})
    wanted = made_for(clips(frames=frames)).last_hidden_state
    seen = ours(clips(frames=frames))
    assert seen.shape == (2, frames, 1 + PATCHES, 24)
    patches = wanted[:, 1:].unflatten(1, (PATCHES, frames)).transpose(1, 2)
    assert torch.allclose(seen[:, :, 1:], patches, atol=1e-5)


@torch.no_grad()
def test_other_sizes_of_picture_are_as_a_timesformer_made_for_them() -> None:
    ours, _ = pair()
    made_for = TimesformerModel(vision_config(image_size=48)).eval()
    weights = dict(ours.state_dict())
    table = weights["embeddings.position_embeddings"]
    grid = table[:, 1:].transpose(1, 2).unflatten(2, (4, 4))
    grid = functional.interpolate(grid, size=(6, 6), mode="bilinear").flatten(2).transpose(1, 2)
    positions = torch.cat([table[:, :1], grid], dim=1)
    made_for.load_state_dict({**weights, "embeddings.position_embeddings": positions})
    wanted = made_for(clips(size=48)).last_hidden_state[:, 1:]
    seen = ours(clips(size=48))[:, :, 1:]
    assert torch.allclose(seen, wanted.unflatten(1, (36, FRAMES)).transpose(1, 2), atol=1e-5)


@torch.no_grad()
def test_a_wide_picture_is_seen() -> None:
    ours, _ = pair()
    assert ours(clips()[..., : SIZE // 2, :]).shape == (2, FRAMES, 1 + PATCHES // 2, 24)


@torch.no_grad()
def test_time_is_seen() -> None:
    ours, _ = pair()
    forward, backward = ours(clips()), ours(clips().flip(1)).flip(1)
    assert (forward - backward).abs().max() > 0.1


def test_pixels_with_other_axes_are_refused() -> None:
    ours, _ = pair()
    with pytest.raises(ValueError, match=r"\(2, 3, 32, 32\).*an image is a video of one frame"):
        ours(clips()[:, 0])
