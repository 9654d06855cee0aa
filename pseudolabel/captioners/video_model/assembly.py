"""A new video captioner, out of a trained encoder and a trained language model."""

from __future__ import annotations

from typing import Any

import torch
from transformers import OPTForCausalLM

from pseudolabel.captioners.refusals import asked_by
from pseudolabel.captioners.sources import ModelSource, find_source
from pseudolabel.captioners.video_model.config import VideoCaptionerConfig
from pseudolabel.captioners.video_model.encoder import VideoEncoder
from pseudolabel.captioners.video_model.model import VideoCaptioner
from pseudolabel.captioners.weights import load_weights, quiet_transformers
from pseudolabel.errors import CaptionerError


def from_encoder_decoder(
    encoder: str,
    language_model: str,
    *,
    dtype: torch.dtype = torch.float32,
    **adapters: Any,
) -> VideoCaptioner:
    """Join two checkpoints by adapters that have learned nothing yet.

    It writes what the language model alone would write, until it is trained. Its configuration
    says where both came from.

    Args:
        encoder: A TimeSformer, with or without a classifier: NAME[@revision] on the Hub, such as
            facebook/timesformer-base-finetuned-k400, or a folder. A folder of this very kind of
            checkpoint is none: load that with `VideoCaptioner.from_pretrained`.
        language_model: An OPT of any size, such as facebook/opt-350m, or a folder.
        dtype: The format of all weights; what learns wants float32.
        **adapters: As for `VideoCaptionerConfig`, such as `adapter_every`.

    Raises:
        CaptionerError: If one cannot be found or loaded, has pickled weights only, or is of
            another architecture.
        OptionError: If the adapters do not fit.
    """
    with asked_by("--encoder", "a TimeSformer"), quiet_transformers():
        seer, eyes = _load(encoder, VideoEncoder, "timesformer", dtype)
    with asked_by("--language-model", "an OPT"), quiet_transformers():
        writer, pen = _load(language_model, OPTForCausalLM, "opt", dtype)
    config = VideoCaptionerConfig(
        vision_config=seer.config,
        text_config=writer.config,
        encoder_origin=f"{eyes.model}@{eyes.revision}",
        language_model_origin=f"{pen.model}@{pen.revision}",
        **adapters,
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
