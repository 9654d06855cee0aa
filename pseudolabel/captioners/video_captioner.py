"""Captioners of whole clips: what `pseudolabel train` made, in the ordinary pipeline."""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pseudolabel.captioners.answers import Answer, check_some_worked
from pseudolabel.captioners.batching import BatchSizer
from pseudolabel.captioners.decoding import settle_decoding
from pseudolabel.captioners.generating import Generator
from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.preparing import CopyingAhead, Prepared
from pseudolabel.captioners.protocol import CaptionerIdentity
from pseudolabel.captioners.sources import ModelSource
from pseudolabel.captioners.video_plan import VideoPlan, named_as_typed, plan_video_model
from pseudolabel.captioners.weights import load_weights, quiet_transformers
from pseudolabel.captioners.written import FAILURES, answered
from pseudolabel.errors import CaptionerError
from pseudolabel.records import Frame, FrameSize
from pseudolabel.videos.options import FrameOptions

if TYPE_CHECKING:
    import torch

Places = range  # of the frames of one clip, among those of a call

_MOST_CLIPS = 64  # at a time: some 500 frames, of which two batches wait in memory


class VideoModelCaptioner:
    """A trained video captioner and its tokenizer, one text a clip; use `load`.

    It is a `ClipCaptioner`: frames come clip by clip. A clip may have more or fewer frames than
    others, as where one does not decode; it is captioned from those it has.
    """

    def __init__(
        self, plan: VideoPlan, options: CaptionOptions, model: Any, tokenizer: Any
    ) -> None:
        model.generation_config.eos_token_id = tokenizer.eos_token_id  # so end the texts it learned
        tokens = settle_decoding(model, tokenizer, options)
        self._plan, self._config = plan.model, model.config
        self._begins_with: int = tokenizer.bos_token_id
        self._sizer = BatchSizer.for_device(
            plan.model.device, options.batch_size, item="clip", most=_MOST_CLIPS
        )
        self._copying = CopyingAhead(plan.model.device)
        self.generator = Generator(model, tokenizer, tokens, options, self._copying)
        self._has_worked = False
        self.wanted_frames: FrameOptions = plan.wanted_frames
        self.times = self.generator.times

    @classmethod
    def load(cls, options: CaptionOptions) -> VideoModelCaptioner:
        """Find and load the model that these options name.

        Raises:
            CaptionerError: If it cannot be found or loaded, or cannot be used here.
        """
        from pseudolabel.captioners.video_model.model import VideoCaptioner

        plan = plan_video_model(options)
        found = plan.model
        with quiet_transformers(), named_as_typed():
            tokenizer = _load_tokenizer(found.source)
            model = load_weights(VideoCaptioner, found.source, found.device, found.dtype)
            return cls(plan, options, model, tokenizer)

    @property
    def identity(self) -> CaptionerIdentity:
        """Who it is, for the run's manifest."""
        return self._plan.identity

    @property
    def frame_size(self) -> FrameSize:
        """The square that it learned from: of the whole picture, or of its middle."""
        side, fit = self._config.clip_size, self._config.clip_fit
        return FrameSize(side, side, "stretch" if fit == "stretch" else "cover")

    @property
    def batch_size(self) -> int:
        """How many clips it would like next; grows on a GPU, halves when memory runs out."""
        return self._sizer.size

    @property
    def largest_batch(self) -> int:
        """What the batch size may grow to."""
        return self._sizer.limit

    def prepare(self, frames: Sequence[Frame]) -> Prepared | None:
        """Stack frames, and begin to copy them to the device; may run beside `caption`.

        What fails here fails once more in `caption`, which knows what to do about it.
        """
        try:
            return self._copying.start(self._stacked(frames, self._copying.empty))
        except (*FAILURES, MemoryError):
            return None

    def caption(self, frames: Sequence[Frame], prepared: Prepared | None = None) -> list[Answer]:
        """Caption clips: an answer a frame, the same for all frames of a clip.

        A clip that the model cannot take gets a `Refusal`; its neighbours do not notice.

        Args:
            frames: Of any number of clips, each one's side by side and in time order.
            prepared: What `prepare` gave for just these frames.

        Raises:
            CaptionerError: If one clip alone does not fit into memory, the device failed, or the
                very first clips all fail.
        """

        def answers_of(clips: Sequence[Places]) -> list[Answer]:
            return answered(clips, lambda some: self._generate(frames, some, prepared))

        found: dict[Places, Answer] = {}
        with quiet_transformers():
            for _, alike in groupby(sorted(_clips(frames), key=len), key=len):
                clips = list(alike)  # a batch is of clips of one length
                found |= zip(clips, self._sizer.run(clips, answers_of), strict=True)
        self._has_worked = check_some_worked(
            list(found.values()), has_worked=self._has_worked, model=self.identity.model
        )
        return [found[clip] for clip in _clips(frames) for _ in clip]

    def close(self) -> None:
        """Drop the model, and give its memory back."""
        self.generator.close()

    def _generate(
        self, frames: Sequence[Frame], clips: Sequence[Places], prepared: Prepared | None
    ) -> list[Answer]:
        import torch

        from pseudolabel.captioners.video_model.pixels import normalized

        def inputs() -> dict[str, Any]:
            start = torch.full((len(clips), 1), self._begins_with, device=self._plan.device)
            values = normalized(self._pixels(frames, clips, prepared), self._config)
            return {"pixel_values": values, "input_ids": start}

        return self.generator.answers([frames[clip[0]] for clip in clips], inputs)

    def _pixels(
        self, frames: Sequence[Frame], clips: Sequence[Places], prepared: Prepared | None
    ) -> torch.Tensor:
        """Of clips of one length: uint8 `(B, T, H, W, 3)` on the device."""
        import torch

        places = [at for clip in clips for at in clip]
        if prepared is None:
            stacked = self._stacked([frames[at] for at in places], self._copying.empty)
            pixels = stacked.to(self._plan.device)
        else:
            pixels = prepared.rows(0, len(frames))
            pixels = pixels[torch.tensor(places, device=pixels.device)]
        return pixels.view(len(clips), -1, *pixels.shape[1:])

    def _stacked(
        self, frames: Sequence[Frame], empty: Callable[[tuple[int, ...]], torch.Tensor]
    ) -> torch.Tensor:
        """Bytes of frames, all of the size that the model wants: `(N, S, S, 3)`."""
        side = self._config.clip_size
        stacked = empty((len(frames), side, side, 3))
        np.stack([_middle(frame.pixels, side) for frame in frames], out=stacked.numpy())
        return stacked


def _clips(frames: Sequence[Frame]) -> list[Places]:
    """Where the clips of frames lie, in order."""
    if not frames:
        return []
    ends = [at for at in range(1, len(frames)) if not _goes_on(frames[at - 1], frames[at])]
    return [range(start, end) for start, end in pairwise([0, *ends, len(frames)])]


def _goes_on(one: Frame, other: Frame) -> bool:
    """Whether a frame is of the clip of the one before; a clip may come twice in a row."""
    of_one, of_other = ((frame.video_id, frame.clip_index) for frame in (one, other))
    return of_one == of_other and one.position < other.position


def _middle(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The square in the middle: all of a stretched frame, and of a covering one what is seen."""
    top, left = (max(0, length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def _load_tokenizer(source: ModelSource) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(source.location, **source.load_args)
    except (ImportError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CaptionerError(
            f"--model {source.model}: its tokenizer does not load ({type(error).__name__})",
            hint="the folder that pseudolabel train ended with, not a checkpoint inside it",
        ) from error
    if tokenizer.bos_token_id is None:
        raise CaptionerError(
            f"--model {source.model}: its tokenizer has no token that a text begins with",
            hint="the tokenizer of the language model that it was trained with",
        )
    return tokenizer
