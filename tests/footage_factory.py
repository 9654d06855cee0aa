"""Videos with a release of their clips, made for tests: every frame tells which it is.

Frame `n` of video `v` shows the number `1000 v + n`, so pixels alone say whether they are those of
the clip that they are said to be of.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pseudolabel.training.data.examples import Examples
from pseudolabel.training.data.loading import Batch, Tally, checked, everything, make_loader
from pseudolabel.training.data.options import DataOptions, Mix
from pseudolabel.training.data.order import BatchSampler, Order
from release_factory import Row, clip_row
from video_factory import make_video, numbered_picture, read_number

FPS = 10
CLIP_S = 2.0
CLIPS = 2  # of each video
VIDEOS = 4  # as a rule
SIZE = (64, 48)
FRAMES = 4  # of each clip, that examples have


def video_id(video: int) -> str:
    """The id of a video."""
    return f"world-{video:02d}.mp4"


def make_footage(root: Path, videos: int) -> Path:
    """A folder of small videos, of two clips each."""
    root.mkdir(parents=True, exist_ok=True)
    frames = round(FPS * CLIP_S * CLIPS)
    for video in range(videos):
        make_video(
            root / video_id(video),
            fps=FPS,
            seconds=CLIP_S * CLIPS,
            size=SIZE,
            gop=20,
            pictures=[numbered_picture(1000 * video + n, SIZE) for n in range(frames)],
        )
    return root


def footage_rows(videos: int, **changes: object) -> list[Row]:
    """The rows of a release of those videos."""
    return [
        clip_row(
            video_id(video),
            clip,
            **{
                "start_s": clip * CLIP_S,
                "end_s": (clip + 1) * CLIP_S,
                "video_end_s": CLIPS * CLIP_S,
                **changes,
            },
        )
        for video in range(videos)
        for clip in range(CLIPS)
    ]


def frame_numbers(pixels: NDArray[np.uint8]) -> list[int]:
    """The numbers in the frames of a clip, uint8 RGB `(T, H, W, 3)`."""
    return [read_number(frame) for frame in pixels]


def expected_numbers(key: str, frames: int) -> list[int]:
    """The numbers that the frames of a clip should have, given its key `VIDEO_ID#INDEX`."""
    name, _, index = key.partition("#")
    video = int(name.removeprefix("world-").removesuffix(".mp4"))
    step_s = CLIP_S / frames
    times_s = [int(index) * CLIP_S + (n + 0.5) * step_s for n in range(frames)]
    return [1000 * video + int(time_s * FPS + 1e-6) for time_s in times_s]


def data_options(data: str, videos: Path | str, **changes: Any) -> DataOptions:
    """Small frames, nothing held out, no process beside; keywords replace that."""
    given: dict[str, Any] = {"frames": FRAMES, "frame_size": 32, "validation": 0.0, "workers": 0}
    return DataOptions(data=data, videos=str(videos), **{**given, **changes})


def all_of(examples: Examples) -> dict[str, Any]:
    """Every clip's example, by its key."""
    picks = [pick for batch in everything(examples, "video", 3) for pick in batch]
    return {example["id"]: example for example in map(examples.__getitem__, picks)}


def order_of(examples: Examples, seed: int = 0) -> Order:
    """Batches of four clips."""
    return Order(examples.sizes, Mix.parse("video=1"), batch_size=4, seed=seed)


def batches_of(
    examples: Examples, *, workers: int = 0, first: int = 0, count: int = 6
) -> list[Batch]:
    """Some batches of `order_of`."""
    sampler = BatchSampler(order_of(examples), first=first, count=count)
    return list(checked(make_loader(examples, sampler, workers=workers), Tally()))
