"""An adapter's cross-attention is separable, gated, and shared by the texts of a video."""

from __future__ import annotations

import pytest
import torch

from pseudolabel.captioners.video_model.adapter import Adapter, VideoKeys
from pseudolabel.captioners.video_model.config import VideoCaptionerConfig
from tiny_video_captioner import text_config, vision_config


@pytest.fixture
def adapter() -> Adapter:
    torch.manual_seed(0)
    config = VideoCaptionerConfig(
        vision_config=vision_config(), text_config=text_config(), adapter_size=16
    )
    made = Adapter(config)
    with torch.no_grad():
        for weight in made.parameters():
            if weight.ndim > 1:
                weight.normal_(std=0.4)
    return made


def seen(videos: int = 2, frames: int = 4) -> torch.Tensor:
    return torch.randn(videos, frames, 17, 24, generator=torch.Generator().manual_seed(1))


def words(rows: int = 2) -> torch.Tensor:
    return torch.randn(rows, 5, 32, generator=torch.Generator().manual_seed(2))


def attend(query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """One word `(size,)` over some places `(n, size)`, head by head."""
    out = []
    for head in range(4):
        part = slice(head * 4, head * 4 + 4)
        shares = torch.softmax(keys[:, part] @ query[part] / 2, dim=0)
        out.append(shares @ values[:, part])
    return torch.cat(out)


@torch.no_grad()
def test_a_word_looks_into_each_frame_and_then_over_the_frames(adapter: Adapter) -> None:
    attention, video = adapter.attention, seen()
    found = attention(words(), attention.look_up(video))
    for row in range(2):
        for place in range(5):
            word = words()[row, place]
            query = attention.space_query(word)
            glimpses = torch.stack(
                [
                    attend(query, attention.space_key(f), attention.space_value(f))
                    for f in video[row]
                ]
            )
            glimpses = glimpses + attention.frame_times.weight
            keys, values = attention.time_key(glimpses), attention.time_value(glimpses)
            wanted = attention.out(attend(attention.time_query(word), keys, values))
            assert torch.allclose(found[row, place], wanted, atol=1e-5)


@torch.no_grad()
def test_closed_gates_change_nothing(adapter: Adapter) -> None:
    assert torch.equal(adapter(words(), adapter.attention.look_up(seen())), words())


@pytest.mark.parametrize("gate", ["attention_gate", "feed_forward_gate"])
@torch.no_grad()
def test_each_gate_opens(adapter: Adapter, gate: str) -> None:
    getattr(adapter, gate).fill_(0.5)
    changed = adapter(words(), adapter.attention.look_up(seen()))
    assert (changed - words()).abs().max() > 0.1


@torch.no_grad()
def test_the_order_of_frames_counts_and_that_of_patches_does_not(adapter: Adapter) -> None:
    attention, video = adapter.attention, seen()
    found = attention(words(), attention.look_up(video))
    shuffled = attention(words(), attention.look_up(video.flip(2)))
    reversed_ = attention(words(), attention.look_up(video.flip(1)))
    assert torch.allclose(found, shuffled, atol=1e-5)
    assert (found - reversed_).abs().max() > 0.01


@torch.no_grad()
def test_texts_of_one_video_share_its_keys(adapter: Adapter) -> None:
    attention = adapter.attention
    keys = attention.look_up(seen())
    repeated = VideoKeys(*(part.repeat_interleave(3, dim=0) for part in keys))
    assert torch.allclose(attention(words(6), keys), attention(words(6), repeated), atol=1e-5)


def test_rows_that_cannot_be_shared_out_are_refused(adapter: Adapter) -> None:
    with pytest.raises(ValueError, match="3 rows of text to 2 videos"):
        adapter.attention(words(3), adapter.attention.look_up(seen()))
