"""What a start of a run has done so far."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pseudolabel.runs.writer import VideoRows


@dataclass(slots=True)
class Tally:
    """What a start of a run has done so far; `caption_videos` gives the final one back."""

    total: int | None = None  # videos to do, where the inputs are few enough to be counted
    already_done: int = 0  # videos an earlier start had done
    videos: int = 0  # with at least one captioned clip
    clips: int = 0
    frames: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # rows, by reason
    flags: Counter[str] = field(default_factory=Counter)  # clips, by flag of their own row
    rewritten: int = 0  # clips whose caption a language model wrote
    skipped_videos: int = 0  # videos without any captioned clip
    video_s: float = 0.0  # length of the captioned videos
    wall_s: float = 0.0  # from the first decode to the last commit
    captioning_s: float = 0.0  # of it, inside the captioner
    scoring_s: float = 0.0  # of it, inside the scorer
    decode_cpu_s: float = 0.0  # processor time of the decode workers

    def add(self, rows: VideoRows) -> None:
        """Count one finished video."""
        self.clips += len(rows.clips)
        self.videos += bool(rows.clips)
        self.skipped_videos += not rows.clips
        self.skipped.update(row.reason.value for row in rows.skipped)
        self.flags.update(flag.value for clip in rows.clips for flag in clip.flags)
        self.rewritten += sum(clip.is_rewritten for clip in rows.clips)
        if rows.clips:
            info = rows.clips[0].clip.info
            self.video_s += info.end_s - info.first_frame_s
