"""A transformers captioner before its weights: which files, where, how; refused early."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pseudolabel.captioners.devices import resolve_device, resolve_dtype
from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.prompts import resolve_prompt
from pseudolabel.captioners.protocol import CaptionerIdentity
from pseudolabel.captioners.sources import (
    DEMO,
    VIDEO,
    VIDEO_ARCHITECTURE,
    ModelSource,
    find_source,
)
from pseudolabel.errors import CaptionerError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """Everything that is settled before weights are read."""

    source: ModelSource
    device: torch.device
    dtype: torch.dtype
    identity: CaptionerIdentity


def plan_model(options: CaptionOptions) -> ModelPlan:
    """Settle a transformers model, its device and number format, without loading weights.

    Raises:
        CaptionerError: If it does not exist, does not turn images into text, brings its own
            code without leave to run it, or asks for a device that is not there.
    """
    device = resolve_device(options.device)
    dtype = resolve_dtype(options.dtype, device, is_demo=options.model == DEMO)
    source = find_source(options.model)
    _check_architecture(source, trust_remote_code=options.trust_remote_code)
    identity = CaptionerIdentity(
        model=source.model,
        revision=source.revision,
        backend="transformers",
        architecture=source.architecture,
        prompt=resolve_prompt(source.architecture, options.prompt),
        decoding=describe_decoding(options),
        max_new_tokens=options.max_new_tokens,
        dtype=str(dtype).removeprefix("torch."),
    )
    return ModelPlan(source, device, dtype, identity)


def describe_decoding(options: CaptionOptions) -> str:
    """How texts are found, in words that a manifest keeps: `greedy`, `beams=3`, `samples=5 ...`."""
    if options.is_sampling:
        return (
            f"samples={options.samples} top_p={options.top_p:g}"
            f" temperature={options.temperature:g} seed={options.seed}"
        )
    return f"beams={options.beams}" if options.beams > 1 else "greedy"


def _check_architecture(source: ModelSource, *, trust_remote_code: bool) -> None:
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as KNOWN,
    )

    if source.architecture in KNOWN:
        return
    brings_code = "auto_map" in source.config
    if brings_code and trust_remote_code:
        return
    what = f"--model {source.model}: "
    if source.architecture == VIDEO_ARCHITECTURE:
        raise CaptionerError(
            f"{what}captions videos, not images", hint=f"--model {VIDEO}{source.model}"
        )
    if brings_code:
        raise CaptionerError(
            f"{what}its code comes with its weights, and would run on this machine",
            hint="read that code, then --trust-remote-code",
        )
    raise CaptionerError(
        f"{what}architecture {source.architecture or 'unnamed'!r} does not turn images into text",
        hint="BLIP, BLIP-2, GIT, ViT-GPT2, Florence-2, SmolVLM, Qwen-VL, PaliGemma and their like",
    )
