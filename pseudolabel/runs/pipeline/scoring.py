"""Scores while the frames are in memory: how like its pictures each text is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pseudolabel.captioners.text_vectors import KEPT_TEXTS
from pseudolabel.records import Caption, CaptionedClip, Frame, FrameSize
from pseudolabel.runs.floor import Pair, Vectors
from pseudolabel.runs.pipeline.assembly import CaptionedVideo

if TYPE_CHECKING:
    from pseudolabel.captioners.scorer import Scorer

_DIGITS = 4  # of a similarity; what lies beyond depends on the batch


class FrameScorer:
    """Embeds each frame once, each text once, and compares within a clip.

    Args:
        scorer: The image-text model.
        frame_size: The size that the frames have, which is the captioner's.
    """

    def __init__(self, scorer: Scorer, frame_size: FrameSize) -> None:
        self._scorer = scorer
        self._is_stretched = frame_size.fit == "stretch"
        self._is_cut = lru_cache(KEPT_TEXTS)(scorer.is_cut)

    def pictures(self, frames: Sequence[Frame], shown: Sequence[tuple[int, int]]) -> Vectors:
        """Unit vectors of frames, `(N, D)`.

        Args:
            frames: Of any videos.
            shown: `(width, height)` of each one's video, so that a stretched frame gets its
                aspect back.
        """
        fitted = [self._fitted(f.pixels, *size) for f, size in zip(frames, shown, strict=True)]
        return self._scorer.images(fitted)

    def remember(self, texts: Sequence[str]) -> None:
        """Embed texts of many clips together; `scored` then finds them."""
        self._scorer.texts(texts)

    def scored(self, video: CaptionedVideo) -> CaptionedVideo:
        """The video with the likeness of each text to its own frame and to all of its clip's.

        Args:
            video: With the vectors of its frames.
        """
        by_clip = zip(video.clips, video.pictures, strict=True)
        clips = tuple(self._clip(clip, pictures) for clip, pictures in by_clip)
        pairs = tuple(map(self._pair, video.clips, video.pictures))
        return CaptionedVideo(clips, video.skipped, pairs=pairs)

    def _clip(self, clip: CaptionedClip, pictures: Vectors) -> CaptionedClip:
        texts = list(dict.fromkeys(c.text for frame in clip.frames for c in frame.captions))
        likeness = np.round(self._scorer.texts(texts) @ pictures.T, _DIGITS).astype(float)
        row = {text: likeness[at] for at, text in enumerate(texts)}
        frames = tuple(
            replace(
                frame, captions=tuple(self._caption(c, row[c.text], at) for c in frame.captions)
            )
            for at, frame in enumerate(clip.frames)
        )
        return replace(clip, frames=frames)

    def _pair(self, clip: CaptionedClip, pictures: Vectors) -> Pair:
        """A frame and a text of the clip that do not depend on the strategy."""
        (text,) = self._scorer.texts([clip.frames[0].captions[0].text])
        return Pair(clip.video.video_id, clip.plan.index, pictures[0], text)

    def _caption(self, caption: Caption, likeness: NDArray[np.float64], own: int) -> Caption:
        if not caption.text.strip():
            return caption  # there is nothing to compare
        return replace(
            caption,
            similarity=_as_stored(likeness[own]),
            clip_similarity=_as_stored(np.round(likeness.mean(), _DIGITS)),
            is_cut=self._is_cut(caption.text),
        )

    def _fitted(self, pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
        if not self._is_stretched:
            return pixels
        from PIL import Image

        size = self._scorer.frame_size.of(width, height)
        if size == (pixels.shape[1], pixels.shape[0]):
            return pixels
        return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _as_stored(value: float) -> float:
    return float(np.float32(value))
