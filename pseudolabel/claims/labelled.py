"""Captions that are given, as a run: what people said of videos, to learn from and to test on.

The ordinary pipeline opens the videos and writes the run; where it would ask a captioner, the
references answer. So what is broken, missing or too short is found and told as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from pseudolabel.captioners.protocol import CaptionerIdentity, Refusal
from pseudolabel.errors import InputError, OptionError
from pseudolabel.evaluation.metrics.references import References, read_references
from pseudolabel.files import hash_file
from pseudolabel.records import Caption, Frame, FrameSize
from pseudolabel.runs.caption import caption_videos
from pseudolabel.runs.pipeline.tally import Tally
from pseudolabel.videos.options import ClipOptions, FrameOptions

_LOOKED_AT = FrameSize(32, 32)  # nobody sees the frames; that they decode is what counts
_FRAMES_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Labelled:
    """Videos and what people said of them.

    Raises:
        OptionError: If there is no such way to cut videos.
    """

    references: str  # MSR-VTT's, MSVD's or VATEX's file, or any other that `evaluate` reads
    videos: str  # a folder; the references of videos that are not in it are left out
    clips: str = "whole"  # or `fixed:2`, where references are of clips, `VIDEO#3`

    def __post_init__(self) -> None:
        if ClipOptions.parse(self.clips).mode not in ("whole", "fixed"):
            raise OptionError(
                f"clips = {self.clips!r}: references are of whole videos, or of their fixed clips",
                hint="whole, or fixed:SECONDS",
            )


class KnownCaptions:
    """A captioner that has been told: all references of a clip are its samples.

    Args:
        references: By `VIDEO#CLIP` or by video; a video is named by its id, or by its file's name
            with or without the suffix.
        revision: Of the references, for the run's manifest.
    """

    frame_size = _LOOKED_AT
    batch_size = largest_batch = _FRAMES_AT_ONCE

    def __init__(self, references: References, revision: str) -> None:
        self._captions = references.captions
        self.identity = CaptionerIdentity(
            model=PurePath(references.path).name,
            revision=revision,
            backend="references",
            architecture="",
            prompt=None,
            decoding="given",
            max_new_tokens=0,
            dtype="",
        )

    def caption(self, frames: Sequence[Frame]) -> list[tuple[Caption, ...] | Refusal]:
        """What was said of the clips of these frames; a refusal where nothing was."""
        return [self._of(frame) for frame in frames]

    def _of(self, frame: Frame) -> tuple[Caption, ...] | Refusal:
        path = PurePath(frame.video_id)
        names = (frame.video_id, str(path.with_suffix("")), path.name, path.stem)
        for key in (*(f"{name}#{frame.clip_index}" for name in names), *names):
            if key in self._captions:
                return tuple(Caption(text) for text in self._captions[key])
        return Refusal("the references say nothing of it")

    def close(self) -> None:
        """It holds nothing."""


def label_videos(labelled: Labelled, out: str) -> Tally:
    """Write a run of the clips of videos, with their references as captions.

    `train --text samples` then takes one of them at random at each step. Started again, it goes
    on where it stopped.

    Raises:
        InputError: If the references cannot be read, or say nothing of any of the videos.
        RunError: If the run cannot be written.
    """
    references = read_references(labelled.references)
    captioner = KnownCaptions(references, hash_file(Path(labelled.references)))
    tally = caption_videos(
        [labelled.videos],
        out,
        clips=ClipOptions.parse(labelled.clips, min_clip_s=0.0),
        frames=FrameOptions(1),
        captioner=captioner,
    )
    if not tally.clips and not tally.already_done:
        raise InputError(
            f"{labelled.references}: says nothing of the videos in {labelled.videos}",
            hint="videos are named by the references' ids, such as "
            + ", ".join(sorted(references.captions)[:3]),
        )
    return tally
