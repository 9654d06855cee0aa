"""A new video captioner, out of a trained encoder and a trained language model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoImageProcessor, OPTForCausalLM

from pseudolabel.captioners.hub import find_extra
from pseudolabel.captioners.refusals import asked_by
from pseudolabel.captioners.sources import ModelSource, find_source
from pseudolabel.captioners.video_model.config import VideoCaptionerConfig
from pseudolabel.captioners.video_model.encoder import VideoEncoder
from pseudolabel.captioners.video_model.model import VideoCaptioner
from pseudolabel.captioners.weights import load_weights, quiet_transformers
from pseudolabel.errors import CaptionerError

_PROCESSOR = "preprocessor_config.json"


def from_encoder_decoder(
    encoder: str,
    language_model: str,
    *,
    dtype: torch.dtype = torch.float32,
    **adapters: Any,
) -> VideoCaptioner:
    """Join two checkpoints by adapters that have learned nothing yet.

    It writes what the language model alone would write, until it is trained. Its configuration
    says where both came from, and how the encoder wants pixels scaled: as the image processor in
    its folder or repository says; without one, by TimeSformer's 0.45 and 0.225.

    Args:
        encoder: A TimeSformer, with or without a classifier: NAME[@revision] on the Hub, such as
            facebook/timesformer-base-finetuned-k400, or a folder. A folder of this very kind of
            checkpoint is none: load that with `VideoCaptioner.from_pretrained`.
        language_model: An OPT of any size, such as facebook/opt-350m, or a folder.
        dtype: The format of all weights; what learns wants float32.
        **adapters: As for `VideoCaptionerConfig`, such as `adapter_every`, or `image_mean`.

    Raises:
        CaptionerError: If one cannot be found or loaded, has pickled weights only, or is of
            another architecture; or if the encoder's image processor cannot be read.
        OptionError: If the adapters do not fit.
    """
    with asked_by("--encoder", "a TimeSformer"), quiet_transformers():
        seer, eyes = _load(encoder, VideoEncoder, "timesformer", dtype)
        scaling = _pixel_scaling(eyes)
    with asked_by("--language-model", "an OPT"), quiet_transformers():
        writer, pen = _load(language_model, OPTForCausalLM, "opt", dtype)
    config = VideoCaptionerConfig(
        vision_config=seer.config,
        text_config=writer.config,
        encoder_origin=f"{eyes.model}@{eyes.revision}",
        language_model_origin=f"{pen.model}@{pen.revision}",
        **{**scaling, **adapters},
    )
    model: Any = VideoCaptioner(config)
    model.to(dtype)
    model.encoder.load_state_dict(seer.state_dict())
    new = model.language_model.load_state_dict(writer.state_dict(), strict=False)
    assert all(".adapter." in name for name in new.missing_keys), "all but the adapters is there"
    assert not new.unexpected_keys, "an OPT has nothing that an OPT with adapters lacks"
    model.generation_config = writer.generation_config
    captioner: VideoCaptioner = model.eval()
    return captioner


def _load(name: str, kind: Any, architecture: str, dtype: torch.dtype) -> tuple[Any, ModelSource]:
    source = find_source(name)
    if source.architecture != architecture:
        raise CaptionerError(
            f"--model {source.model}: a checkpoint of {source.architecture or 'unnamed'!r},"
            f" not of {architecture!r}",
            hint="facebook/timesformer-base-finetuned-k400, or another TimeSformer"
            if architecture == "timesformer"
            else "facebook/opt-350m, or an OPT of another size",
        )
    return load_weights(kind, source, torch.device("cpu"), dtype), source


def _pixel_scaling(source: ModelSource) -> dict[str, Any]:
    """`image_mean` and `image_std` of the image processor beside a model; empty without one.

    Raises:
        CaptionerError: If it cannot be read, or the Hub cannot be asked for it.
    """
    if source.is_folder:
        found = Path(source.location, _PROCESSOR)
        if not found.is_file():
            return {}
    elif find_extra(source.location, _PROCESSOR, source.revision) is None:
        return {}
    auto: Any = AutoImageProcessor  # its annotations are partial
    try:
        processor = auto.from_pretrained(source.location, backend="pil", **source.load_args)
    except (ImportError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CaptionerError(
            f"--model {source.model}: its image processor does not load ({type(error).__name__})",
            hint=f"save it again, or remove {_PROCESSOR}: TimeSformer's own scaling is the default",
        ) from error
    if not processor.do_normalize:
        return {"image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    return {"image_mean": list(processor.image_mean), "image_std": list(processor.image_std)}
