"""From decoded frames to captioned videos: full batches across clips and videos."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pseudolabel.captioners.protocol import Captioner
from pseudolabel.records import Frame, Video
from pseudolabel.runs.assembly import Assembly
from pseudolabel.runs.writer import VideoRows
from pseudolabel.videos.messages import VideoFinished
from pseudolabel.videos.pool import Event


@dataclass(slots=True)
class Timings:
    """Where the time of a run went, in seconds."""

    captioning_s: float = 0.0  # inside the captioner
    decode_cpu_s: float = 0.0  # processor time of the decode workers
    frames: int = 0  # captioned


def caption_events(
    events: Iterable[tuple[Video, Event]],
    captioner: Captioner,
    assembly: Assembly,
    timings: Timings,
) -> Iterator[list[VideoRows]]:
    """Caption the frames among the events; gives the videos that are complete.

    The captioner gets full batches whatever clips and videos their frames come from, but for the
    last. What is held at any time is one batch of frames, and the texts of videos in work.

    Args:
        events: What a `DecodePool` gives.
        captioner: Captions batches of frames.
        assembly: Puts them together video by video.
        timings: Is added to.

    Yields:
        After every batch and every video's end, the videos complete since; often none.
    """
    batch: list[Frame] = []
    for video, event in events:
        assembly.add_event(video, event)
        if isinstance(event, Frame):
            batch.append(event)
            if len(batch) >= captioner.batch_size:
                _caption_batch(batch, captioner, assembly, timings)
                batch = []
                yield assembly.take_complete()
        elif isinstance(event, VideoFinished):
            timings.decode_cpu_s += event.cpu_s
            yield assembly.take_complete()
    if batch:
        _caption_batch(batch, captioner, assembly, timings)
    yield assembly.take_complete()


def _caption_batch(
    batch: list[Frame], captioner: Captioner, assembly: Assembly, timings: Timings
) -> None:
    started_s = time.perf_counter()
    results = captioner.caption(batch)
    timings.captioning_s += time.perf_counter() - started_s
    timings.frames += len(batch)
    for frame, result in zip(batch, results, strict=True):
        assembly.add_captions(frame, result)
