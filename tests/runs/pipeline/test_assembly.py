"""Frames and captions to videos, also when a decode worker died in between."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pseudolabel.records import (
    Caption,
    ClipPlan,
    Frame,
    Skipped,
    SkipReason,
    Span,
    Video,
    VideoInfo,
)
from pseudolabel.runs.pipeline.assembly import Assembly
from pseudolabel.videos.decode import VideoOpened
from pseudolabel.videos.messages import VideoFinished

VIDEO = Video("v", "/v.mp4")
INFO = VideoInfo(640, 360, "h264", "yuv420p", 0, 25.0, 8.0, 0.0, 8.0)
OPENED = VideoOpened(INFO, (ClipPlan(0, Span(0, 8), (4.0,)),))
FRAME = Frame("v", 0, 0, 4.0, True, np.zeros((2, 2, 3), np.uint8))


def test_what_a_lost_try_said_is_forgotten() -> None:
    assembly = Assembly()
    assembly.add_event(VIDEO, OPENED)
    lost = Skipped("v", "/v.mp4", "decode", SkipReason.DECODE_ERROR, "broken", Span(0, 8), 0)
    assembly.add_event(VIDEO, lost)  # and here its worker dies
    assembly.add_event(VIDEO, OPENED)
    assembly.add_event(VIDEO, FRAME)
    assembly.add_event(VIDEO, VideoFinished(0.0))
    assert not assembly.take_complete(), "its frame is with the captioner"
    assembly.add_captions(FRAME, (Caption("a text"),))
    (rows,) = assembly.take_complete()
    assert [clip.frames[0].captions[0].text for clip in rows.clips] == ["a text"]
    assert not rows.skipped


def test_a_frame_that_comes_twice_is_one() -> None:
    assembly = Assembly()
    for event in (OPENED, FRAME, OPENED, FRAME, VideoFinished(0.0)):
        assembly.add_event(VIDEO, event)
    for _ in range(2):
        assembly.add_captions(FRAME, (Caption("a text"),))
    (rows,) = assembly.take_complete()
    assert len(rows.clips[0].frames) == 1


def test_a_frame_that_only_a_lost_try_had_holds_nothing_up() -> None:
    assembly = Assembly(seen_together=True)
    lost = replace(FRAME, position=1, time_s=6.0)
    for event in (OPENED, FRAME, lost, OPENED, FRAME, VideoFinished(0.0)):
        assembly.add_event(VIDEO, event)
    assembly.add_captions(lost, (Caption("of two"),))  # it was in a batch when its worker died
    assembly.add_captions(FRAME, (Caption("of one"),))
    (rows,) = assembly.take_complete()
    assert [frame.time_s for frame in rows.clips[0].frames] == [4.0]
    assert rows.clips[0].seen_together
