"""The pixels of clips: decoded from the videos when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from pseudolabel.records import FrameSize, Skipped, SkipReason, Span
from pseudolabel.training.data.matching import Matched, match_videos
from pseudolabel.videos.clip_decoder import ClipDecoder
from pseudolabel.videos.clip_frames import ClipRequest
from pseudolabel.videos.signals import VideoSkippedError
from pseudolabel.videos.sources.listing import list_videos

if TYPE_CHECKING:
    from pseudolabel.training.data.clips import Clips


class Footage(Protocol):
    """The pixels of clips, wherever they are."""

    def has(self, clips: Clips) -> NDArray[np.bool_]:
        """Of which clips there should be pixels: `(clips,)`; none of them has been looked at."""
        ...

    def read(self, clips: Clips, clip: int) -> NDArray[np.uint8]:
        """The frames of one of the clips: uint8 RGB `(T, H, W, 3)`.

        Raises:
            VideoSkippedError: If they cannot be had.
        """
        ...


class VideoFootage:
    """Decodes clips from video files, in a process beside each one that reads.

    Args:
        sources: A path or URL for each video of the clips; None: there is none.
        frames: How many of each clip.
        size: What they are scaled to.
        timeout_s: A clip that takes longer is given up.
    """

    def __init__(
        self, sources: Sequence[str | None], *, frames: int, size: FrameSize, timeout_s: float
    ) -> None:
        self._sources = sources
        self._frames = frames
        self._size = size
        self._timeout_s = timeout_s
        self._decoder: tuple[int, ClipDecoder] | None = None  # with the process it belongs to

    def has(self, clips: Clips) -> NDArray[np.bool_]:
        """See `Footage`."""
        is_there = np.array([source is not None for source in self._sources], bool)
        return is_there[clips.video]

    def read(self, clips: Clips, clip: int) -> NDArray[np.uint8]:
        """See `Footage`."""
        source = self._sources[clips.video[clip]]
        if source is None:
            raise VideoSkippedError("list", SkipReason.NOT_FOUND, "there is no such video")
        span = Span(float(clips.start_s[clip]), float(clips.end_s[clip]))
        return self._own_decoder().read(ClipRequest(source, span, self._frames, self._size))

    def _own_decoder(self) -> ClipDecoder:
        """This process's: a forked one must not talk to its parent's."""
        if self._decoder is None or self._decoder[0] != os.getpid():
            self._decoder = os.getpid(), ClipDecoder(timeout_s=self._timeout_s)
        return self._decoder[1]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_decoder": None}  # a spawned process starts its own


def find_videos(clips: Clips, root: str | None) -> Matched:
    """The files of the clips' videos under a folder; or where the data says they are.

    Args:
        clips: Of a release or run.
        root: A folder or URL, or whatever else `caption` takes; None: as the data says.

    Raises:
        InputError: If there is no such folder, or no video in it.
    """
    if root is None:
        return Matched(clips.urls, ())
    listed = (video for video in list_videos([root]) if not isinstance(video, Skipped))
    return match_videos(clips.video_ids, listed)
