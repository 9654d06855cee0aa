"""What a decode worker and its parent say to each other, besides the records."""

from __future__ import annotations

from dataclasses import dataclass

from pseudolabel.records import FrameLook, FrameSize, Skipped
from pseudolabel.videos.options import ClipOptions, FrameOptions


@dataclass(frozen=True, slots=True)
class Setup:
    """The first message to a worker: what to do with videos, and where its slots are."""

    clips: ClipOptions
    frames: FrameOptions
    size: FrameSize
    memory_fd: int  # shared memory of all workers
    first_byte: int  # where this worker's slots begin, in bytes
    slot_bytes: int
    free_slots: tuple[int, ...]  # the others still hold frames of a worker that died


@dataclass(frozen=True, slots=True)
class Ready:
    """To the parent: the worker has started."""


@dataclass(frozen=True, slots=True)
class FreeSlot:
    """To the worker: the parent has copied this slot's pixels."""

    slot: int


@dataclass(frozen=True, slots=True)
class FrameInSlot:
    """To the parent: a decoded frame; its pixels are in a slot, or inline where that is too small.

    An inline frame holds a slot all the same, so that as many frames wait as there are slots.
    """

    clip_index: int
    position: int
    time_s: float
    is_keyframe: bool
    look: FrameLook | None
    shape: tuple[int, int, int]
    slot: int
    inline: bytes | None = None


@dataclass(frozen=True, slots=True)
class VideoFinished:
    """To the parent: nothing more comes of this video."""

    cpu_s: float  # processor time the video took here
    failure: Skipped | None = None  # why the whole video has no caption
