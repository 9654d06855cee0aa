"""One video in, its frames out: opened, measured, cut into clips, decoded where it matters.

Runs in a decode worker: imports `av` and `numpy`, and nothing that takes long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from pseudolabel.records import ClipPlan, Frame, Skipped, SkipReason, Span, Video, VideoInfo
from pseudolabel.videos.keyframes import KeyframeFinder
from pseudolabel.videos.looks import LookMeter
from pseudolabel.videos.measuring import (
    Beginning,
    Ending,
    claimed_duration_s,
    find_beginning,
    find_ending,
)
from pseudolabel.videos.opening import open_container
from pseudolabel.videos.pixels import PixelConverter, clockwise_rotation, shown_size
from pseudolabel.videos.planning import Plan, plan_clips
from pseudolabel.videos.reading import FrameReader
from pseudolabel.videos.sampling import parts
from pseudolabel.videos.signals import Progress, VideoSkippedError, one_line
from pseudolabel.videos.track import Track

if TYPE_CHECKING:
    from av import VideoFrame

    from pseudolabel.records import FrameSize
    from pseudolabel.videos.options import ClipOptions, FrameOptions

__all__ = ["Progress", "VideoOpened", "VideoSkippedError", "read_video"]


@dataclass(frozen=True, slots=True)
class VideoOpened:
    """A video was opened and cut: what was measured, and the clips whose frames follow."""

    info: VideoInfo
    plans: tuple[ClipPlan, ...]


def read_video(
    video: Video, clips: ClipOptions, frames: FrameOptions, size: FrameSize
) -> Iterator[VideoOpened | Progress | Frame | Skipped]:
    """Open a video, cut it into clips and decode their frames.

    Yields:
        One `VideoOpened`; after it each clip's `Frame`s, in the order of clips and of time, and a
        `Skipped` for each given span that lies outside the video, for each clip of which no
        frame decodes, and for the video (`truncated`) where the file ends before its header
        says. `Progress` comes anywhere.

    Raises:
        VideoSkippedError: If the video cannot be captioned at all.
        MissingExtraError: If scenes are asked for and PySceneDetect is not installed.
    """
    with _nothing_else_raised(), open_container(video.source) as opened:
        container, content_hash, size_bytes = opened
        track = Track(container)
        beginning = yield from find_beginning(track)
        ending = yield from find_ending(track, beginning.pts, size_bytes)
        info = _describe(track, beginning, ending, content_hash)
        count, _ = frames.settled()
        plan = yield from plan_clips(video, info, track, clips, count)
        yield VideoOpened(info, plan.clips)
        yield from _known_to_be_missing(video, info, plan, ending)
        track.discard_others()
        sampler = _Sampler(video, track, beginning, plan.clips, frames, size)
        for clip in plan.clips:
            yield from sampler.read(clip)


class _Sampler:
    """Decodes the wanted frames of one video's clips."""

    def __init__(
        self,
        video: Video,
        track: Track,
        beginning: Beginning,
        clips: Sequence[ClipPlan],
        options: FrameOptions,
        size: FrameSize,
    ) -> None:
        self._video = video
        self._track = track
        self._count, self._snap = options.settled()
        self._keyframes = KeyframeFinder(track, beginning.key_shift)
        self._reader = FrameReader(track, self._keyframes, beginning.pts)
        self._converter = PixelConverter(track.stream, size)
        self._meter = LookMeter()
        wanted_s = [time_s for clip in clips for time_s in clip.wanted_s]
        self._after_s = dict(pairwise(wanted_s))  # the time wanted after each

    def read(self, clip: ClipPlan) -> Iterator[Frame | Skipped]:
        """The clip's frames, or the one `Skipped` that stands for all of them."""
        import av

        given: set[int] = set()
        failure = "no frame of it decodes"
        for position, part in enumerate(parts(clip.span, self._count)):
            try:
                found = self._find(clip.span, part)
                if found is None or found[0] in given:
                    continue  # in a short clip two wanted times can mean one frame
                frame = self._frame(clip, position, *found)
            except (av.FFmpegError, OSError, ValueError) as error:
                failure = one_line(error)
                continue
            given.add(found[0])
            yield frame
        if not given:
            yield self._skipped(clip, failure)

    def _find(self, span: Span, part: Span) -> tuple[int, VideoFrame] | None:
        """The frame for one of a clip's parts: its keyframe nearest to the center, or the exact.

        Each part has its own keyframes, so no keyframe serves twice.
        """
        track = self._track
        wanted = track.pts_at(part.center_s)
        if self._snap == "keyframe":
            low, high = track.pts_from(part.start_s), track.pts_from(part.end_s)
            key = self._keyframes.nearest(wanted, low, high)
            found = None if key is None else self._reader.keyframe(key)
            if key is not None and found is None:
                self._keyframes.distrust()
            if found is not None:
                return found
        low = track.pts_from(span.start_s)
        after_s = self._after_s.get(part.center_s)
        return self._reader.exact(wanted, low, None if after_s is None else track.pts_at(after_s))

    def _frame(self, clip: ClipPlan, position: int, pts: int, frame: VideoFrame) -> Frame:
        pixels = self._converter.pixels(frame)
        return Frame(
            video_id=self._video.video_id,
            clip_index=clip.index,
            position=position,
            time_s=self._track.seconds(pts),
            is_keyframe=bool(frame.key_frame),
            pixels=pixels,
            look=self._meter.look(pixels),
        )

    def _skipped(self, clip: ClipPlan, detail: str) -> Skipped:
        return Skipped(
            video_id=self._video.video_id,
            source=self._video.source,
            stage="decode",
            reason=SkipReason.DECODE_ERROR,
            detail=detail,
            clip=clip.span,
            clip_index=clip.index,
            listed=self._video.listed,
        )


@contextmanager
def _nothing_else_raised() -> Iterator[None]:
    """Whatever FFmpeg or the system says about a file is said in the vocabulary."""
    import av

    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise VideoSkippedError("decode", SkipReason.UNREADABLE, one_line(error)) from error


def _describe(track: Track, beginning: Beginning, ending: Ending, content_hash: str) -> VideoInfo:
    width, height = shown_size(beginning.frame, track.stream)
    rate = track.stream.average_rate or track.stream.guessed_rate
    return VideoInfo(
        width=width,
        height=height,
        codec=track.codec,
        pixel_format=beginning.frame.format.name,
        rotation_deg=clockwise_rotation(beginning.frame),
        fps_from_header=float(rate) if rate else None,
        duration_s_from_header=claimed_duration_s(track),
        first_frame_s=track.seconds(beginning.pts),
        end_s=track.seconds(ending.pts),
        content_hash=content_hash,
    )


def _known_to_be_missing(
    video: Video, info: VideoInfo, plan: Plan, ending: Ending
) -> Iterator[Skipped]:
    """Given spans that lie outside the video, and the end that the header promised."""
    skipped = Skipped(
        video_id=video.video_id,
        source=video.source,
        stage="segment",
        reason=SkipReason.OUTSIDE_VIDEO,
        detail=f"the video has pictures from {info.first_frame_s:.3f} s to {info.end_s:.3f} s",
        listed=video.listed,
    )
    for index, span in plan.outside:
        yield replace(skipped, clip=span, clip_index=index)
    if ending.missing_s is not None:
        detail = f"ends at {info.end_s:.3f} s, {ending.missing_s:.3f} s before its header says"
        yield replace(skipped, stage="open", reason=SkipReason.TRUNCATED, detail=detail)
