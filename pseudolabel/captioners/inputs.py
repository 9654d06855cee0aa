"""A batch of frames and the prompt, to the tensors that `generate` takes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pseudolabel.captioners.decoding import SpecialTokens
from pseudolabel.captioners.pixels import PixelScaler, frame_size_of
from pseudolabel.captioners.processors import Processors
from pseudolabel.captioners.prompts import CONTINUES_PROMPT
from pseudolabel.records import FrameSize

if TYPE_CHECKING:
    import torch

    Tensors = dict[str, torch.Tensor]


class InputBuilder:
    """Builds model inputs for one prompt, which every frame shares.

    Where the model sees every frame at one size, the text side is the same for all: made once,
    and repeated. Where it adapts to the frame, as chat models do, its processor sees each batch.

    Args:
        architecture: `model_type` of the model's configuration.
        processors: What the model came with.
        prompt: The resolved prompt.
        tokens: How the decoder starts.
        device: Where the tensors go.
        dtype: The format of floating-point ones.
    """

    def __init__(
        self,
        architecture: str,
        processors: Processors,
        prompt: str | None,
        tokens: SpecialTokens,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.frame_size: FrameSize = frame_size_of(processors.image)
        self._architecture = architecture
        self._processors = processors
        self._device, self._dtype = device, dtype
        self._scaler = PixelScaler.of(processors.image)
        self._start = tokens.start
        if architecture not in CONTINUES_PROMPT:
            processors.tokenizer.padding_side = "left"  # rows must end where writing begins
            self._question = self._phrase(prompt)
        self._text = self._fixed_text(prompt)

    def __call__(
        self, frames: Sequence[NDArray[np.uint8]], stacked: torch.Tensor | None = None
    ) -> Tensors:
        """Inputs for frames `(H, W, 3)` uint8, on the device; one row a frame.

        Args:
            frames: The frames.
            stacked: What `stack` made of them, on any device.

        Raises:
            ValueError: If the processor cannot take a frame (others of its kinds pass through).
        """
        if self._text is None:
            inputs = self._processed(frames)
        else:
            inputs = {name: value.repeat(len(frames), 1) for name, value in self._text.items()}
            if stacked is not None and self._scaler is not None:
                pixels = self._scaler.scaled(stacked, self._device, self._dtype)
            else:
                pixels = self._pixels(frames)
            inputs["pixel_values"] = pixels
        return {name: self._placed(value) for name, value in inputs.items()}

    def stack(
        self,
        frames: Sequence[NDArray[np.uint8]],
        empty: Callable[[tuple[int, ...]], torch.Tensor],
    ) -> torch.Tensor | None:
        """The frames' bytes, all that has to travel; None where a processor must see frames.

        It uses no processor and no tokenizer, so that it may run beside a call.

        Args:
            frames: `(H, W, 3)` uint8.
            empty: Gives uint8 memory of a shape on the CPU, to be filled.
        """
        scaler = self._scaler
        if self._text is None or scaler is None or not all(map(scaler.fits, frames)):
            return None
        return scaler.stack(frames, empty(scaler.stacked_shape(len(frames))))

    def _placed(self, value: torch.Tensor) -> torch.Tensor:
        return value.to(self._device, self._dtype if value.is_floating_point() else None)

    def _pixels(self, frames: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        """Scaled frames, in order; each by the way that its own size calls for."""
        import torch

        scaler = self._scaler
        ready = [scaler is not None and scaler.fits(pixels) for pixels in frames]
        if scaler is not None and all(ready):
            return scaler(frames, self._device, self._dtype)
        rows: list[torch.Tensor] = []
        for pixels, is_ready in zip(frames, ready, strict=True):
            if scaler is not None and is_ready:
                rows.append(scaler([pixels], self._device, self._dtype))
            else:
                image = self._processors.image(_images([pixels]), return_tensors="pt")
                rows.append(self._placed(image["pixel_values"]))
        return torch.cat(rows)

    def _fixed_text(self, prompt: str | None) -> Tensors | None:
        """The text side of one row, where it does not depend on the frame; else None."""
        if self._architecture in CONTINUES_PROMPT:
            return self._beginning(prompt)
        if self._scaler is None:
            return None
        side = self.frame_size.height
        trial = self._processed([np.zeros((side, self.frame_size.width, 3), np.uint8)])
        if trial.pop("pixel_values").shape[1:] != (3, *self._scaler.crop):
            return None  # it tiles, or packs
        return trial if all(value.ndim == 2 for value in trial.values()) else None

    def _beginning(self, prompt: str | None) -> Tensors:
        """Tokens of a caption's beginning, `(1, length)`, in the form its model takes."""
        import torch

        if prompt is None:
            return self._decoder_start([])
        tokenizer = self._processors.tokenizer
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        if self._architecture == "vision-encoder-decoder":
            return self._decoder_start(ids)
        # BLIP replaces the first token by its own, and drops the last.
        last = [tokenizer.sep_token_id] if self._architecture == "blip" else []
        row = torch.tensor([[tokenizer.cls_token_id, *ids, *last]])
        return {"input_ids": row, "attention_mask": torch.ones_like(row)}

    def _decoder_start(self, ids: list[int]) -> Tensors:
        """Given where it is more than the one token that `generate` starts with by itself."""
        import torch

        row = [*self._start, *ids]
        return {"decoder_input_ids": torch.tensor([row])} if len(row) > 1 else {}

    def _phrase(self, prompt: str | None) -> str:
        """The prompt as the processor wants it: in a chat's form, or with an image's place."""
        joint, text = self._processors.joint, prompt or ""
        if self._architecture == "paligemma":
            return text if "<image>" in text else f"<image>{text}"
        if getattr(joint, "chat_template", None) is None:
            return text
        message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}
        phrase: str = joint.apply_chat_template(  # type: ignore[union-attr]  # it has a template
            [message], add_generation_prompt=True, tokenize=False
        )
        return phrase

    def _processed(self, frames: Sequence[NDArray[np.uint8]]) -> Tensors:
        """What the model's own processor makes of frames and the prompt."""
        joint = self._processors.joint
        assert joint is not None, "an architecture without a joint processor has a fixed text side"
        images = _images(frames)
        is_chat = getattr(joint, "chat_template", None) is not None
        with warnings.catch_warnings():
            # PaliGemma's processor makes an array of a tensor: harmless, and not ours to change.
            warnings.filterwarnings("ignore", "__array__ impl", DeprecationWarning)
            made = joint(
                # Nested: each text has its one image.
                images=[[image] for image in images] if is_chat else images,
                text=[self._question] * len(frames),
                return_tensors="pt",
                padding=True,
            )
        inputs = {name: value for name, value in made.items() if name != "labels"}
        start = self._decoder_start([])
        return inputs | {name: row.repeat(len(frames), 1) for name, row in start.items()}


def _images(frames: Sequence[NDArray[np.uint8]]) -> list[Any]:
    from PIL import Image

    # PIL images, since processors guess which axis of an array is the color.
    return [Image.fromarray(pixels) for pixels in frames]
