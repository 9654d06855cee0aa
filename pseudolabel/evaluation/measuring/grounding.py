"""Whether texts say what is seen: likeness of images and texts, against a floor of chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pseudolabel.evaluation.clips import Clips
from pseudolabel.evaluation.measuring.intervals import Floats
from pseudolabel.records import Frame, FrameSize, Span, Video
from pseudolabel.runs.floor import CHANCE_PERCENTILE
from pseudolabel.videos.options import ClipOptions, FrameOptions
from pseudolabel.videos.pool import DecodePool

if TYPE_CHECKING:
    from pseudolabel.captioners.scorer import Scorer

_BATCH = 64
_TIMEOUT_S = 120.0
_FRAMES_AHEAD = 256


@dataclass(frozen=True, slots=True)
class Likeness:
    """One kind of text beside the clips' pictures: `(clips,)` each, NaN where there is none."""

    similarity: Floats  # cosine, mean over the clip's frames
    chance: Floats  # the same, of a text of another video with this clip's frames
    threshold: float  # 95 % of chance lies below; NaN: there is no text of another video

    @property
    def above_chance(self) -> Floats:
        """1 where the similarity is above the threshold, else 0; NaN where either is not known."""
        above = (self.similarity > self.threshold).astype(float)
        return np.where(np.isnan(self.similarity + self.threshold), np.nan, above)

    @property
    def percentile(self) -> Floats:
        """Which share of chance lies below, in percent; NaN where either is not known."""
        chance = np.sort(self.chance[np.isfinite(self.chance)])
        below = np.searchsorted(chance, self.similarity) * (100 / max(1, len(chance)))
        return np.where(np.isnan(self.similarity + self.threshold), np.nan, below)


def clip_pictures(
    clips: Clips,
    scorer: Scorer,
    *,
    frames: int,
    workers: int,
    on_progress: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """The mean of the vectors of each clip's frames: `(clips, D)`; NaN where none decodes.

    The frames are spread evenly over the clip. They are not the one that was captioned, so that
    the caption is not judged by the picture it was made from alone.

    Args:
        clips: The clips.
        scorer: Makes the vectors.
        frames: How many of each clip.
        workers: Decode processes.
        on_progress: Called with the number of frames looked at so far.
    """
    total: NDArray[np.float32] | None = None
    seen = np.zeros(len(clips), np.int64)
    waiting: list[tuple[int, NDArray[np.uint8]]] = []

    def add() -> None:
        nonlocal total
        vectors = scorer.images([pixels for _, pixels in waiting])
        if total is None:
            total = np.zeros((len(clips), vectors.shape[1]), np.float32)
        for (clip, _), vector in zip(waiting, vectors, strict=True):
            total[clip] += vector
            seen[clip] += 1
        waiting.clear()
        if on_progress is not None:
            on_progress(int(seen.sum()))

    for clip, frame in decoded(clips, range(len(clips)), frames, scorer.frame_size, workers):
        waiting.append((clip, frame.pixels))
        if len(waiting) == _BATCH:
            add()
    if waiting:
        add()
    if total is None:
        return np.full((len(clips), 1), np.nan, np.float32)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(seen[:, None] > 0, total / seen[:, None], np.nan), np.float32)


def decoded(
    clips: Clips, chosen: Sequence[int], frames: int, size: FrameSize, workers: int
) -> Iterator[tuple[int, Frame]]:
    """Frames of some clips, with the clip of each; a video that cannot be read gives none."""
    by_video: dict[int, list[int]] = {}
    for clip in chosen:
        by_video.setdefault(int(clips.video[clip]), []).append(clip)
    videos = (
        Video(
            clips.video_ids[video],
            source,
            spans=tuple(Span(clips.start_s[c], clips.end_s[c]) for c in members),
        )
        for video, members in by_video.items()
        if (source := clips.sources[video])
    )
    numbers = {video_id: number for number, video_id in enumerate(clips.video_ids)}
    with DecodePool(
        videos,
        clips=ClipOptions(mode="spans"),
        frames=FrameOptions(count=frames),
        size=size,
        workers=workers,
        frames_ahead=_FRAMES_AHEAD,
        timeout_s=_TIMEOUT_S,
    ) as pool:
        for video, event in pool:
            if isinstance(event, Frame):
                yield by_video[numbers[video.video_id]][event.clip_index], event


def likeness(
    clips: Clips,
    pictures: NDArray[np.float32],
    texts: Sequence[str],
    scorer: Scorer,
    seed: int = 0,
) -> Likeness:
    """How like its clip's frames each text is, and how like a text of another video is."""
    vectors = np.full((len(texts), pictures.shape[1]), np.nan, np.float32)
    has_text = np.array([bool(text.strip()) for text in texts])
    if has_text.any() and np.isfinite(pictures).any():
        vectors[has_text] = scorer.texts([text for text in texts if text.strip()])
    other = _of_another_video(clips, has_text, np.random.default_rng(seed))
    chance = np.where(other >= 0, _dots(pictures, vectors[other]), np.nan)
    known = chance[np.isfinite(chance)]
    threshold = float(np.percentile(known, CHANCE_PERCENTILE)) if len(known) else float("nan")
    return Likeness(_dots(pictures, vectors), chance, threshold)


def _dots(some: NDArray[np.float32], others: NDArray[np.float32]) -> Floats:
    return np.asarray(np.einsum("nd,nd->n", some, others), np.float64)


def _of_another_video(
    clips: Clips, has_text: NDArray[np.bool_], random: np.random.Generator
) -> NDArray[np.int64]:
    """For each clip one with a text, of another video, at random; -1 where there is none."""
    candidates = np.flatnonzero(has_text)
    found = np.full(len(clips), -1, np.int64)
    if not len(candidates):
        return found
    for _ in range(20):
        left = np.flatnonzero(found < 0)
        drawn = random.choice(candidates, len(left))
        differs = clips.video[drawn] != clips.video[left]
        found[left[differs]] = drawn[differs]
    return found
