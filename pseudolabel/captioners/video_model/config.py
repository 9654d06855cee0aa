"""What a video captioner is made of."""

# mypy: allow-untyped-calls

from __future__ import annotations

from typing import Any, ClassVar

from transformers import OPTConfig, PreTrainedConfig, TimesformerConfig

from pseudolabel.captioners.sources import VIDEO_ARCHITECTURE
from pseudolabel.errors import CaptionerError, OptionError

_ATTENTION_TYPES = ("divided_space_time", "joint_space_time", "space_only")
_FITS = ("stretch", "crop")
_MEAN, _STD = 0.45, 0.225  # of all three colors, in 0..1: TimeSformer's


class VideoCaptionerConfig(PreTrainedConfig):
    """A TimeSformer, an OPT, and the adapters between them; keyword arguments only.

    The number of frames and the size of a picture that it was made for are the encoder's:
    `vision_config.num_frames`, `vision_config.image_size`. It takes others, too.

    Args:
        vision_config: The encoder's `TimesformerConfig`, or a dict of it.
        text_config: The language model's `OPTConfig`, or a dict of it.
        adapter_every: An adapter stands before layers 0, N, 2N, ... of the language model.
        adapter_size: Width of an adapter's attention; None for that of the language model.
        adapter_ffn_size: Width inside an adapter's feed-forward; None for the language model's.
        encoder_origin: Where the encoder's first weights came from, as NAME@COMMIT.
        language_model_origin: The same of the language model.
        image_mean: Of pixels in 0..1, by color, as the encoder expects them; see `normalized`.
        image_std: Their standard deviation.
        clip_frames: How many frames of a clip it learned from: what it is shown by default.
        clip_size: Of the square pictures that it learned from, in pixels; None for the encoder's.
        clip_fit: How they became square: "stretch" or "crop".

    Raises:
        OptionError: If the adapters do not fit the language model, the encoder's kind of
            attention is not one of TimeSformer's, or pictures cannot be shown like that.
    """

    model_type = VIDEO_ARCHITECTURE
    # transformers looks for the parts of a model that sees and writes under these two names.
    sub_configs_defaults: ClassVar[dict[str, Any]] = {
        "vision_config": TimesformerConfig,
        "text_config": OPTConfig,
    }
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values"]

    vision_config: Any = None
    text_config: Any = None
    adapter_every: int = 1
    adapter_size: int | None = None
    adapter_ffn_size: int | None = None
    encoder_origin: str | None = None
    language_model_origin: str | None = None
    image_mean: Any = None
    image_std: Any = None
    clip_frames: int = 8
    clip_size: int | None = None
    clip_fit: str = "stretch"

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        text = self.text_config
        self.adapter_size = self.adapter_size or text.hidden_size
        self.adapter_ffn_size = self.adapter_ffn_size or text.ffn_dim
        self.clip_size = self.clip_size or self.vision_config.image_size
        self.image_mean = _by_color("image_mean", self.image_mean, _MEAN)
        self.image_std = _by_color("image_std", self.image_std, _STD)
        if not 1 <= self.adapter_every <= text.num_hidden_layers:
            raise OptionError(
                f"--adapter-every {self.adapter_every}:"
                f" the language model has {text.num_hidden_layers} layers",
                hint=f"1 to {text.num_hidden_layers}; 1 puts an adapter before each",
            )
        if self.adapter_size % text.num_attention_heads:
            raise OptionError(
                f"adapter_size {self.adapter_size}: not a multiple of the language model's"
                f" {text.num_attention_heads} attention heads",
                hint=f"such as {text.hidden_size}, the language model's own width",
            )
        if self.vision_config.attention_type not in _ATTENTION_TYPES:
            raise OptionError(
                f"attention_type {self.vision_config.attention_type!r}: not one of TimeSformer's",
                hint=", ".join(_ATTENTION_TYPES),
            )
        if self.clip_frames < 1 or self.clip_fit not in _FITS or min(self.image_std) <= 0:
            raise OptionError(
                f"clip_frames {self.clip_frames}, clip_fit {self.clip_fit!r}, image_std"
                f" {self.image_std}: no way to show a clip",
                hint=f"1 frame or more; one of: {', '.join(_FITS)}; above 0",
            )

    @classmethod
    def get_config_dict(cls, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The saved configuration, and the arguments left over.

        Raises:
            CaptionerError: If it is another architecture's: transformers would warn, and fill
                the model with random weights.
        """
        found, rest = super().get_config_dict(*args, **kwargs)
        kind = found.get("model_type")
        if kind != cls.model_type:
            raise CaptionerError(
                f"{args[0] if args else kwargs.get('pretrained_model_name_or_path')}:"
                f" a checkpoint of {kind or 'unnamed'!r}, not of {cls.model_type!r}",
                hint="a folder that `pseudolabel train` wrote",
            )
        return found, rest


def _by_color(name: str, values: Any, default: float) -> list[float]:
    found = [default] * 3 if values is None else [float(value) for value in values]
    if len(found) != 3:
        raise OptionError(f"{name} {values}: must be three numbers, of red, green and blue")
    return found
