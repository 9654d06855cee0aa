"""A trained video captioner before its weights: which files, where, and how it sees a clip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pseudolabel.captioners.devices import resolve_device, resolve_dtype
from pseudolabel.captioners.identity import ModelPlan, describe_decoding
from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.protocol import CaptionerIdentity
from pseudolabel.captioners.sources import VIDEO, VIDEO_ARCHITECTURE, find_source
from pseudolabel.errors import CaptionerError
from pseudolabel.videos.options import FrameOptions

_FRAMES = 8  # of a clip, where a checkpoint does not say


@dataclass(frozen=True, slots=True)
class VideoPlan:
    """Everything that is settled before weights are read."""

    model: ModelPlan
    wanted_frames: FrameOptions  # as it learned from: motion is seen in frames at even distances


def plan_video_model(options: CaptionOptions) -> VideoPlan:
    """Settle a video captioner, its device and number format, without loading weights.

    Args:
        options: Their model is `video:FOLDER` or `video:NAME[@revision]`.

    Raises:
        CaptionerError: If it does not exist, is another kind of model, or asks for a device that
            is not there; or if a prompt is given.
    """
    if options.prompt is not None:
        raise CaptionerError(
            f"--prompt {options.prompt!r} with --model {options.model}: a trained video captioner"
            " takes no prompt",
            hint="leave --prompt out: it writes as the captions that it learned from",
        )
    device = resolve_device(options.device)
    dtype = resolve_dtype(options.dtype, device)
    with named_as_typed():
        source = find_source(options.model.removeprefix(VIDEO))
        if source.architecture != VIDEO_ARCHITECTURE:
            raise CaptionerError(
                f"--model {source.model}: a checkpoint of {source.architecture or 'unnamed'!r},"
                f" not of {VIDEO_ARCHITECTURE!r}",
                hint=f"what `pseudolabel train` wrote; an image captioner is named without {VIDEO}",
            )
    identity = CaptionerIdentity(
        model=source.model,
        revision=source.revision,
        backend="video",
        architecture=source.architecture,
        prompt=None,
        decoding=describe_decoding(options),
        max_new_tokens=options.max_new_tokens,
        dtype=str(dtype).removeprefix("torch."),
    )
    frames = FrameOptions(count=int(source.config.get("clip_frames", _FRAMES)), snap="exact")
    return VideoPlan(ModelPlan(source, device, dtype, identity), frames)


@contextmanager
def named_as_typed() -> Iterator[None]:
    """Says `--model video:NAME` where finding or loading NAME fails.

    Raises:
        CaptionerError: With the same cause.
    """
    try:
        yield
    except CaptionerError as error:
        told, typed = "--model ", f"--model {VIDEO}"
        hint = error.hint and error.hint.replace(told, typed)
        raise CaptionerError(str(error).replace(told, typed), hint=hint) from error
