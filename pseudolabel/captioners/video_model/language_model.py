"""OPT with an adapter before its layers: in all else transformers' own, checkpoints included."""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import OPTForCausalLM
from transformers import initialization as init
from transformers.models.opt.modeling_opt import OPTDecoderLayer

from pseudolabel.captioners.video_model.adapter import Adapter, VideoKeys
from pseudolabel.captioners.video_model.config import VideoCaptionerConfig
from pseudolabel.captioners.video_model.seen import SeenVideo


class AdaptedOPTForCausalLM(OPTForCausalLM):
    """An `OPTForCausalLM` whose forward takes one thing more, `video`: a `SeenVideo`.

    Without it, it is OPT. With any gate at zero, that adapter passes its input on as it is.
    """

    _no_split_modules = ["AdaptedLayer"]  # noqa: RUF012 -- as transformers has it

    def __init__(self, config: VideoCaptionerConfig) -> None:
        super().__init__(config.text_config)
        self.model.decoder.layers = nn.ModuleList(
            AdaptedLayer(config, index) for index in range(config.text_config.num_hidden_layers)
        )
        self.post_init()

    def adapters(self) -> Iterator[Adapter | None]:
        """The adapter before each layer, or None, in order."""
        for layer in self.model.decoder.layers:
            yield layer.adapter

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, Adapter):
            init.zeros_(module.attention_gate)
            init.zeros_(module.feed_forward_gate)


class AdaptedLayer(OPTDecoderLayer):
    """A layer of OPT, with an adapter before it or without one."""

    _gradient_checkpointing_func: Any

    def __init__(self, config: VideoCaptionerConfig, index: int) -> None:
        super().__init__(config.text_config, layer_idx=index)
        self.index = index
        self.adapter = Adapter(config) if index % config.adapter_every == 0 else None

    def forward(  # type: ignore[override]  # the rest is passed on by name
        self, hidden_states: Tensor, *, video: SeenVideo | None = None, **rest: Any
    ) -> Any:
        """`hidden_states` `(N, L, H)`, one layer on; `rest` is OPT's."""
        # transformers recomputes activations of layers in training mode. A frozen layer is in
        # evaluation mode, but gradients pass through it to the adapters below.
        is_frozen = self.gradient_checkpointing and not self.training and torch.is_grad_enabled()
        if is_frozen and rest.get("past_key_values") is None:
            return self._gradient_checkpointing_func(
                partial(self._run, video=video, **rest), hidden_states
            )
        return self._run(hidden_states, video=video, **rest)

    def _run(self, hidden_states: Tensor, *, video: SeenVideo | None, **rest: Any) -> Any:
        if video is not None and self.adapter is not None:
            hidden_states = self.adapter(hidden_states, self._look_up(self.adapter, video))
        return super().forward(hidden_states, **rest)

    def _look_up(self, adapter: Adapter, video: SeenVideo) -> VideoKeys:
        if video.keys is not None:
            found = video.keys[self.index]
            assert found is not None, "there are keys for each adapter"
            return found
        return adapter.attention.look_up(video.hidden)
