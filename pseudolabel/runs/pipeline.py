"""From decoded frames to captioned videos: full batches across clips and videos."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pseudolabel.captioners.protocol import Captioner, Refusal
from pseudolabel.records import Frame, Video
from pseudolabel.runs.assembly import Assembly, CaptionedVideo
from pseudolabel.runs.floor import Vectors
from pseudolabel.runs.scoring import FrameScorer
from pseudolabel.videos.messages import VideoFinished
from pseudolabel.videos.pool import Event


@dataclass(slots=True)
class Timings:
    """Where the time of a run went, in seconds."""

    captioning_s: float = 0.0  # inside the captioner
    scoring_s: float = 0.0  # inside the scorer
    decode_cpu_s: float = 0.0  # processor time of the decode workers
    frames: int = 0  # captioned


def caption_events(
    events: Iterable[tuple[Video, Event]],
    captioner: Captioner,
    assembly: Assembly,
    timings: Timings,
    scorer: FrameScorer | None = None,
) -> Iterator[list[CaptionedVideo]]:
    """Caption the frames among the events; gives the videos that are complete.

    The captioner gets full batches whatever clips and videos their frames come from, but for the
    last. What is held at any time is one batch of frames, and the texts of videos in work.

    Args:
        events: What a `DecodePool` gives.
        captioner: Captions batches of frames.
        assembly: Puts them together video by video.
        timings: Is added to.
        scorer: Compares texts with pictures, where asked for.

    Yields:
        After every batch and every video's end, the videos complete since; often none.
    """
    batch: list[Frame] = []

    def complete() -> list[CaptionedVideo]:
        videos = assembly.take_complete()
        return videos if scorer is None else _scored(videos, scorer, timings)

    for video, event in events:
        assembly.add_event(video, event)
        if isinstance(event, Frame):
            batch.append(event)
            if len(batch) >= captioner.batch_size:
                _caption_batch(batch, captioner, assembly, timings, scorer)
                batch = []
                yield complete()
        elif isinstance(event, VideoFinished):
            timings.decode_cpu_s += event.cpu_s
            yield complete()
    if batch:
        _caption_batch(batch, captioner, assembly, timings, scorer)
    yield complete()


def _caption_batch(
    batch: list[Frame],
    captioner: Captioner,
    assembly: Assembly,
    timings: Timings,
    scorer: FrameScorer | None,
) -> None:
    started_s = time.perf_counter()
    results = captioner.caption(batch)
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


def _scored(
    videos: list[CaptionedVideo], scorer: FrameScorer, timings: Timings
) -> list[CaptionedVideo]:
    started_s = time.perf_counter()
    scored = [scorer.scored(video) for video in videos]
    timings.scoring_s += time.perf_counter() - started_s
    return scored
