"""One share of a run, in a process of its own: IN OUT SHARE."""

from __future__ import annotations

import sys

from pseudolabel.runs.caption import caption_videos
from pseudolabel.runs.options import RunOptions, Share
from pseudolabel.videos.options import ClipOptions, FrameOptions
from reading_captioner import ReadingCaptioner

caption_videos(
    [sys.argv[1]],
    sys.argv[2],
    clips=ClipOptions(length_s=0.4, min_clip_s=0.0),
    frames=FrameOptions(snap="exact"),
    captioner=ReadingCaptioner(batch_size=3),
    run=RunOptions(workers=1, commit_every_s=0, share=Share.parse(sys.argv[3])),
)
