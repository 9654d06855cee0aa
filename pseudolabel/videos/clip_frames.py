"""The frames of one clip of a video, spread evenly over it: what a video model is trained on."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pseudolabel.records import FrameSize, SkipReason, Span
from pseudolabel.videos.keyframes import KeyframeFinder
from pseudolabel.videos.measuring import find_beginning, find_ending
from pseudolabel.videos.opening import open_container
from pseudolabel.videos.pixels import PixelConverter
from pseudolabel.videos.reading import FrameReader
from pseudolabel.videos.sampling import wanted_times
from pseudolabel.videos.signals import Progress, VideoSkippedError, one_line
from pseudolabel.videos.track import Track

if TYPE_CHECKING:
    from numpy.typing import NDArray

Answer = TypeVar("Answer")

_LONG_S = 1.0  # a frame on screen for longer may be the last one of a video that is over


@dataclass(frozen=True, slots=True)
class ClipRequest:
    """Which frames of which video."""

    source: str  # path or URL
    span: Span
    count: int  # frames: the centers of so many equal parts of the span
    size: FrameSize


def read_clip(request: ClipRequest) -> NDArray[np.uint8]:
    """Decode the exact frames on screen at evenly spread times of a clip.

    Keyframes would cost less, but do not come at even times, and motion is what they leave out.
    Where frames are fewer than are asked for, one stands for several.

    Returns:
        uint8 RGB `(count, H, W, 3)`.

    Raises:
        VideoSkippedError: If the video cannot be opened, a frame does not decode, or the video
            ends before the clip does.
    """
    import av

    try:
        with open_container(request.source) as (container, _, size_bytes):
            return _read(Track(container), request, size_bytes)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoSkippedError("decode", SkipReason.DECODE_ERROR, one_line(error)) from error


def _read(track: Track, request: ClipRequest, size_bytes: int) -> NDArray[np.uint8]:
    beginning = _answer(find_beginning(track))
    track.discard_others()
    reader = FrameReader(track, KeyframeFinder(track, beginning.key_shift), beginning.pts)
    converter = PixelConverter(track.stream, request.size)
    wanted = [track.pts_at(time_s) for time_s in wanted_times(request.span, request.count)]
    low = track.pts_from(request.span.start_s)
    pictures: list[NDArray[np.uint8]] = []
    latest: int | None = None
    for pts, then in pairwise([*wanted, None]):
        assert pts is not None
        found = reader.exact(pts, low, then)
        if found is None:
            detail = f"no frame of it decodes at {track.seconds(pts):.3f} s"
            raise VideoSkippedError("decode", SkipReason.DECODE_ERROR, detail)
        pictures.append(pictures[-1] if found[0] == latest else converter.pixels(found[1]))
        latest = found[0]
    assert latest is not None
    if wanted[-1] - latest > track.ticks(_LONG_S):
        _refuse_after_end(track, wanted, beginning.pts, size_bytes)
    return np.stack(pictures)


def _refuse_after_end(track: Track, wanted: Sequence[int], first_pts: int, size_bytes: int) -> None:
    """A slide may stand for minutes; but the last frame of a video does not stand for ever."""
    ending = _answer(find_ending(track, first_pts, size_bytes))
    if wanted[-1] >= ending.pts:
        detail = f"the video ends at {track.seconds(ending.pts):.3f} s, before the clip does"
        raise VideoSkippedError("decode", SkipReason.OUTSIDE_VIDEO, detail)


def _answer(steps: Generator[Progress, None, Answer]) -> Answer:
    """What a scan finds; nobody waits for its signs of life here."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            answer: Answer = end.value
            return answer
