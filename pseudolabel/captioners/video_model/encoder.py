"""The video encoder: TimeSformer, for any number of frames and any size of picture.

transformers' own takes the number of frames from its configuration when it takes space and time
apart. With half as many frames it fails; with twice as many it mixes up patches and frames
without a word. This one goes by what it is given, and takes the same checkpoints; at the size of
the configuration it computes the same numbers.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import TimesformerConfig
from transformers.models.timesformer.modeling_timesformer import (
    TimesformerEmbeddings,
    TimesformerLayer,
    TimesformerPreTrainedModel,
)

from pseudolabel.captioners.video_model.resizing import stretched


class VideoEncoder(TimesformerPreTrainedModel):
    """TimeSformer; its weights have the names of `TimesformerModel`."""

    _supports_sdpa = True
    _no_split_modules = ["SpaceTimeLayer"]  # noqa: RUF012 -- as transformers has it

    def __init__(self, config: TimesformerConfig) -> None:
        super().__init__(config)
        layers = (SpaceTimeLayer(config, index) for index in range(config.num_hidden_layers))
        self.embeddings = TimesformerEmbeddings(config)
        self.encoder: Any = nn.ModuleDict({"layer": nn.ModuleList(layers)})
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """What makes vectors of pixels; transformers hooks it when it checkpoints."""
        projection: nn.Module = self.embeddings.patch_embeddings.projection
        return projection

    def forward(self, pixel_values: Tensor) -> Tensor:
        """What is seen, patch by patch.

        Args:
            pixel_values: `(B, T, 3, H, W)` float, normalized. An image is a video of one frame.
                T need not be `num_frames`, nor H and W `image_size`.

        Returns:
            `(B, T, 1 + P, D)`: of each frame the summary (TimeSformer's CLS token, of which a
            video has one; it is repeated to every frame, as TimeSformer itself does where it
            attends over space) and the P patches, row by row.

        Raises:
            ValueError: If the pixels have another number of axes.
        """
        if pixel_values.ndim != 5:
            raise ValueError(
                f"pixel_values of shape {tuple(pixel_values.shape)}: expected"
                " (videos, frames, channels, height, width); an image is a video of one frame"
            )
        videos, frames = pixel_values.shape[:2]
        alone = self.config.attention_type == "space_only"
        if alone:  # frames do not see each other: each is a video of its own
            pixel_values = pixel_values.flatten(0, 1)[:, None]
        summary, patches = self._embed(pixel_values)
        for layer in self.encoder["layer"]:
            summary, patches = layer(summary, patches)
        seen = torch.cat([summary[:, None].expand(-1, -1, patches.shape[2], -1), patches], dim=1)
        if alone:
            seen = seen[:, :, 0].unflatten(0, (videos, frames)).transpose(1, 2)
        normed: Tensor = self.layernorm(seen.transpose(1, 2))
        return normed

    def _embed(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        """The summary `(B, 1, D)` and the patches `(B, P, T, D)` that the layers start from."""
        embeddings = self.embeddings
        videos, frames = pixel_values.shape[:2]
        cells = embeddings.patch_embeddings.projection(pixel_values.flatten(0, 1))  # (B*T, D, h, w)
        height, width = cells.shape[-2:]
        patches = cells.flatten(2).unflatten(0, (videos, frames)).permute(0, 3, 1, 2)
        positions = self._positions(height, width)  # (1 + P, D)
        summary = (embeddings.cls_token + positions[:1]).expand(videos, -1, -1)
        patches = patches + positions[1:, None]
        summary, patches = embeddings.pos_drop(summary), embeddings.pos_drop(patches)
        if self.config.attention_type == "space_only":
            return summary, patches
        # One frame gets the time of the clip's middle: where the pseudolabels' frame is taken.
        times = stretched(embeddings.time_embeddings[0], frames)
        return summary, embeddings.time_drop(patches + times)

    def _positions(self, height: int, width: int) -> Tensor:
        """Positions of the summary and of a grid of patches, `(1 + height * width, D)`."""
        table = self.embeddings.position_embeddings[0]
        made_for: Any = self.embeddings.patch_embeddings
        rows = made_for.image_size[0] // made_for.patch_size[0]
        grid = stretched(table[1:].unflatten(0, (rows, -1)), height)
        grid = stretched(grid.transpose(0, 1), width).transpose(0, 1)
        return torch.cat([table[:1], grid.flatten(0, 1)])


class SpaceTimeLayer(TimesformerLayer):
    """A layer of TimeSformer that is told patches and frames apart by their axes."""

    def forward(  # type: ignore[override]  # the two axes of tokens are what it is about
        self, summary: Tensor, patches: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One round of attention over time, over space, and a feed-forward.

        Args:
            summary: `(B, 1, D)`.
            patches: `(B, P, T, D)`.

        Returns:
            The two, one layer on.
        """
        frames = patches.shape[2]
        if self.attention_type == "divided_space_time":
            patches = patches + self._over_time(patches)
            each = summary[:, None].expand(-1, frames, -1, -1)
            seen = self._over_space(torch.cat([each, patches.transpose(1, 2)], dim=2))
            summary = summary + seen[:, :, 0].mean(dim=1, keepdim=True)
            patches = patches + seen[:, :, 1:].transpose(1, 2)
        else:
            tokens = torch.cat([summary, patches.flatten(1, 2)], dim=1)
            tokens = tokens + self._over_space(tokens[:, None])[:, 0]
            summary, patches = tokens[:, :1], tokens[:, 1:].unflatten(1, (-1, frames))
        tokens = torch.cat([summary, patches.flatten(1, 2)], dim=1)
        changed = self.output(self.intermediate(self.layernorm_after(tokens)))
        tokens = tokens + self.drop_path(changed)
        return tokens[:, :1], tokens[:, 1:].unflatten(1, (-1, frames))

    def _over_time(self, patches: Tensor) -> Tensor:
        tracks = self.temporal_layernorm(patches).flatten(0, 1)  # (B*P, T, D)
        seen = self.drop_path(_attend(self.temporal_attention, tracks))
        moved: Tensor = self.temporal_dense(seen)
        return moved.view_as(patches)

    def _over_space(self, pictures: Tensor) -> Tensor:
        """Attention within each picture of `(B, T, tokens, D)`."""
        flat = self.layernorm_before(pictures).flatten(0, 1)
        seen: Tensor = self.drop_path(_attend(self.attention, flat))
        return seen.view_as(pictures)


def _attend(block: Any, tokens: Tensor) -> Tensor:
    """Self-attention of `(N, tokens, D)` with a TimeSformer block's weights, in torch's kernel."""
    attention = block.attention
    heads = attention.qkv(tokens).unflatten(-1, (3, attention.num_heads, -1))
    query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (N, heads, tokens, D / heads)
    dropout = attention.attn_drop.p if attention.training else 0.0
    mixed = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
    out: Tensor = block.output(mixed.transpose(1, 2).flatten(2))
    return out
