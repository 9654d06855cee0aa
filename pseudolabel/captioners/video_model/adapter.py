"""The adapter before a language model's layer: gated, separable cross-attention over a video.

The paper's model figure (arXiv 2304.02080) draws an adapter as separable cross-attention over the
encoder's hidden states, a tanh gate, a feed-forward and another tanh gate, each with a residual.
"Separable" it leaves open. Here, space first and then time: a word attends over the patches of
each frame by itself, which gives one vector a frame; a second attention, over these vectors and
their places in time, gives the one vector that the word takes. So a word finds *where* in each
frame, then *when*, as TimeSformer's own attention is divided.

Both gates start at zero: an untrained adapter changes nothing, to the bit.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import ACT2FN

from pseudolabel.captioners.video_model.config import VideoCaptionerConfig
from pseudolabel.captioners.video_model.resizing import stretched


class VideoKeys(NamedTuple):
    """What one adapter looks up in a video: the same for every word, so computed once.

    Both are `(B, T, heads, 1 + P, d)`.
    """

    keys: Tensor
    values: Tensor


class Adapter(nn.Module):
    """Shows a video to a layer of the language model (the paper's model figure)."""

    def __init__(self, config: VideoCaptionerConfig) -> None:
        super().__init__()
        text = config.text_config
        self.attention_norm = nn.LayerNorm(text.hidden_size)
        self.attention = SeparableCrossAttention(config)
        self.attention_gate = nn.Parameter(torch.zeros(1))
        self.feed_forward_norm = nn.LayerNorm(text.hidden_size)
        self.feed_forward = nn.Sequential(
            nn.Linear(text.hidden_size, config.adapter_ffn_size or text.ffn_dim),
            ACT2FN[text.activation_function],
            nn.Linear(config.adapter_ffn_size or text.ffn_dim, text.hidden_size),
        )
        self.feed_forward_gate = nn.Parameter(torch.zeros(1))

    def forward(self, words: Tensor, video: VideoKeys) -> Tensor:
        """The language model's hidden states `(N, L, H)`, with the video in them.

        Args:
            words: `(N, L, H)`: the rows of a video lie side by side, N a multiple of B.
            video: Of B videos, from `attention.look_up`.
        """
        seen = self.attention(self.attention_norm(words), video)
        words = words + self.attention_gate.tanh() * seen
        thought = self.feed_forward(self.feed_forward_norm(words))
        out: Tensor = words + self.feed_forward_gate.tanh() * thought
        return out


class SeparableCrossAttention(nn.Module):
    """Words attend over the patches of each frame, then over the frames.

    What words see in a frame depends on the word, so only the first step's keys and values belong
    to the video alone; the second step has T keys a word, which cost little to make.
    """

    def __init__(self, config: VideoCaptionerConfig) -> None:
        super().__init__()
        vision, text = config.vision_config, config.text_config
        size = config.adapter_size or text.hidden_size
        self.heads = text.num_attention_heads
        self.space_query = nn.Linear(text.hidden_size, size)
        self.space_key = nn.Linear(vision.hidden_size, size, bias=False)  # the same for all cancels
        self.space_value = nn.Linear(vision.hidden_size, size)
        self.time_query = nn.Linear(text.hidden_size, size)
        self.time_key = nn.Linear(size, size, bias=False)
        self.time_value = nn.Linear(size, size)
        self.frame_times = nn.Embedding(vision.num_frames, size)  # stretched to other numbers
        self.out = nn.Linear(size, text.hidden_size)

    def look_up(self, seen: Tensor) -> VideoKeys:
        """Keys and values of the encoder's `(B, T, 1 + P, D)`."""
        return VideoKeys(
            self._split(self.space_key(seen)).transpose(2, 3),
            self._split(self.space_value(seen)).transpose(2, 3),
        )

    def forward(self, words: Tensor, video: VideoKeys) -> Tensor:
        """What the words `(N, L, H)` see in their videos, `(N, L, H)`."""
        glimpses = self._over_space(words, video)  # (N, L, T, size): one a frame
        times = stretched(self.frame_times.weight, glimpses.shape[2])
        glimpses = glimpses + times.to(glimpses.dtype)
        query = self._split(self.time_query(words))  # (N, L, heads, d)
        keys = self._split(self.time_key(glimpses))  # (N, L, T, heads, d)
        values = self._split(self.time_value(glimpses))
        scores = torch.einsum("nlhd,nlthd->nlht", query, keys) * query.shape[-1] ** -0.5
        shares = scores.softmax(dim=-1, dtype=torch.float32).to(values.dtype)
        found = torch.einsum("nlht,nlthd->nlhd", shares, values)
        out: Tensor = self.out(found.flatten(2))
        return out

    def _over_space(self, words: Tensor, video: VideoKeys) -> Tensor:
        """One vector a word and frame, `(N, L, T, size)`."""
        videos, frames = video.keys.shape[:2]
        rows, length = words.shape[:2]
        if rows % videos:
            raise ValueError(f"{rows} rows of text to {videos} videos: each has the same number")
        # Beams and samples of one video share its keys: its words queue up in one long row.
        query = self._split(self.space_query(words))
        query = (
            query.reshape(videos, 1, -1, *query.shape[-2:])
            .transpose(2, 3)
            .expand(-1, frames, -1, -1, -1)
        )
        glimpses = functional.scaled_dot_product_attention(
            query.flatten(0, 1), video.keys.flatten(0, 1), video.values.flatten(0, 1)
        )  # (B * T, heads, N / B * L, d)
        apart: Tensor = glimpses.unflatten(0, (videos, frames))
        return apart.permute(0, 3, 1, 2, 4).reshape(rows, length, frames, -1)

    def _split(self, vectors: Tensor) -> Tensor:
        """Vectors `(..., size)` by heads, `(..., heads, d)`."""
        heads: Tensor = vectors.unflatten(-1, (self.heads, -1))
        return heads
