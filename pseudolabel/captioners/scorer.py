"""The image-text scorer: how well a text fits a frame, as the cosine of two unit vectors.

Models of CLIP's and SigLIP's kind embed frames and texts in one space. The similarity of a frame
and a text is the dot product of their vectors, from -1 to 1: the raw cosine, with no logit scale
or bias, so that it is comparable within a model and never between two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pseudolabel.captioners.batching import BatchSizer, release_memory
from pseudolabel.captioners.devices import resolve_device, resolve_dtype
from pseudolabel.captioners.options import CaptionOptions, DType
from pseudolabel.captioners.pixels import PixelScaler, frame_size_of
from pseudolabel.captioners.processors import Processors, load_processors
from pseudolabel.captioners.refusals import asked_by
from pseudolabel.captioners.sources import DEMO, ModelSource, find_source
from pseudolabel.captioners.text_vectors import (
    Tensors,
    TextTokens,
    TextVectors,
    check_tokenizer,
    check_working,
    longest_text,
    run_batches,
)
from pseudolabel.captioners.weights import load_weights, quiet_transformers
from pseudolabel.errors import CaptionerError
from pseudolabel.records import FrameSize

if TYPE_CHECKING:
    import torch

DEMO_SCORER_FOLDER = Path(__file__).parent.parent / "demo" / "scorer"
FLAG = "--scorer"
KINDS = ("clip", "siglip", "siglip2", "chinese_clip", "altclip", "metaclip_2")
_FILLS = ("siglip", "siglip2")  # trained on texts padded to one length, without a mask


@dataclass(frozen=True, slots=True)
class ScorerIdentity:
    """Who made the scores: everything that can change one."""

    model: str  # Hub name, path, or "demo"
    revision: str  # commit hash; for a folder a hash of its files
    architecture: str  # config.model_type, such as "clip"
    dtype: str  # resolved: never "auto"


class Scorer:
    """Embeds frames and texts in one space; use `load_scorer`."""

    def __init__(
        self,
        identity: ScorerIdentity,
        model: Any,
        image_processor: Any,
        tokenizer: Any,
        device: torch.device,
        batch_size: int | None,
    ) -> None:
        self.identity = identity
        self.frame_size: FrameSize = frame_size_of(image_processor)
        self._model, self._image_processor = model, image_processor
        self._device, self._dtype = device, model.dtype
        self._scaler = PixelScaler.of(image_processor)
        self._sizer = BatchSizer.for_device(device, batch_size)
        self._named = f"{FLAG} {identity.model}"
        longest = longest_text(tokenizer, model.text_model)
        self._tokens = TextTokens(tokenizer, longest, fills=identity.architecture in _FILLS)
        self._texts = TextVectors(
            self._tokens, self._embed_texts, device, batch_size, named=self._named
        )
        self.dimensions = 0
        check_working(self._named, self._try)

    def images(self, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Unit vectors `(N, D)`, in order, of RGB frames `(H, W, 3)` of any sizes.

        Frames of `frame_size`, as the decoder makes them, need no more scaling. In float32 a
        vector does not depend on the batch that it was computed in, but for rounding (1e-6).

        Raises:
            CaptionerError: If one frame alone does not fit into memory, or the model's numbers
                are not finite.
        """
        import torch

        if not len(frames):
            return np.zeros((0, self.dimensions), np.float32)
        with quiet_transformers(), torch.inference_mode():
            vectors = run_batches(
                self._sizer, frames, self._embed_images, named=self._named, item="frame"
            )
        return np.stack(vectors)

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors `(N, D)`, in order, of texts; the latest ones are remembered.

        A text longer than the model takes is cut: `is_cut` says which.

        Raises:
            CaptionerError: As `images`.
        """
        if not len(texts):
            return np.zeros((0, self.dimensions), np.float32)
        return self._texts(texts)

    def is_cut(self, text: str) -> bool:
        """Whether a text is longer than the model takes, so that its end does not count."""
        return self._tokens.is_cut(text)

    def close(self) -> None:
        """Drop the model, and give its memory back."""
        self._model = None
        release_memory()

    def _try(self) -> None:
        self.dimensions = self.texts([""]).shape[1]
        self.images([np.zeros((self.frame_size.height, self.frame_size.width, 3), np.uint8)])

    def _embed_texts(self, tensors: Tensors) -> torch.Tensor:
        vectors: torch.Tensor = self._model.get_text_features(**tensors).pooler_output
        return vectors

    def _embed_images(self, frames: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        vectors: torch.Tensor = self._model.get_image_features(**self._pixels(frames)).pooler_output
        return vectors

    def _pixels(self, frames: Sequence[NDArray[np.uint8]]) -> Tensors:
        """What the model takes of frames, each made in the way that its own size calls for."""
        import torch

        scaler = self._scaler
        if scaler is not None and all(scaler.fits(pixels) for pixels in frames):
            return {"pixel_values": scaler(frames, self._device, self._dtype)}
        rows = [self._one_frame(pixels) for pixels in frames]
        return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}

    def _one_frame(self, pixels: NDArray[np.uint8]) -> Tensors:
        from PIL import Image

        if self._scaler is not None and self._scaler.fits(pixels):
            return {"pixel_values": self._scaler([pixels], self._device, self._dtype)}
        # A PIL image, since processors guess which axis of an array is the color.
        made = self._image_processor(Image.fromarray(pixels), return_tensors="pt")
        return {
            name: value.to(self._device, self._dtype if value.is_floating_point() else None)
            for name, value in made.items()
        }


def load_scorer(
    name: str, *, device: str = "auto", dtype: DType = "auto", batch_size: int | None = None
) -> Scorer:
    """The image-text model of that name, ready to score; `close` it when done.

    Args:
        name: NAME[@revision] on the Hub, a folder, or "demo" for the scorer that ships.
        device: "auto" (CUDA, MPS, then the CPU), "cpu", "cuda", "cuda:1" or "mps".
        dtype: "auto" is bfloat16 where the device has it natively, else float32; the demo's is
            float32.
        batch_size: Frames, and texts, at a time; None for what suits the device. It is halved
            where memory ends.

    Raises:
        CaptionerError: If it cannot be found or loaded, cannot be used here, or is no model of
            CLIP's or SigLIP's kind.
        OptionError: If `dtype` or `batch_size` is not allowed.
    """
    import transformers

    with asked_by(FLAG, "an image-text model"), quiet_transformers():
        CaptionOptions(device=device, dtype=dtype, batch_size=batch_size)  # checks
        place = resolve_device(device)
        format_ = resolve_dtype(dtype, place, is_demo=name == DEMO)
        source = _find(name)
        _check_architecture(source)
        processors = _load_processors(source)
        model = load_weights(transformers.AutoModel, source, place, format_)
        identity = ScorerIdentity(
            model=source.model,
            revision=source.revision,
            architecture=source.architecture,
            dtype=str(format_).removeprefix("torch."),
        )
    return Scorer(identity, model, processors.image, processors.tokenizer, place, batch_size)


def _find(name: str) -> ModelSource:
    if name == DEMO:
        return replace(find_source(str(DEMO_SCORER_FOLDER)), model=DEMO)
    return find_source(name)


def _load_processors(source: ModelSource) -> Processors:
    named = f"{FLAG} {source.model}"
    try:
        processors = load_processors(source, trust_remote_code=False)
    except CaptionerError as error:
        if not isinstance(error.__cause__, ImportError):
            raise
        raise CaptionerError(
            f"{named}: its tokenizer needs packages that are not installed",
            hint="pip install sentencepiece protobuf",
        ) from error
    check_tokenizer(processors.tokenizer, named)
    return processors


def _check_architecture(source: ModelSource) -> None:
    if source.architecture not in KINDS:
        raise CaptionerError(
            f"{FLAG} {source.model}: architecture {source.architecture or 'unnamed'!r} does not"
            " compare images with texts",
            hint="CLIP, SigLIP and their like, such as openai/clip-vit-base-patch32, or demo",
        )
