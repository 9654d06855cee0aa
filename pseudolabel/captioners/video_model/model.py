"""The video captioner: TimeSformer, OPT, and gated adapters, as one transformers model.

After the model figure of arXiv 2304.02080: the language model is frozen and attends to the hidden
states of the video encoder through an adapter before each of its layers; the adapters learn, by
the next-token loss of the caption. Which else may learn is up to `freeze`.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.utils.generic import can_return_tuple

from pseudolabel.captioners.video_model.config import VideoCaptionerConfig
from pseudolabel.captioners.video_model.encoder import VideoEncoder
from pseudolabel.captioners.video_model.language_model import AdaptedOPTForCausalLM
from pseudolabel.captioners.video_model.seen import SeenVideo
from pseudolabel.errors import CaptionerError

_IGNORED = -100  # a label that is no target, to transformers


class VideoCaptioner(PreTrainedModel, GenerationMixin):
    """Writes captions of videos; an image is a video of one frame.

    Loads and saves, and goes to the Hub, as any transformers model does; safetensors only. The
    encoder and the language model are frozen until `freeze` says otherwise.
    """

    config: VideoCaptionerConfig
    config_class = VideoCaptionerConfig
    input_modalities = ["video", "text"]  # noqa: RUF012 -- as transformers has it
    supports_gradient_checkpointing = True
    _supports_sdpa = True

    def __init__(self, config: VideoCaptionerConfig) -> None:
        super().__init__(config)
        self.loss_type = "ForCausalLM"  # by which the Trainer counts the targets of a batch
        self.encoder = VideoEncoder(config.vision_config)
        self.language_model = AdaptedOPTForCausalLM(config)
        self.post_init()
        self.freeze()

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """Load what `save_pretrained` or `push_to_hub` wrote, frozen as a new one is.

        Arguments are those of transformers' `from_pretrained`. Pickled weights are not read.

        Raises:
            CaptionerError: If it is a checkpoint of another architecture, or incomplete.
            OSError: If there are no safetensors weights.
        """
        wants_report = kwargs.pop("output_loading_info", False)
        kwargs["use_safetensors"] = True
        loader: Any = super()
        model, report = loader.from_pretrained(*args, output_loading_info=True, **kwargs)
        if missing := sorted(report["missing_keys"]):
            # transformers fills what a file lacks with random numbers: captions would be made up.
            raise CaptionerError(
                f"{model.name_or_path}: the weights lack {len(missing)} tensors, such as"
                f" {missing[0]}",
                hint="a checkpoint that was written to the end; train or download it again",
            )
        model.freeze()
        return (model, report) if wants_report else model

    def freeze(self, *, train_encoder: bool = False, train_lm: bool = False) -> None:
        """Let the adapters learn, and of the rest what is asked for.

        A frozen part also stays in evaluation mode while the model trains. Dropout there would
        regularize nothing that learns; it would only blur what the adapters are to read, and an
        untrained model would no longer be the language model it is made of.
        """
        self.encoder.requires_grad_(train_encoder)
        self.language_model.requires_grad_(train_lm)
        for adapter in self.language_model.adapters():
            if adapter is not None:
                adapter.requires_grad_(True)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Go into training mode, but for what is frozen; or into evaluation mode."""
        super().train(mode)
        if mode:
            for part in (self.encoder, self.language_model):
                part.train(not _is_frozen(part))
            for adapter in self.language_model.adapters():
                if adapter is not None:
                    adapter.train()
        return self

    def activation_checkpointing_enable(  # type: ignore[override]  # the rest by name
        self, activation_checkpointing_kwargs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Recompute activations instead of keeping them, as transformers' own.

        Raises:
            ValueError: With `use_reentrant`: layers get the video by name, and that kind of
                checkpoint would lose the encoder's gradient without a word.
        """
        if (activation_checkpointing_kwargs or {}).get("use_reentrant"):
            raise ValueError("use_reentrant=True: this model needs use_reentrant=False")
        super().activation_checkpointing_enable(activation_checkpointing_kwargs, **kwargs)

    def get_input_embeddings(self) -> nn.Module:
        """Those of the language model."""
        embeddings: nn.Module = self.language_model.get_input_embeddings()
        return embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace those of the language model."""
        self.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        """Those of the language model, usually the input's own."""
        head: nn.Module = self.language_model.lm_head
        return head

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        """Replace those of the language model."""
        self.language_model.lm_head = new_embeddings

    def encode(self, pixel_values: Tensor, *, with_keys: bool = False) -> SeenVideo:
        """Look at videos once, for any number of texts about them.

        Args:
            pixel_values: `(B, T, 3, H, W)` float, normalized as the encoder expects. T and the
                size may differ from its configuration: time embeddings are stretched over the
                clip, so that one frame, an image, gets that of its middle.
            with_keys: Also what the adapters look up, which `generate` needs for every token.

        Raises:
            ValueError: If `pixel_values` has another number of axes.
        """
        learns = torch.is_grad_enabled() and not _is_frozen(self.encoder)
        with torch.set_grad_enabled(learns):
            hidden = self.encoder(pixel_values.to(self.encoder.dtype))
        return self._with_keys(SeenVideo(hidden)) if with_keys else SeenVideo(hidden)

    def _with_keys(self, video: SeenVideo) -> SeenVideo:
        return SeenVideo(
            video.hidden,
            tuple(
                None if adapter is None else adapter.attention.look_up(video.hidden)
                for adapter in self.language_model.adapters()
            ),
        )

    @can_return_tuple  # type: ignore[untyped-decorator]
    def forward(
        self,
        pixel_values: Tensor | None = None,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        *,
        video: SeenVideo | None = None,
        past_key_values: Any = None,
        position_ids: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Score texts about videos.

        Args:
            pixel_values: `(B, T, 3, H, W)`; see `encode`.
            input_ids: `(N, L)`, N a multiple of B; the texts of a video lie side by side.
            attention_mask: `(N, L)`, 0 where there is padding; with a cache, of all tokens.
            labels: `(N, L)`, as a rule `input_ids` itself: position i is scored at i - 1.
                -100, padding tokens and what the mask leaves out are no targets. A collator
                does well to write -100 itself, since the Trainer counts targets before this.
            video: What `encode` made, in place of `pixel_values`.
            past_key_values: The language model's cache.
            position_ids: `(N, L)`; None for counting what the mask lets through.
            use_cache: Whether to return a cache; not by default when there are labels, or in
                training.
            logits_to_keep: Only the last so many positions; 0 for all.
            num_items_in_batch: Targets of a whole step, for a mean over accumulated batches.
            **kwargs: Passed to the language model, such as `output_hidden_states`.

        Returns:
            loss (with labels), logits `(N, L, V)`, past_key_values, and what was asked for.

        Raises:
            ValueError: If there is no video, or N is no multiple of B.
        """
        video = self._see(pixel_values, video)
        if use_cache is None and (labels is not None or self.training):
            use_cache = False
        outputs = self.language_model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            position_ids=position_ids,
            use_cache=use_cache,
            logits_to_keep=logits_to_keep,
            video=video,
            **kwargs,
        )
        if labels is not None:
            outputs.loss = self.loss_function(
                logits=outputs.logits,
                labels=self._targets(labels, attention_mask),
                vocab_size=self.config.text_config.vocab_size,
                num_items_in_batch=num_items_in_batch,
            )
        return CausalLMOutputWithPast(**outputs)

    @torch.no_grad()
    def generate(  # type: ignore[override]  # pixels come first
        self,
        pixel_values: Tensor | None = None,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *,
        video: SeenVideo | None = None,
        **kwargs: Any,
    ) -> Any:
        """Write captions; the encoder runs once.

        Args:
            pixel_values: `(B, T, 3, H, W)`; see `encode`.
            input_ids: `(N, L)`, the beginning of each text, padded on the left; None for the
                token that OPT's texts begin with. The result repeats it.
            attention_mask: `(N, L)`, 0 where there is padding.
            video: What `encode` made, in place of `pixel_values`.
            **kwargs: Those of transformers' `generate`: beams, samples, lengths, `use_cache`.

        Returns:
            Token ids `(N * num_return_sequences, length)`, or what `return_dict_in_generate`
            asks for.

        Raises:
            ValueError: If there is no video, or N is no multiple of B.
        """
        video = self._see(pixel_values, video)
        settings = kwargs.get("generation_config") or self.generation_config
        if video.keys is None and kwargs.get("use_cache", settings.use_cache) is not False:
            video = self._with_keys(video)
        if input_ids is None:
            start = kwargs.get("bos_token_id", settings.bos_token_id)
            input_ids = torch.full((video.videos, 1), start, device=video.hidden.device)
        writer: Any = super()
        return writer.generate(input_ids, attention_mask=attention_mask, video=video, **kwargs)

    def _see(self, pixel_values: Tensor | None, video: SeenVideo | None) -> SeenVideo:
        if video is not None:
            return video
        if pixel_values is None:
            raise ValueError("no video: pass pixel_values, or the video that encode() made")
        return self.encode(pixel_values)

    def _targets(self, labels: Tensor, attention_mask: Tensor | None) -> Tensor:
        text = self.config.text_config
        if text.pad_token_id is not None and text.pad_token_id != text.eos_token_id:
            labels = labels.masked_fill(labels == text.pad_token_id, _IGNORED)
        if attention_mask is None:
            return labels
        return labels.masked_fill(attention_mask[:, -labels.shape[1] :] == 0, _IGNORED)


def _is_frozen(part: nn.Module) -> bool:
    own = (value for name, value in part.named_parameters() if ".adapter." not in name)
    return not any(value.requires_grad for value in own)
