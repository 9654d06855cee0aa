"""`pseudolabel demo`: see it work, with nothing downloaded."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from rich.table import Table
from rich.text import Text

from ._progress import progress_bar
from ._shared import echo_json, option, stdout, visible
from ._summary import summary_lines, summary_object

EXAMPLES = 5


def demo(
    out: Annotated[str, option(help="Folder for the videos and the run.")] = "demo",
    as_json: Annotated[bool, option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Make a small world of videos, caption it, and compare with the truth.

    Nothing is downloaded: the demo captioner ships with the package.

    Example: pseudolabel demo --out demo
    """
    from pseudolabel.demo.run import run_demo

    with progress_bar() as on_progress:
        result = run_demo(out, on_progress=on_progress)
    right = sum(clip.is_right for clip in result.clips)
    if as_json:
        summary = summary_object(result.tally, result.run)
        wrong = [asdict(clip) for clip in result.clips if not clip.is_right]
        echo_json({**summary, "videos_folder": result.videos, "right": right, "wrong": wrong})
        return
    console = stdout()
    for line in summary_lines(result.tally, result.run):
        console.print(Text(visible(line)))
    share = f"{right} of {len(result.clips)} clips ({result.accuracy:.1%})"
    console.print(f"  exactly the true caption: {share}\n")
    table = Table("video", "second", "caption", "truth", box=None)
    wrong_first = sorted(result.clips, key=lambda clip: clip.is_right)
    for clip in wrong_first[:EXAMPLES]:
        truth = "the same" if clip.is_right else clip.truth
        table.add_row(clip.video_id, f"{clip.frame_time_s:.2f}", clip.caption, truth)
    console.print(table)
    console.print(
        Text(
            f"\nLook next: the videos in {visible(result.videos)}, and\n"
            f"  pseudolabel show {visible(result.run)}\n"
            f"  pseudolabel compare {visible(result.run)} "
            f"--transcripts {visible(result.transcripts)} --scorer demo\n"
            "  pseudolabel caption my_videos --out run"
        )
    )
