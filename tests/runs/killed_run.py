"""A run over the tests' videos in a process of its own, for others to kill: IN OUT [commits]."""

from __future__ import annotations

import sys

from pseudolabel.runs.caption import caption_videos
from pseudolabel.runs.options import RunOptions
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
    run=RunOptions(workers=2, commit_every_s=0),
    on_progress=say_clips,
)
