"""Cutting an opened video into clips, whatever that takes: a transcript, a look at every frame."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pseudolabel.records import ClipPlan, SkipReason, Span, Video, VideoInfo
from pseudolabel.videos import segments
from pseudolabel.videos.sampling import wanted_times
from pseudolabel.videos.scenes import find_cuts
from pseudolabel.videos.signals import Progress, VideoSkippedError

if TYPE_CHECKING:
    from pseudolabel.videos.options import ClipOptions
    from pseudolabel.videos.track import Track


@dataclass(frozen=True, slots=True)
class Plan:
    """The clips of a video, and the given spans that lie outside it."""

    clips: tuple[ClipPlan, ...]
    outside: tuple[tuple[int, Span], ...]  # with their position among the spans as given


def plan_clips(
    video: Video, info: VideoInfo, track: Track, options: ClipOptions, frames_per_clip: int
) -> Generator[Progress, None, Plan]:
    """Cut a video into clips.

    A clip's index is its position among the clips; where spans are given, among those.

    Raises:
        VideoSkippedError: If there is no transcript, or no clip at all.
        MissingExtraError: If shot changes are asked for and PySceneDetect is not installed.
    """
    cuts_s: tuple[float, ...] | None = None
    if options.mode == "scenes" or options.mark_cuts:
        needed_for = "--clips scenes" if options.mode == "scenes" else "--mark-cuts"
        cuts_s = yield from find_cuts(track, options.scene_threshold, needed_for)
    if video.spans is not None:  # from a table: the clips as given, whatever the option says
        spans: Sequence[Span] = video.spans
    elif options.mode == "transcript":
        # Transcripts are parsed by this one mode only.
        from pseudolabel.videos.spoken import find_transcript

        said = yield from find_transcript(video, track.container, options.transcripts)
        spans = [segment.span for segment in said]
    else:
        spans = _spans(info, options, cuts_s)
    return _plan(spans, info, frames_per_clip, cuts_s if options.mark_cuts else None)


def _spans(info: VideoInfo, options: ClipOptions, cuts_s: Sequence[float] | None) -> Sequence[Span]:
    if options.mode == "whole":
        return segments.whole(info.end_s)
    if options.mode == "scenes":
        return segments.scenes(cuts_s or (), info.end_s)
    if options.mode == "spans":
        return ()  # nothing gave this video any
    return segments.fixed(
        info.end_s,
        length_s=options.length_s,
        min_clip_s=options.min_clip_s,
        first_frame_s=info.first_frame_s,
    )


def _plan(
    spans: Sequence[Span], info: VideoInfo, frames_per_clip: int, cuts_s: Sequence[float] | None
) -> Plan:
    clips: list[ClipPlan] = []
    outside: list[tuple[int, Span]] = []
    for index, given in enumerate(spans):
        span = segments.clamped(given, first_frame_s=info.first_frame_s, end_s=info.end_s)
        if span is None:
            outside.append((index, given))
            continue
        cuts = None if cuts_s is None else segments.cuts_inside(span, cuts_s)
        clips.append(ClipPlan(index, span, wanted_times(span, frames_per_clip), cuts))
    if not clips:
        detail = (
            f"all {len(outside)} clips lie outside the video, which ends at {info.end_s:.3f} s"
            if outside
            else "no clips were given"
        )
        raise VideoSkippedError("segment", SkipReason.NO_CLIPS, detail)
    return Plan(tuple(clips), tuple(outside))
