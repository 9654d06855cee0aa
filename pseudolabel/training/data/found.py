"""What there is to learn from, and what was left out: nothing vanishes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pseudolabel.training.data.source import Source

MOST_NAMED = 10  # of what is missing; the rest is counted


@dataclass(frozen=True, slots=True)
class Named:
    """What something is wrong with: how many there are, and the first of them."""

    count: int = 0
    first: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: Sequence[str]) -> Named:
        """Some names, of which a million may be missing."""
        return cls(len(names), tuple(names[:MOST_NAMED]))

    def __str__(self) -> str:
        rest = self.count - len(self.first)
        return ", ".join(self.first) + (f" and {rest:,} more" if rest else "")


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to learn from, and what was left out."""

    source: Source | None = None
    split: str = "train"
    clips: int = 0  # in the data
    clips_used: int = 0
    clips_without_text: int = 0  # of the videos that are there
    clips_without_frames: int = 0  # of the videos that are there, where frames were taken before
    videos: int = 0  # with clips in the split
    missing_videos: Named = Named()  # ids of those without a file
    unclear_videos: Named = Named()  # of these, with several files that may be it
    without_transcript: int = 0  # videos
    unreadable_transcripts: Named = Named()  # files, and why
    images: int = 0
    images_commit: str | None = None  # of a dataset on the Hub
    images_without_text: int = 0
    unreadable_images: Named = Named()  # tars, and why

    def lines(self) -> list[str]:
        """What the user should know, a line each."""
        told = []
        if self.source is not None:
            told.append(
                f"{self.source.name}: {self.clips_used:,} of {self.clips:,} clips of the split "
                f"{self.split!r} are learned from"
            )
        if self.missing_videos.count:
            told.append(
                f"{self.missing_videos.count:,} of {self.videos:,} videos are missing: "
                f"{self.missing_videos}"
            )
        if self.unclear_videos.count:
            told.append(
                f"of these, {self.unclear_videos.count:,} may be any of several files: "
                f"{self.unclear_videos}"
            )
        if self.clips_without_frames:
            told.append(f"{self.clips_without_frames:,} clips have no frames, and are left out")
        if self.without_transcript:
            told.append(f"{self.without_transcript:,} videos have no transcript")
        for kind, unreadable in (
            ("transcripts", self.unreadable_transcripts),
            ("tars of images", self.unreadable_images),
        ):
            if unreadable.count:
                told.append(f"{unreadable.count:,} {kind} cannot be read to the end: {unreadable}")
        if self.clips_without_text:
            told.append(f"{self.clips_without_text:,} clips have no text, and are left out")
        if self.images:
            told.append(f"{self.images:,} images are learned from")
        if self.images_without_text:
            told.append(f"{self.images_without_text:,} images have no caption, and are left out")
        return told
