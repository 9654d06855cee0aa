"""Putting captions of frames, which come back batch by batch, together video by video."""

from __future__ import annotations

from dataclasses import dataclass, field

from pseudolabel.captioners.protocol import Refusal
from pseudolabel.captions.consolidate import Strategy
from pseudolabel.records import (
    Caption,
    ClipCaption,
    ClipPlan,
    Frame,
    FrameCaption,
    Skipped,
    SkipReason,
    Video,
    VideoInfo,
)
from pseudolabel.runs.writer import VideoRows
from pseudolabel.videos.decode import VideoOpened
from pseudolabel.videos.messages import VideoFinished
from pseudolabel.videos.pool import Event

FrameKey = tuple[int, int]  # clip index, position in the clip


@dataclass(slots=True)
class _Pending:
    """A video in work."""

    video: Video
    opened: VideoOpened | None = None
    frames: dict[FrameKey, FrameCaption | Refusal | None] = field(default_factory=dict)
    skipped: dict[tuple[int | None, SkipReason], Skipped] = field(default_factory=dict)
    uncaptioned: int = 0  # frames that are with the captioner
    is_finished: bool = False  # nothing more comes from the decoder

    @property
    def is_complete(self) -> bool:
        return self.is_finished and not self.uncaptioned


class Assembly:
    """Videos in work, from their first event to their last caption.

    A video may come twice, in whole or in part, when its decode worker died: the same frame then
    has the same place, so nothing is doubled.

    Args:
        strategy: How the captions of a clip's frames become the clip's.
    """

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._pending: dict[str, _Pending] = {}
        self._complete: list[VideoRows] = []

    def add_event(self, video: Video, event: Event) -> None:
        """Note what the decoder said of a video."""
        pending = self._pending.setdefault(video.video_id, _Pending(video))
        if isinstance(event, VideoOpened):
            pending.opened = event
            pending.skipped.clear()  # of a try whose worker died
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

    def add_captions(self, frame: Frame, result: tuple[Caption, ...] | Refusal) -> None:
        """Note what the captioner said of a frame."""
        pending = self._pending.get(frame.video_id)
        key = (frame.clip_index, frame.position)
        if pending is None or key not in pending.frames:
            return  # the video was given up while its frame waited in a batch
        pending.uncaptioned -= pending.frames[key] is None
        if isinstance(result, Refusal):
            pending.frames[key] = result
        else:
            pending.frames[key] = FrameCaption(frame.time_s, frame.is_keyframe, result)
        self._settle(pending)

    def take_complete(self) -> list[VideoRows]:
        """The videos that have become complete since the last call."""
        complete, self._complete = self._complete, []
        return complete

    def _settle(self, pending: _Pending) -> None:
        if pending.is_complete:
            del self._pending[pending.video.video_id]
            self._complete.append(self._rows(pending))

    def _rows(self, pending: _Pending) -> VideoRows:
        skipped = list(pending.skipped.values())
        clips: list[ClipCaption] = []
        by_clip: dict[int, list[FrameCaption | Refusal]] = {}
        for (clip_index, _), result in pending.frames.items():
            if result is not None:
                by_clip.setdefault(clip_index, []).append(result)
        if pending.opened is not None:
            for plan in pending.opened.plans:
                results = by_clip.get(plan.index, [])
                frames = [result for result in results if isinstance(result, FrameCaption)]
                if frames:
                    clips.append(self._clip(pending.video, pending.opened.info, plan, frames))
                elif results:
                    skipped.append(_refused(pending.video, plan, results))
        return VideoRows(tuple(clips), tuple(skipped))

    def _clip(
        self, video: Video, info: VideoInfo, plan: ClipPlan, frames: list[FrameCaption]
    ) -> ClipCaption:
        frames.sort(key=lambda frame: frame.time_s)
        choice = self._strategy(plan.span, frames)
        return ClipCaption(
            video=video,
            info=info,
            plan=plan,
            frames=tuple(frames),
            chosen_frame=choice.frame,
            chosen_sample=choice.sample,
        )


def _refused(video: Video, plan: ClipPlan, results: list[FrameCaption | Refusal]) -> Skipped:
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
