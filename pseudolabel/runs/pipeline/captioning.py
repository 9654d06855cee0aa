"""From decoded frames to captioned videos: full batches across clips and videos."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

from pseudolabel.captioners.answers import Answer
from pseudolabel.captioners.preparing import PreparingCaptioner
from pseudolabel.captioners.protocol import Captioner, Refusal
from pseudolabel.records import Video
from pseudolabel.runs.floor import Vectors
from pseudolabel.runs.pipeline.assembly import Assembly, CaptionedVideo
from pseudolabel.runs.pipeline.feed import Feed, Step
from pseudolabel.runs.pipeline.profile import Timings
from pseudolabel.runs.pipeline.scoring import FrameScorer
from pseudolabel.videos.messages import VideoFinished
from pseudolabel.videos.pool import Event


def caption_events(
    events: Iterable[tuple[Video, Event]],
    captioner: Captioner,
    assembly: Assembly,
    timings: Timings,
    scorer: FrameScorer | None = None,
) -> Iterator[list[CaptionedVideo]]:
    """Caption the frames among the events; gives the videos that are complete.

    The captioner gets full batches whatever clips and videos their frames come from, but for the
    last. The next batch is gathered, and prepared where the captioner can do that ahead, while
    one is captioned. What is held at any time are these two, and the texts of videos in work.

    Args:
        events: What a `DecodePool` gives; read in a thread of its own.
        captioner: Captions batches of frames.
        assembly: Puts them together video by video.
        timings: Is added to.
        scorer: Compares texts with pictures, where asked for.

    Yields:
        After every batch and every video's end, the videos complete since; often none.
    """
    before_s = timings.ahead_s
    feed = Feed(events, captioner)
    try:
        while True:
            began_s = time.perf_counter()
            step = feed.take()
            timings.waiting_s += time.perf_counter() - began_s
            timings.ahead_s = before_s + feed.preparing_s
            if step is None:
                return
            for video, event in step.events:
                assembly.add_event(video, event)
                if isinstance(event, VideoFinished):
                    timings.decode_cpu_s += event.cpu_s
            if step.batch:
                _caption_batch(step, captioner, assembly, timings, scorer)
            del step  # the next batch may take its memory
            videos = assembly.take_complete()
            yield videos if scorer is None else _scored(videos, scorer, timings)
    finally:
        feed.close()


def _caption_batch(
    step: Step,
    captioner: Captioner,
    assembly: Assembly,
    timings: Timings,
    scorer: FrameScorer | None,
) -> None:
    batch = step.batch
    started_s = time.perf_counter()
    results = _captioned(step, captioner, timings)
    captioned_s = time.perf_counter()
    timings.captioning_s += captioned_s - started_s
    timings.frames += len(batch)
    pictures: Iterable[Vectors | None] = itertools.repeat(None, len(batch))
    if scorer is not None:
        pictures = scorer.pictures(batch, [assembly.shown_size(frame) for frame in batch])
        answers = [result for result in results if not isinstance(result, Refusal)]
        scorer.remember([caption.text for answer in answers for caption in answer])
        timings.scoring_s += time.perf_counter() - captioned_s
    for frame, result, picture in zip(batch, results, pictures, strict=True):
        assembly.add_captions(frame, result, picture)


def _captioned(step: Step, captioner: Captioner, timings: Timings) -> list[Answer]:
    if not isinstance(captioner, PreparingCaptioner):
        return captioner.caption(step.batch)
    before = replace(captioner.times)
    results = captioner.caption(step.batch, step.prepared)
    timings.preparing_s += captioner.times.preparing_s - before.preparing_s
    timings.generating_s += captioner.times.generating_s - before.generating_s
    timings.reading_s += captioner.times.reading_s - before.reading_s
    return results


def _scored(
    videos: list[CaptionedVideo], scorer: FrameScorer, timings: Timings
) -> list[CaptionedVideo]:
    started_s = time.perf_counter()
    scored = [scorer.scored(video) for video in videos]
    timings.scoring_s += time.perf_counter() - started_s
    return scored
