"""The records that pass between stages: frozen, and checked when made.

Times are seconds on the player's clock: 0 is where a player starts the file. Intervals are
half-open, `[start_s, end_s)`. What a file's header claims and what was measured are different
fields.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class SkipReason(StrEnum):
    """Why a video, or one of its clips, has no caption: the whole vocabulary."""

    NOT_FOUND = "not_found"  # gone, or never there
    UNREADABLE = "unreadable"  # no permission, a directory, or an I/O or network error
    EMPTY_FILE = "empty_file"  # zero bytes
    NOT_A_VIDEO = "not_a_video"  # FFmpeg finds no container it knows
    STILL_IMAGE = "still_image"  # an image file, not a video
    NO_VIDEO_STREAM = "no_video_stream"  # audio only
    UNSUPPORTED_CODEC = "unsupported_codec"  # this FFmpeg has no decoder for it
    NO_FRAMES = "no_frames"  # opens, but no frame of it decodes
    TRUNCATED = "truncated"  # the file ends before its header says; what is there is captioned
    DECODE_ERROR = "decode_error"  # a clip's frame does not decode
    DECODER_CRASHED = "decoder_crashed"  # the decode worker died on it, twice
    DECODER_TIMEOUT = "decoder_timeout"  # no progress within the time limit
    NO_TRANSCRIPT = "no_transcript"  # --clips transcript found none
    NO_CLIPS = "no_clips"  # no clip left to caption: none given, or all outside the video
    OUTSIDE_VIDEO = "outside_video"  # a given span lies outside the video
    CAPTIONER_REFUSED = "captioner_refused"  # the captioner gave no text for a clip's frame
    WORKER_LOST = "worker_lost"  # the captioning process died on it, again and again


Stage = Literal["list", "open", "segment", "decode", "caption"]


class Flag(StrEnum):
    """What a reader should know of a clip's caption: the whole vocabulary; rules in `health`."""

    # From the clip alone; kept in its row.
    EMPTY = "empty"  # there is no text
    TRUNCATED = "truncated"  # it stopped at the token limit
    LOOP = "loop"  # it says the same words again and again
    BOILERPLATE = "boilerplate"  # it begins "a photo of", or the like
    LOW_LOGPROB = "low_logprob"  # the captioner itself finds it unlikely
    CONTRADICTION = "contradiction"  # frames that look alike are captioned unlike
    BLACK = "black"  # its frame is black
    BLANK = "blank"  # its frame is of one color
    FROZEN = "frozen"  # its frame is the one decoded before it, again
    STATIC = "static"  # hardly anything changes between the clip's frames
    TEXT_OVERLAY = "text_overlay"  # there is likely text laid over its frame
    SCORER_CUT = "scorer_cut"  # it is longer than the scorer reads
    MERGE_REJECTED = "merge_rejected"  # the language model's sentence was refused; a medoid stands
    # From the whole run; never kept in parts.
    REPEATED = "repeated"  # many clips have the same caption
    LOW_SIMILARITY = "low_similarity"  # not more like its frame than chance
    NEAR_DUPLICATE = "near_duplicate"  # a clip of another video looks the same


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, `[start_s, end_s)`, in seconds."""

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_s) and math.isfinite(self.end_s)):
            raise ValueError(f"span times must be finite, got {self.start_s}..{self.end_s}")
        if not self.start_s < self.end_s:
            raise ValueError(f"span must end after it starts, got {self.start_s}..{self.end_s}")

    @property
    def center_s(self) -> float:
        """The middle, in seconds."""
        return (self.start_s + self.end_s) / 2

    def __contains__(self, time_s: float) -> bool:
        return self.start_s <= time_s < self.end_s


@dataclass(frozen=True, slots=True)
class Video:
    """One video to caption, as it was listed; nothing of it has been opened yet."""

    video_id: str  # unique in a run, valid Unicode
    source: str  # path (bytes that are not UTF-8 as surrogate escapes) or URL
    listed: str = ""  # content as listed: "SIZE-MTIME_NS" or an ETag; "" where unknown
    size_bytes: int | None = None
    spans: tuple[Span, ...] | None = None  # the clips, where a table gave them
    url: str | None = None
    license: str | None = None

    def __post_init__(self) -> None:
        if not self.video_id:
            raise ValueError(f"video_id must not be empty (source {self.source!r})")
        if not self.source:
            raise ValueError(f"source must not be empty (video {self.video_id!r})")


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What opening a video told: the header's claims, and what was measured."""

    width: int  # pixels as shown: rotation and pixel aspect applied
    height: int
    codec: str  # FFmpeg's name, such as "h264"
    pixel_format: str  # FFmpeg's name, such as "yuv420p10le"
    rotation_deg: int  # clockwise turn that shows the video upright: 0, 90, 180 or 270
    fps_from_header: float | None
    duration_s_from_header: float | None
    first_frame_s: float  # measured, player's clock
    end_s: float  # measured: where the last frame ends
    content_hash: str = ""  # of the file's size and ends; "" where it has no stable bytes

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"size must be positive, got {self.width}x{self.height}")
        if not self.end_s > self.first_frame_s:
            raise ValueError(f"end_s {self.end_s} must be after first frame {self.first_frame_s}")


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """A clip to caption, and the times of the frames wanted from it."""

    index: int  # position among the video's clips, from 0
    span: Span
    wanted_s: tuple[float, ...]  # ascending
    cuts_s: tuple[float, ...] | None = None  # shot changes inside; None where not looked for

    def __post_init__(self) -> None:
        if self.index < 0:
            raise ValueError(f"clip index must be 0 or more, got {self.index}")
        if not self.wanted_s:
            raise ValueError(f"clip {self.index} wants no frame")


@dataclass(frozen=True, slots=True)
class FrameSize:
    """The pixels a captioner wants, so that the decoder can scale while it converts.

    `stretch` gives exactly `width` x `height`; `cover` keeps the aspect and makes the shorter
    side fit (a processor crops later); `contain` keeps the aspect, stays inside, and never
    enlarges.
    """

    width: int
    height: int
    fit: Literal["stretch", "cover", "contain"] = "stretch"

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"frame size must be positive, got {self.width}x{self.height}")

    def of(self, width: int, height: int) -> tuple[int, int]:
        """The size, `(width, height)`, to which a frame of `width` x `height` is scaled."""
        if self.fit == "stretch":
            return self.width, self.height
        ratios = (self.width / width, self.height / height)
        scale = max(ratios) if self.fit == "cover" else min(1.0, *ratios)
        return max(1, round(width * scale)), max(1, round(height * scale))


@dataclass(frozen=True, slots=True)
class FrameLook:
    """What the pixels of a frame say, measured while they were in memory."""

    perceptual_hash: str  # 16 hex digits: frames that look alike differ in few of the 64 bits
    brightness: float  # mean luma, 0..255
    contrast: float  # standard deviation of red, green and blue, 0..255
    change: float | None  # from the frame decoded before it: luma, 0..255, where it changed most
    text_share: float  # how much of the picture looks like text laid over it, 0..1

    def __post_init__(self) -> None:
        if len(self.perceptual_hash) != 16 or set(self.perceptual_hash) - set("0123456789abcdef"):
            raise ValueError(f"perceptual_hash must be 16 hex digits, got {self.perceptual_hash!r}")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A decoded frame with its true time; pixels never travel without it."""

    video_id: str
    clip_index: int
    position: int  # which of the clip's wanted frames, from 0
    time_s: float
    is_keyframe: bool
    pixels: NDArray[np.uint8]  # (H, W, 3) RGB, upright
    look: FrameLook | None = None  # where it was measured

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.dtype.name != "uint8":
            raise ValueError(
                f"pixels must be uint8 (H, W, 3), got {self.pixels.dtype} {self.pixels.shape}"
            )


@dataclass(frozen=True, slots=True)
class Caption:
    """One text a captioner gave for one frame."""

    text: str
    mean_logprob: float | None = None  # nats a token, under the model; None where not known
    truncated: bool | None = None  # stopped by the token limit, not by itself; None: not known
    similarity: float | None = None  # with its own frame: a cosine, where a scorer ran
    clip_similarity: float | None = None  # with all captioned frames of the clip, the mean
    is_cut: bool | None = None  # the scorer read only its beginning

    def __post_init__(self) -> None:
        if self.mean_logprob is not None and not self.mean_logprob <= 1e-3:
            raise ValueError(f"mean_logprob must be 0 or less, got {self.mean_logprob}")


@dataclass(frozen=True, slots=True)
class FrameCaption:
    """What the captioner said of one frame: one `Caption` a sample."""

    time_s: float
    is_keyframe: bool
    captions: tuple[Caption, ...]
    look: FrameLook | None = None

    def __post_init__(self) -> None:
        if not self.captions:
            raise ValueError(f"frame at {self.time_s} s has no caption")


@dataclass(frozen=True, slots=True)
class Part:
    """Where a piece of a clip's caption came from: `frames[frame].captions[sample]`."""

    frame: int
    sample: int
    last_frame: int  # the frames from `frame` to this one, itself included, say the same

    def __post_init__(self) -> None:
        if not 0 <= self.frame <= self.last_frame or self.sample < 0:
            raise ValueError(f"no such part: {self.frame}..{self.last_frame}, {self.sample}")


@dataclass(frozen=True, slots=True)
class Consolidated:
    """What became of the captions of a clip's frames."""

    text: str
    parts: tuple[Part, ...]  # what it was made from, in time order
    is_rewritten: bool = False  # its words are a language model's, not those of its parts
    flags: tuple[Flag, ...] = ()  # what making it told

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError(f"{self.text!r} comes from no part")


@dataclass(frozen=True, slots=True)
class CaptionedClip:
    """A clip whose frames are captioned; which text stands for it is not settled.

    A captioner of videos sees all frames of a clip at once. What it says then belongs to all of
    them, so each has the same captions; only their similarity is each frame's own.
    """

    video: Video
    info: VideoInfo
    plan: ClipPlan
    frames: tuple[FrameCaption, ...]  # in time order
    seen_together: bool = False  # the captioner saw them all at once

    def __post_init__(self) -> None:
        if not self.frames:
            raise ValueError(f"clip {self.plan.index} of {self.video.video_id!r} has no frame")
        if self.seen_together and len({tuple(c.text for c in f.captions) for f in self.frames}) > 1:
            raise ValueError(
                f"clip {self.plan.index} of {self.video.video_id!r}: seen together, its frames"
                " must have the same texts"
            )

    def seen_for(self, part: Part) -> tuple[FrameCaption, ...]:
        """The frames that the captioner saw for a part; others may say the same."""
        last = part.last_frame if self.seen_together else part.frame
        return self.frames[part.frame : last + 1]


@dataclass(frozen=True, slots=True)
class ClipCaption:
    """A captioned clip: its text, where that came from, and everything it was made from."""

    clip: CaptionedClip
    text: str
    parts: tuple[Part, ...]  # of `clip.frames`; a rewritten text is made from all of them
    is_rewritten: bool = False  # its words are a language model's, not those of its parts
    flags: tuple[Flag, ...] = ()  # in the order of the vocabulary

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError(f"{self.text!r} comes from no part")
        for part in self.parts:
            if part.last_frame >= len(self.clip.frames):
                raise ValueError(f"{part} of {len(self.clip.frames)} frames")
            if part.sample >= len(self.clip.frames[part.frame].captions):
                raise ValueError(f"{part}: there is no such sample")

    @property
    def captions(self) -> tuple[Caption, ...]:
        """The captions that its parts are."""
        frames = self.clip.frames
        return tuple(frames[part.frame].captions[part.sample] for part in self.parts)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A video, or one clip of it, that has no caption, and why."""

    video_id: str
    source: str
    stage: Stage
    reason: SkipReason
    detail: str  # for a person: what failed, in one line
    clip: Span | None = None  # the clip; None: the whole video
    clip_index: int | None = None
    listed: str = ""  # the video's, so that resume knows what was tried


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word of a transcript, and when it was said."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class TranscriptSegment:
    """What was said, and when."""

    span: Span
    text: str
    words: tuple[TimedWord, ...] | None = None  # where the transcript has times of words
