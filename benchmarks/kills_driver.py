"""A run to be killed: `python -m benchmarks.kills_driver VIDEOS OUT LOG COST_S [RAY_ADDRESS]`."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.number_captioner import NumberCaptioner
from pseudolabel import ClipOptions, FrameOptions, RunOptions, caption_videos
from pseudolabel.runs.options import RayOptions


def main() -> None:
    """Caption; every finished video is committed at once, or every shard with Ray."""
    given, out, log, cost_s, *address = sys.argv[1:]
    ray = RayOptions(address=address[0], workers=1) if address else None
    caption_videos(
        [given],
        out,
        clips=ClipOptions(length_s=1.0, min_clip_s=0.5),
        frames=FrameOptions(snap="exact"),
        captioner=NumberCaptioner(Path(log), float(cost_s)),
        run=RunOptions(workers=2, commit_every_s=0, ray=ray),
    )


if __name__ == "__main__":
    main()
