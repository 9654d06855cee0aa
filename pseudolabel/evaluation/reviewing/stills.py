"""The frames that were captioned, decoded once more: small pictures for a page.

A frame is asked for by the time that it was captioned at, exactly, and taken only if that is its
time: a picture that is shown is the one that the captioner saw. A video whose content is another
one by now has no pictures.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pseudolabel.records import Frame, FrameSize, Span, Video
from pseudolabel.videos.decode import VideoOpened
from pseudolabel.videos.messages import VideoFinished
from pseudolabel.videos.options import ClipOptions, FrameOptions
from pseudolabel.videos.pool import DecodePool

if TYPE_CHECKING:
    from PIL.Image import Image

Outcome = Literal["whole", "partly", "gone", "changed"]

_FRAMES_AHEAD = 128
_TIMEOUT_S = 120.0
_INSIDE_S = 1e-4  # a span so short holds one frame
_QUALITY = 78  # of the JPEG
# What a picture takes on the page, by measurement: JPEG of this quality, as base64.
_BYTES, _BYTES_A_PIXEL = 1000, 0.2
_WIDTHS = ((320, 240), (320, 160), (240, 160), (240, 112), (160, 112))  # captioned, others
_LEAST = 112


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame to be had as a picture."""

    clip: int  # where it belongs: the caller's number of the clip
    frame: int  # and of the frame in it
    time_s: float
    width: int  # of the picture, at most


@dataclass(frozen=True, slots=True)
class Take:
    """All that is wanted of one video."""

    source: str | None  # None: nobody knows where it is
    content_hash: str  # as it was when captioned; "" where that is not known
    shots: Sequence[Shot]


@dataclass(slots=True)
class Stills:
    """What there was to be had of one video."""

    take: Take
    pictures: dict[int, dict[int, bytes]] = field(default_factory=dict)  # JPEG by clip, by frame
    is_changed: bool = False

    @property
    def outcome(self) -> Outcome:
        """Whether all pictures are there, some, or none, and why none."""
        if self.is_changed:
            return "changed"
        found = sum(map(len, self.pictures.values()))
        if found == len(self.take.shots):
            return "whole"
        return "partly" if found else "gone"


@dataclass(frozen=True, slots=True)
class Widths:
    """How wide pictures may be so that all of them together fit, `(clips,)` each; 0: none."""

    captioned: NDArray[np.int64]  # of the frame that the clip's caption describes
    others: NDArray[np.int64]  # of its other frames


def fitting_widths(
    others: NDArray[np.int64], comes_first: NDArray[np.bool_], budget_bytes: float
) -> Widths:
    """The largest pictures that fit, the same size for all clips.

    Where the smallest do not fit either, captioned frames come before others, and of clips those
    that `comes_first` says.

    Args:
        others: How many frames each clip has besides the captioned one.
        comes_first: Of the clips.
        budget_bytes: What all pictures may take on the page.
    """
    clips, rest = len(others), int(others.sum())
    for captioned, other in _WIDTHS:
        if clips * _cost(captioned) + rest * _cost(other) <= budget_bytes:
            return Widths(np.full(clips, captioned), np.full(clips, other))
    # Half of it for the frames that the captions describe: the list shows no others.
    roomy = [w for w, _ in _WIDTHS if clips * _cost(w) <= budget_bytes / 2]
    captioned = roomy[0] if roomy else _LEAST
    order = np.argsort(~comes_first, kind="stable")
    has_own = _fits(np.full(clips, _cost(captioned)), order, budget_bytes)
    left = budget_bytes - has_own.sum() * _cost(captioned)
    has_others = has_own & _fits(others * _cost(_LEAST), order, left)
    return Widths(np.where(has_own, captioned, 0), np.where(has_others, _LEAST, 0))


def _fits(costs: NDArray[Any], order: NDArray[np.int64], budget: float) -> NDArray[np.bool_]:
    fits = np.zeros(len(costs), bool)
    fits[order] = np.cumsum(costs[order]) <= budget
    return fits


def _cost(width: int) -> float:
    """What a picture of 16:9 takes on the page, in bytes."""
    return _BYTES + _BYTES_A_PIXEL * width * width * 9 / 16 if width else 0.0


def stills(takes: Iterator[Take], workers: int) -> Iterator[Stills]:
    """The pictures of each take, in their order; a video that cannot be read has none.

    Args:
        takes: Consumed as decoding goes on; what comes early waits for its turn.
        workers: Decode processes.
    """
    waiting: dict[int, Stills] = {}  # in work or finished, by number
    finished: set[int] = set()
    following = 0
    for _ in _decoded(_numbered(takes, waiting, finished), waiting, finished, workers):
        while following in finished:
            finished.remove(following)
            yield waiting.pop(following)
            following += 1


def tell(outcomes: Counter[Outcome]) -> list[str]:
    """What the reader should know of missing pictures, a sentence each."""
    told = {
        "gone": "{} of {} videos cannot be read where they were captioned: no pictures of them. "
        "--videos says where they are now.",
        "changed": "{} of {} videos are others than were captioned: no pictures of them.",
        "partly": "Of {} of {} videos some frames could not be decoded again.",
    }
    videos = sum(outcomes.values())
    return [
        text.format(f"{count:,}", f"{videos:,}")
        for outcome, text in told.items()
        if (count := outcomes[outcome])  # type: ignore[index]
    ]


def jpeg(image: Image, width: int) -> bytes:
    """A picture of at most this width, and at most 3 : 4 of it high."""
    from PIL import Image as Images

    small = image.copy()
    small.thumbnail((width, width * 3 // 4), Images.Resampling.LANCZOS, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.convert("RGB").save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()


def _numbered(
    takes: Iterator[Take], waiting: dict[int, Stills], finished: set[int]
) -> Iterator[Video]:
    """Videos to decode, named by their number; of those of no known place nothing will come."""
    for number, take in enumerate(takes):
        waiting[number] = Stills(take)
        if take.source and take.shots:
            spans = tuple(Span(s.time_s, s.time_s + _INSIDE_S) for s in take.shots)
            yield Video(str(number), take.source, spans=spans)
        else:
            finished.add(number)


def _decoded(
    videos: Iterator[Video], waiting: dict[int, Stills], finished: set[int], workers: int
) -> Iterator[None]:
    """Fills `waiting` and `finished`; comes up for air after every event, and at the end."""
    from PIL import Image as Images

    with DecodePool(
        videos,
        clips=ClipOptions(mode="spans"),
        frames=FrameOptions(snap="exact"),
        size=FrameSize(320, 240, "contain"),
        workers=workers,
        frames_ahead=_FRAMES_AHEAD,
        timeout_s=_TIMEOUT_S,
    ) as pool:
        for video, event in pool:
            number = int(video.video_id)
            found = waiting[number]
            if isinstance(event, VideoOpened):
                known = (found.take.content_hash, event.info.content_hash)
                found.is_changed = all(known) and known[0] != known[1]
            elif isinstance(event, Frame) and not found.is_changed:
                shot = found.take.shots[event.clip_index]
                if abs(event.time_s - shot.time_s) < _INSIDE_S / 2:
                    picture = jpeg(Images.fromarray(event.pixels), shot.width)
                    found.pictures.setdefault(shot.clip, {})[shot.frame] = picture
            elif isinstance(event, VideoFinished):
                finished.add(number)
            yield
    yield
