"""Batches one ahead: what is held, what wakes the captioner, and what ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
import pytest

from pseudolabel.captioners.preparing import CaptionTimes, Prepared
from pseudolabel.records import Frame, Skipped, SkipReason, Video, VideoInfo
from pseudolabel.runs.pipeline import feed as feeding
from pseudolabel.runs.pipeline.feed import Feed, Step, VideoEvent
from pseudolabel.videos.decode import VideoOpened
from pseudolabel.videos.messages import VideoFinished
from reading_captioner import ReadingCaptioner, ReadingClipCaptioner

VIDEO = Video("a", "/a.mp4")
INFO = VideoInfo(640, 360, "h264", "yuv420p", 0, 25.0, 8.0, 0.0, 8.0)
FAILURE = Skipped("a", "/a.mp4", "decode", SkipReason.DECODER_CRASHED, "the decode worker died")
FINISHED: VideoEvent = (VIDEO, VideoFinished(cpu_s=0.0))


def frame(number: int) -> VideoEvent:
    return VIDEO, Frame("a", number, 0, float(number), True, np.zeros((2, 2, 3), np.uint8))


@pytest.fixture
def feed() -> Iterator[Callable[..., Feed]]:
    """Starts feeds, and closes them."""
    started: list[Feed] = []

    def start(events: Iterable[VideoEvent], captioner: Any = None, batch_size: int = 3) -> Feed:
        started.append(Feed(events, captioner or ReadingCaptioner(batch_size)))
        return started[-1]

    yield start
    for each in started:
        each.close()


def steps(running: Feed) -> Iterator[Step]:
    while (step := running.take()) is not None:
        yield step


def clips(batch: Sequence[Frame]) -> list[int]:
    return [frame.clip_index for frame in batch]


def test_batches_are_full_but_for_the_last_and_events_keep_their_order(
    feed: Callable[..., Feed],
) -> None:
    events = [*map(frame, range(4)), FINISHED, *map(frame, range(4, 8)), FINISHED]
    taken = list(steps(feed(events)))
    assert [clips(step.batch) for step in taken if step.batch] == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert [event for step in taken for event in step.events] == events


def test_a_batch_comes_no_earlier_than_its_frames_among_the_events(
    feed: Callable[..., Feed],
) -> None:
    seen: list[int] = []
    for step in steps(feed([*map(frame, range(20)), FINISHED])):
        seen += [e.clip_index for _, e in step.events if isinstance(e, Frame)]
        assert set(clips(step.batch)) <= set(seen)


def test_it_reads_one_batch_ahead_and_no_further(feed: Callable[..., Feed]) -> None:
    read = 0
    third = threading.Event()

    def events() -> Iterator[VideoEvent]:
        nonlocal read
        for number in range(30):
            if number == 3:
                third.set()  # somebody asked for more than a batch
            read += 1
            yield frame(number)

    running = feed(events())
    taken = running.take()
    assert taken is not None
    assert clips(taken.batch) == [0, 1, 2]
    assert third.wait(30), "the next batch is gathered while this one is captioned"
    second = running.take()
    assert second is not None
    assert read <= 9, "one batch ahead of the one that was taken"


def test_the_end_of_a_video_is_told_before_the_next_batch_is_full(
    feed: Callable[..., Feed],
) -> None:
    told = threading.Event()

    def events() -> Iterator[VideoEvent]:
        yield frame(0)
        yield FINISHED
        assert told.wait(30), "the step must not wait for what comes after it"
        yield frame(1)

    running = feed(events())
    step = running.take()
    assert step is not None
    assert FINISHED in step.events
    assert not step.batch
    told.set()
    assert [clips(step.batch) for step in steps(running)][-1] == [0, 1]


def test_a_flood_of_events_is_bounded(
    feed: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "EVENTS_HELD", 10)
    taken = list(steps(feed([FINISHED] * 95)))
    assert max(len(step.events) for step in taken) <= 10
    assert sum(len(step.events) for step in taken) == 95


def test_what_reading_raises_comes_after_the_steps_before_it(feed: Callable[..., Feed]) -> None:
    def events() -> Iterator[VideoEvent]:
        yield from map(frame, range(3))
        raise OSError("the list broke off")

    running = feed(events())
    step = running.take()
    assert step is not None
    assert clips(step.batch) == [0, 1, 2]
    with pytest.raises(OSError, match="broke off"):
        running.take()


def test_closed_it_reads_no_further(feed: Callable[..., Feed]) -> None:
    ended = threading.Event()

    def events() -> Iterator[VideoEvent]:
        try:
            while True:
                yield FINISHED
        finally:
            ended.set()

    running = feed(events())
    running.take()
    running.close()
    assert ended.wait(30)


def test_a_captioner_that_prepares_gets_what_it_prepared(feed: Callable[..., Feed]) -> None:
    class Preparing(ReadingCaptioner):
        times = CaptionTimes()

        def prepare(self, frames: Sequence[Frame]) -> Prepared:
            return Prepared(tuple(clips(frames)))  # type: ignore[arg-type]  # any token will do

        def caption(self, frames: Sequence[Frame], prepared: Any = None) -> Any:
            raise NotImplementedError

    for step in steps(feed(map(frame, range(7)), Preparing(batch_size=3))):
        prepared: Any = step.prepared
        if step.batch:
            assert prepared.pixels == tuple(clips(step.batch))


def frames_of(video: Video, clip: int, count: int = 3) -> list[VideoEvent]:
    pixels = np.zeros((2, 2, 3), np.uint8)
    return [
        (video, Frame(video.video_id, clip, at, 3.0 * clip + at, True, pixels))
        for at in range(count)
    ]


def watched(running: Feed) -> list[list[tuple[str, int, int]]]:
    """Of each batch: video, clip and position of its frames."""
    return [
        [(frame.video_id, frame.clip_index, frame.position) for frame in step.batch]
        for step in steps(running)
        if step.batch
    ]


def test_clips_are_not_torn_however_their_videos_mix(feed: Callable[..., Feed]) -> None:
    a, b = Video("a", "/a.mp4"), Video("b", "/b.mp4")
    of_a = [*frames_of(a, 0), *frames_of(a, 1, count=1), *frames_of(a, 2), (a, VideoFinished(0.0))]
    of_b = [*frames_of(b, 0), *frames_of(b, 1), (b, VideoFinished(0.0))]
    mixed = [event for pair in zip_longest(of_a, of_b) for event in pair if event is not None]
    batches = watched(feed(mixed, ReadingClipCaptioner(batch_size=2)))
    assert [len({frame[:2] for frame in batch}) for batch in batches] == [2, 2, 1], "clips"
    whole = {("a", 0): 3, ("a", 1): 1, ("a", 2): 3, ("b", 0): 3, ("b", 1): 3}
    for batch in batches:
        for clip in dict.fromkeys(frame[:2] for frame in batch):
            places = [at for at, frame in enumerate(batch) if frame[:2] == clip]
            assert places == list(range(places[0], places[0] + whole[clip])), "side by side"
            assert [batch[at][2] for at in places] == list(range(whole[clip]))


def test_what_a_lost_try_had_of_a_clip_is_forgotten(feed: Callable[..., Feed]) -> None:
    opened: VideoEvent = (VIDEO, VideoOpened(INFO, ()))
    lost, again = frames_of(VIDEO, 0, count=2), frames_of(VIDEO, 0)
    given_up: VideoEvent = (VIDEO, VideoFinished(0.0, FAILURE))
    events = [opened, *lost, opened, *again, FINISHED, opened, *frames_of(VIDEO, 7), given_up]
    assert watched(feed(events, ReadingClipCaptioner())) == [[("a", 0, at) for at in range(3)]]
