"""Putting captions of frames, which come back batch by batch, together video by video."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from pseudolabel.captioners.protocol import Refusal
from pseudolabel.records import (
    Caption,
    CaptionedClip,
    ClipPlan,
    Frame,
    FrameCaption,
    Skipped,
    SkipReason,
    Video,
)
from pseudolabel.runs.floor import Pair, Vectors
from pseudolabel.videos.decode import VideoOpened
from pseudolabel.videos.messages import VideoFinished
from pseudolabel.videos.pool import Event

FrameKey = tuple[int, int]  # clip index, position in the clip


@dataclass(frozen=True, slots=True)
class CaptionedVideo:
    """Everything that is known of a video when its last frame is captioned."""

    clips: tuple[CaptionedClip, ...]
    skipped: tuple[Skipped, ...]
    pictures: tuple[Vectors, ...] = ()  # of each clip's frames, (frames, D), where a scorer runs
    pairs: tuple[Pair, ...] = ()  # what is kept of it for the floor of chance


@dataclass(slots=True)
class _Pending:
    """A video in work."""

    video: Video
    opened: VideoOpened | None = None
    frames: dict[FrameKey, FrameCaption | Refusal | None] = field(default_factory=dict)
    pictures: dict[FrameKey, Vectors] = field(default_factory=dict)
    skipped: dict[tuple[int | None, SkipReason], Skipped] = field(default_factory=dict)
    uncaptioned: int = 0  # frames that are with the captioner
    is_finished: bool = False  # nothing more comes from the decoder

    @property
    def is_complete(self) -> bool:
        return self.is_finished and not self.uncaptioned


class Assembly:
    """Videos in work, from their first event to their last caption.

    A video may come twice, in whole or in part, when its decode worker died: it begins anew then,
    so nothing is doubled.

    Args:
        seen_together: Whether the captioner sees the frames of a clip at once.
    """

    def __init__(self, *, seen_together: bool = False) -> None:
        self._seen_together = seen_together
        self._pending: dict[str, _Pending] = {}
        self._complete: list[CaptionedVideo] = []

    def add_event(self, video: Video, event: Event) -> None:
        """Note what the decoder said of a video."""
        pending = self._pending.setdefault(video.video_id, _Pending(video))
        if isinstance(event, VideoOpened):
            pending.opened = event
            # What follows is of a try whose worker died.
            pending.skipped.clear()
            pending.frames.clear()
            pending.pictures.clear()
            pending.uncaptioned = 0
        elif isinstance(event, Frame):
            key = (event.clip_index, event.position)
            if key not in pending.frames:
                pending.frames[key] = None
                pending.uncaptioned += 1
        elif isinstance(event, VideoFinished):
            pending.is_finished = True
            if event.failure is not None:
                pending.frames.clear()
                pending.uncaptioned = 0
                pending.skipped = {(None, event.failure.reason): event.failure}
        else:
            pending.skipped[event.clip_index, event.reason] = event
            # A video that could not even be listed never reaches a decoder.
            pending.is_finished |= event.stage == "list"
        self._settle(pending)

    def shown_size(self, frame: Frame) -> tuple[int, int]:
        """`(width, height)` of a frame's video as shown; of the frame, where that is forgotten."""
        pending = self._pending.get(frame.video_id)
        if pending is None or pending.opened is None:
            return frame.pixels.shape[1], frame.pixels.shape[0]
        return pending.opened.info.width, pending.opened.info.height

    def add_captions(
        self,
        frame: Frame,
        result: tuple[Caption, ...] | Refusal,
        picture: Vectors | None = None,
    ) -> None:
        """Note what the captioner said of a frame.

        Args:
            frame: The frame.
            result: Its captions.
            picture: Its vector `(D,)`, where a scorer runs.
        """
        pending = self._pending.get(frame.video_id)
        key = (frame.clip_index, frame.position)
        if pending is None or key not in pending.frames:
            return  # the video was given up while its frame waited in a batch
        pending.uncaptioned -= pending.frames[key] is None
        if isinstance(result, Refusal):
            pending.frames[key] = result
        else:
            pending.frames[key] = FrameCaption(
                frame.time_s, frame.is_keyframe, tuple(map(_as_stored, result)), frame.look
            )
        if picture is not None:
            pending.pictures[key] = picture
        self._settle(pending)

    def take_complete(self) -> list[CaptionedVideo]:
        """The videos that have become complete since the last call."""
        complete, self._complete = self._complete, []
        return complete

    def _settle(self, pending: _Pending) -> None:
        if pending.is_complete:
            del self._pending[pending.video.video_id]
            self._complete.append(_captioned(pending, seen_together=self._seen_together))


def _captioned(pending: _Pending, *, seen_together: bool) -> CaptionedVideo:
    video, opened = pending.video, pending.opened
    skipped = list(pending.skipped.values())
    clips: list[CaptionedClip] = []
    pictures: list[Vectors] = []
    by_clip: dict[int, list[FrameKey]] = {}
    for key, result in pending.frames.items():
        if result is not None:
            by_clip.setdefault(key[0], []).append(key)
    for plan in opened.plans if opened is not None else ():
        found = {key: pending.frames[key] for key in by_clip.get(plan.index, ())}
        said = {key: frame for key, frame in found.items() if isinstance(frame, FrameCaption)}
        frames = dict(sorted(said.items(), key=lambda item: item[1].time_s))
        if frames and opened is not None:
            captioned = tuple(frames.values())
            clips.append(CaptionedClip(video, opened.info, plan, captioned, seen_together))
            if pending.pictures:
                pictures.append(np.stack([pending.pictures[key] for key in frames]))
        elif found:
            skipped.append(_refused(video, plan, found.values()))
    return CaptionedVideo(tuple(clips), tuple(skipped), tuple(pictures))


def _refused(video: Video, plan: ClipPlan, results: Iterable[object]) -> Skipped:
    details = {result.detail for result in results if isinstance(result, Refusal)}
    return Skipped(
        video_id=video.video_id,
        source=video.source,
        stage="caption",
        reason=SkipReason.CAPTIONER_REFUSED,
        detail="; ".join(sorted(details)),
        clip=plan.span,
        clip_index=plan.index,
        listed=video.listed,
    )


def _as_stored(caption: Caption) -> Caption:
    """A caption as it will be read back, so that what is decided now is decided again later."""
    if caption.mean_logprob is None:
        return caption
    return replace(caption, mean_logprob=float(np.float32(caption.mean_logprob)))
