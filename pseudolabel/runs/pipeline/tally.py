"""What a start of a run has done so far."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields

from pseudolabel.runs.pipeline.profile import Timings
from pseudolabel.runs.storage.writer import VideoRows


@dataclass(slots=True)
class Tally(Timings):
    """What a start of a run has done so far; `caption_videos` gives the final one back."""

    total: int | None = None  # videos to do, where the inputs are few enough to be counted
    already_done: int = 0  # videos an earlier start had done
    videos: int = 0  # with at least one captioned clip
    clips: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # rows, by reason
    flags: Counter[str] = field(default_factory=Counter)  # clips, by flag of their own row
    rewritten: int = 0  # clips whose caption a language model wrote
    skipped_videos: int = 0  # videos without any captioned clip
    video_s: float = 0.0  # length of the captioned videos

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

    def merge(self, other: Tally) -> None:
        """Add what another process has done; what is of the whole run stays."""
        for told in fields(self):
            if told.name not in _OF_THE_WHOLE:
                setattr(self, told.name, getattr(self, told.name) + getattr(other, told.name))


_OF_THE_WHOLE = ("total", "already_done", "wall_s", "processes")
