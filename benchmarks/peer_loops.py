"""What people run today: a loop over frames, and batches of one video's keyframes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.blip import TOKENS, quiet


@dataclass(frozen=True, slots=True)
class Loop:
    """OpenCV, Pillow, the processor, `generate`; one frame at a time, in float32."""

    model: Any
    processor: Any

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Loop:
        """As the model's card says it."""
        return cls(*_loaded(folder, "float32", device))

    def caption(self, video: Path, choose: Callable[[int], Sequence[int]]) -> Iterator[str]:
        """The texts of some frames.

        Args:
            video: A file.
            choose: From the number of its frames to those that are captioned.
        """
        import cv2
        from PIL import Image

        capture = cv2.VideoCapture(str(video))
        for number in choose(int(capture.get(cv2.CAP_PROP_FRAME_COUNT))):
            capture.set(cv2.CAP_PROP_POS_FRAMES, number)
            pixels = capture.read()[1]
            image = Image.fromarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
            inputs = self.processor(images=image, return_tensors="pt").to(self.model.device)
            tokens = self.model.generate(**inputs, max_new_tokens=TOKENS)
            yield self.processor.decode(tokens[0], skip_special_tokens=True)
        capture.release()


@dataclass(frozen=True, slots=True)
class VideoByVideo:
    """All keyframes of a video in one batch: the recipe of data-juicer's operator.

    Written from what the documentation of `video_captioning_from_frames_mapper` says, with its
    defaults: every keyframe, one text a frame, the texts of a video joined. Its decoding, which
    samples up to 128 tokens, is not taken over: all here choose the likeliest, 20 tokens long.
    """

    model: Any
    processor: Any

    @classmethod
    def load(cls, folder: Path, dtype: str = "float32", device: str = "cpu") -> VideoByVideo:
        """In the format of the weights, float32, unless said otherwise."""
        return cls(*_loaded(folder, dtype, device))

    def caption(self, video: Path) -> str:
        """The texts of all keyframes, as one."""
        import av

        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            stream.codec_context.skip_frame = "NONKEY"
            frames: Iterator[Any] = container.decode(stream)
            images = [frame.to_image() for frame in frames]
        inputs = self.processor(images=images, return_tensors="pt")
        inputs = inputs.to(self.model.device, self.model.dtype)
        tokens = self.model.generate(**inputs, max_new_tokens=TOKENS)
        return ". ".join(self.processor.batch_decode(tokens, skip_special_tokens=True))


def _loaded(folder: Path, dtype: str, device: str) -> tuple[Any, Any]:
    import torch
    from transformers import BlipForConditionalGeneration, BlipProcessor

    quiet()
    model: Any = BlipForConditionalGeneration.from_pretrained(folder, dtype=getattr(torch, dtype))
    return model.to(device).eval(), BlipProcessor.from_pretrained(folder)
