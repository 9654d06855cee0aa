"""Batches of frames, one ahead of the captioner: gathered and prepared by a thread of their own.

A captioner of clips gets them whole: the frames of a clip wait until the next clip of their video
begins, or the video ends. So what waits is bounded by one clip a decode worker.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from pseudolabel.captioners.preparing import Prepared, PreparingCaptioner
from pseudolabel.captioners.protocol import Captioner, ClipCaptioner
from pseudolabel.records import Frame, Video
from pseudolabel.videos.decode import VideoOpened
from pseudolabel.videos.messages import VideoFinished
from pseudolabel.videos.pool import Event

EVENTS_HELD = 1024  # events without pixels that wait while a batch is captioned

VideoEvent = tuple[Video, Event]


@dataclass(slots=True)
class Step:
    """What came since the last step: events in their order, then perhaps a batch of their frames.

    Frames that do not fill a batch yet are among the events, and in the batch of a later step.
    """

    events: list[VideoEvent] = field(default_factory=list)
    batch: list[Frame] = field(default_factory=list)
    prepared: Prepared | None = None


class Feed:
    """Reads events in a thread, so that a batch is there when the one before is captioned.

    It holds one batch; the thread goes on reading when that is taken.

    Args:
        events: What a `DecodePool` gives.
        captioner: Whose batch size it fills, and which prepares batches where it can.
    """

    def __init__(self, events: Iterable[VideoEvent], captioner: Captioner) -> None:
        self.preparing_s = 0.0  # in the thread
        self._captioner = captioner
        self._gathering = _Gathering(whole_clips=isinstance(captioner, ClipCaptioner))
        self._step = Step()
        self._has_news = False  # there is something in the step that is worth a look
        self._ended = self._is_closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        thread = threading.Thread(target=self._read, args=[events], name="feed", daemon=True)
        thread.start()

    def take(self) -> Step | None:
        """The next step, waited for; None when all is read.

        Raises:
            BaseException: What reading the events raised, after the steps before it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._has_news or self._ended)
            if not (self._has_news or self._step.events):
                if self._error is not None:
                    raise self._error
                return None
            taken, self._step, self._has_news = self._step, Step(), False
            self._changed.notify_all()
            return taken

    def close(self) -> None:
        """Read no further; the thread ends when the events do, or with the next one."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    # -- in the feed's own thread ---------------------------------------------------------------

    def _read(self, events: Iterable[VideoEvent]) -> None:
        try:
            batch: list[list[Frame]] = []
            for video, event in events:
                self._note((video, event))
                if ready := self._gathering.add(video, event):
                    batch.append(ready)
                    if len(batch) >= self._captioner.batch_size:
                        self._hand_over(batch)
                        batch = []
                if self._is_closed:
                    return
            if batch:
                self._hand_over(batch)
        except BaseException as error:  # raised again where steps are taken
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _note(self, event: VideoEvent) -> None:
        with self._changed:
            self._step.events.append(event)
            is_full = len(self._step.events) >= EVENTS_HELD
            if is_full or not isinstance(event[1], Frame | VideoOpened):
                self._has_news = True  # perhaps a video is complete
                self._changed.notify_all()
            if is_full:
                self._wait_until_taken()

    def _hand_over(self, gathered: list[list[Frame]]) -> None:
        began_s = time.perf_counter()
        batch = [frame for frames in gathered for frame in frames]
        prepared = None
        if isinstance(self._captioner, PreparingCaptioner):
            prepared = self._captioner.prepare(batch)
        self.preparing_s += time.perf_counter() - began_s
        with self._changed:
            self._step.batch, self._step.prepared = batch, prepared
            self._has_news = True
            self._changed.notify_all()
            self._wait_until_taken()

    def _wait_until_taken(self) -> None:
        self._changed.wait_for(lambda: not self._has_news or self._is_closed)


class _Gathering:
    """What the captioner takes at a time: a frame, or all frames of a clip.

    Args:
        whole_clips: Which of these.
    """

    def __init__(self, *, whole_clips: bool) -> None:
        self._whole_clips = whole_clips
        self._clips: dict[str, list[Frame]] = {}  # by video: of the clip in work

    def add(self, video: Video, event: Event) -> list[Frame]:
        """What is ready with an event; often nothing."""
        if not self._whole_clips:
            return [event] if isinstance(event, Frame) else []
        if isinstance(event, Frame):
            clip = self._clips.setdefault(video.video_id, [])
            if clip and clip[0].clip_index != event.clip_index:
                self._clips[video.video_id] = [event]
                return clip
            clip.append(event)
        elif isinstance(event, VideoOpened):
            self._clips.pop(video.video_id, None)  # of a try whose worker died
        elif isinstance(event, VideoFinished):
            clip = self._clips.pop(video.video_id, [])
            return [] if event.failure is not None else clip
        return []
