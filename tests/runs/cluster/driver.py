"""A run on a Ray of its own, in a process of its own, for others to end: IN OUT."""

from __future__ import annotations

import sys

from pseudolabel.runs.caption import caption_videos
from pseudolabel.runs.options import RayOptions, RunOptions
from pseudolabel.runs.pipeline.tally import Tally
from pseudolabel.videos.options import ClipOptions, FrameOptions
from reading_captioner import ReadingCaptioner


def say_clips(tally: Tally) -> None:
    print(tally.clips, flush=True)


caption_videos(
    [sys.argv[1]],
    sys.argv[2],
    clips=ClipOptions(length_s=0.4, min_clip_s=0.0),
    frames=FrameOptions(snap="exact"),
    captioner=ReadingCaptioner(batch_size=3),
    run=RunOptions(ray=RayOptions(workers=1)),
    on_progress=say_clips,
)
