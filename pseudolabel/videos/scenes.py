"""Shot changes, by PySceneDetect's content detector on the frames of our own decoder."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from pseudolabel.errors import MissingExtraError
from pseudolabel.videos.signals import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pseudolabel.videos.track import Track

_WIDTH = 256  # pixels; PySceneDetect scales to about this by itself
_FRAMES_A_BEAT = 50
# Shots are at least this many frames, PySceneDetect's own default.
_MIN_SHOT_FRAMES = 15


def find_cuts(
    track: Track, threshold: float, needed_for: str
) -> Generator[Progress, None, tuple[float, ...]]:
    """Decode a whole video, small, and find its cuts.

    Args:
        track: Read from its beginning; its position is lost.
        threshold: Of the content detector.
        needed_for: The option that asked for it, as the user typed it.

    Returns:
        The times, in seconds, of the first frames of new shots.

    Raises:
        MissingExtraError: If PySceneDetect cannot be imported.
    """
    detector, timecode = _detector(threshold, needed_for)
    times_s: list[float] = []
    cuts: list[int] = []
    for time_s, picture in _small_frames(track):
        found = detector.process_frame(timecode(len(times_s)), picture)
        cuts.extend(_frame_number(cut) for cut in found)
        times_s.append(time_s)
        if len(times_s) % _FRAMES_A_BEAT == 0:
            yield Progress()
    if times_s:
        found = detector.post_process(timecode(len(times_s) - 1))
        cuts.extend(_frame_number(cut) for cut in found)
    return tuple(sorted({times_s[cut] for cut in cuts if 0 <= cut < len(times_s)}))


def check_installed(needed_for: str) -> None:
    """Find out before a run starts, rather than in its workers.

    Raises:
        MissingExtraError: If PySceneDetect cannot be imported.
    """
    _detector(27.0, needed_for)


def _detector(threshold: float, needed_for: str) -> tuple[Any, Any]:
    try:
        from scenedetect import ContentDetector, FrameTimecode
    except ImportError as error:
        package = error.name or "scenedetect"
        raise MissingExtraError(package, extra="scenes", needed_for=needed_for) from None
    detector = ContentDetector(threshold=threshold, min_scene_len=_MIN_SHOT_FRAMES)
    # Frames are counted and given their true times afterwards: the rate plays no part.
    return detector, lambda number: FrameTimecode(number, fps=25.0)


def _frame_number(cut: Any) -> int:
    return int(getattr(cut, "frame_num", cut))  # before 0.7 detectors gave plain numbers


def _small_frames(track: Track) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    from av.video.reformatter import VideoReformatter

    scaler = VideoReformatter()
    size: tuple[int, int] | None = None
    track.rewind()
    for pts, frame in track.frames():
        # One size for the whole video: the detector compares each frame with the one before.
        size = size or (_WIDTH, max(2, round(frame.height * _WIDTH / frame.width)))
        small = scaler.reformat(frame, *size, "bgr24", interpolation="FAST_BILINEAR", threads=1)
        yield track.seconds(pts), np.asarray(small.to_ndarray(), dtype=np.uint8)
