"""Image processors and tokenizers: loaded with PIL, so that pixels are the same on any machine."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from pseudolabel.captioners.sources import ModelSource
from pseudolabel.errors import CaptionerError

# What processors read of their video side when they are given images only.
_NO_VIDEO = SimpleNamespace(num_frames=1, fps=1, size={}, model_input_names=[])


@dataclass(frozen=True, slots=True)
class Processors:
    """What turns frames and a prompt into a model's input, and tokens into text."""

    image: Any
    tokenizer: Any
    joint: Any | None  # takes images and text together; None for ViT-GPT2 and its like


def load_processors(source: ModelSource, *, trust_remote_code: bool) -> Processors:
    """Load what belongs to a model; works where torchvision is not installed.

    Raises:
        CaptionerError: If the files are not there, or cannot be read.
    """
    args = {**source.load_args, "trust_remote_code": trust_remote_code}
    try:
        return _load(source, args)
    except (ImportError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CaptionerError(
            f"--model {source.model}: its image processor or tokenizer does not load"
            f" ({type(error).__name__})",
            hint="save the processor next to the model: processor.save_pretrained(PATH)",
        ) from error


def _load(source: ModelSource, args: dict[str, Any]) -> Processors:
    import transformers
    from transformers.models.auto import processing_auto

    hf: Any = transformers  # its annotations are partial
    name = vars(processing_auto)["PROCESSOR_MAPPING_NAMES"].get(source.architecture)
    if name is None and "auto_map" not in source.config:
        return Processors(
            image=hf.AutoImageProcessor.from_pretrained(source.location, backend="pil", **args),
            tokenizer=hf.AutoTokenizer.from_pretrained(source.location, **args),
            joint=None,
        )
    try:
        joint = hf.AutoProcessor.from_pretrained(source.location, backend="pil", **args)
    except ImportError:
        if name is None:
            raise
        joint = _without_video(getattr(hf, name), source.location, args)
    return Processors(image=joint.image_processor, tokenizer=joint.tokenizer, joint=joint)


def _without_video(processor_class: Any, location: str, args: dict[str, Any]) -> Any:
    """A processor whose video side is left out: that side needs torchvision, images do not."""
    import transformers

    hf: Any = transformers

    class ImageOnly(processor_class):  # type: ignore[misc]  # a class known at run time
        def check_argument_for_proper_class(self, name: str, argument: Any) -> Any:
            if name == "video_processor":
                return type(argument)
            return super().check_argument_for_proper_class(name, argument)

        def __repr__(self) -> str:  # made while loading; the inherited one serializes every part
            return type(self).__name__

    ImageOnly.__name__ = processor_class.__name__
    parts = {
        "image_processor": hf.AutoImageProcessor.from_pretrained(location, backend="pil", **args),
        "tokenizer": hf.AutoTokenizer.from_pretrained(location, **args),
        "video_processor": _NO_VIDEO,
    }
    settings, _ = processor_class.get_processor_dict(location, **args)
    settings.setdefault("chat_template", parts["tokenizer"].chat_template)
    return ImageOnly.from_args_and_dict(
        [parts[name] for name in processor_class.get_attributes()], settings
    )
