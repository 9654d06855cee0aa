"""The demo: a world with known truth through the production path, and how much came out right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.demo.files import read_truth, write_world
from pseudolabel.demo.transcripts import write_transcripts
from pseudolabel.runs.caption import caption_videos
from pseudolabel.runs.pipeline.tally import Tally
from pseudolabel.runs.show import find_rows

VIDEOS = 12


@dataclass(frozen=True, slots=True)
class ScoredClip:
    """A clip of the demo: what was said of its frame, and what is true of it."""

    video_id: str
    frame_time_s: float
    caption: str
    truth: str

    @property
    def is_right(self) -> bool:
        """Whether the caption is the true one, to the letter."""
        return self.caption == self.truth


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo did, and how its captions compare with the truth."""

    videos: str  # the folder of videos
    run: str  # the run folder
    transcripts: str  # the folder of what speakers could have said
    tally: Tally
    clips: tuple[ScoredClip, ...]

    @property
    def accuracy(self) -> float:
        """The share of clips with exactly the true caption."""
        return sum(clip.is_right for clip in self.clips) / len(self.clips)


def run_demo(out: str, *, on_progress: Callable[[Tally], None] | None = None) -> DemoResult:
    """Write the demo's videos, caption them with the demo captioner, and score the captions.

    Args:
        out: Folder for the videos, the truth, transcripts and the run; made if it is not there.
        on_progress: As for `caption_videos`.

    Raises:
        RunError: If `out` cannot be written.
    """
    videos, run = Path(out) / "videos", str(Path(out) / "run")
    transcripts = Path(out) / "transcripts"
    world = write_world(videos, VIDEOS)
    write_transcripts(transcripts, {video.video_id: video.truth for video in world})
    tally = caption_videos(
        [str(videos)], run, captioner=CaptionOptions(model="demo"), on_progress=on_progress
    )
    return DemoResult(str(videos), run, str(transcripts), tally, score_run(run, videos))


def score_run(run: str, videos: Path) -> tuple[ScoredClip, ...]:
    """Compare a run's captions with the truth beside the demo's videos.

    The truth is that of the captioned frame's own time, since a clip may hold several scenes.
    """
    truth = read_truth(videos)
    return tuple(
        ScoredClip(
            video_id=row["video_id"],
            frame_time_s=row["frame_time_s"],
            caption=row["caption"],
            truth=truth[row["video_id"]].caption_at(row["frame_time_s"]),
        )
        for row in find_rows(run)
    )
