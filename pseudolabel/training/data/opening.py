"""From the options to examples: data read, matched with videos and texts, and counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pseudolabel.errors import InputError
from pseudolabel.training.data.clips import TRAIN, Clips, read_clips, with_speech, with_text
from pseudolabel.training.data.examples import Examples
from pseudolabel.training.data.footage import Footage, VideoFootage, find_videos
from pseudolabel.training.data.found import Found, Named
from pseudolabel.training.data.frame_folder import is_frame_folder
from pseudolabel.training.data.frame_footage import FrameFootage
from pseudolabel.training.data.image_sources import open_images

if TYPE_CHECKING:
    from pseudolabel.training.data.options import DataOptions


def open_examples(
    options: DataOptions, split: str = TRAIN, *, is_training: bool | None = None
) -> tuple[Examples, Found]:
    """What there is to learn from.

    Args:
        options: All of them.
        split: "train", "validation", or another one of the release; images are in "train" alone.
        is_training: Whether pictures are augmented and texts drawn; None: in "train".

    Raises:
        InputError: If there is no clip, no video of any clip, no text, or no image.
        OptionError, ReleaseError, RunError, HubError: If the data cannot be read.
    """
    training = split == TRAIN if is_training is None else is_training
    clips, footage, found = None, None, Found(split=split)
    if options.data is not None:
        clips, footage, found = _open_clips(options, split)
    images = None
    if options.images is not None and split == TRAIN:
        images = open_images(options.images)
        found = replace(
            found,
            images=len(images),
            images_commit=images.commit,
            images_without_text=images.without_text,
            unreadable_images=Named.of([": ".join(one) for one in images.unreadable]),
        )
    examples = Examples(options, clips=clips, footage=footage, images=images, is_training=training)
    return examples, found


def _open_clips(options: DataOptions, split: str) -> tuple[Clips, Footage, Found]:
    clips = read_clips(options, split)
    videos = np.unique(clips.video)
    footage, missing, unclear = _open_footage(options, clips)
    has = footage.has(clips)
    there = clips.kept(has)
    found = Found(
        source=clips.source,
        split=split,
        clips=len(clips),
        videos=len(videos),
        missing_videos=Named.of(missing),
        unclear_videos=Named.of(unclear),
        clips_without_frames=int((~has & np.isin(clips.video, there.video)).sum()),
    )
    if not len(there):
        raise InputError(
            f"{options.videos or options.data}: there is none of the {len(videos):,} videos of "
            f"{options.data}, such as {clips.video_ids[videos[0]]!r}",
            hint="--videos is the folder that was captioned, or one with files of the same names",
        )
    if options.transcripts is not None:
        there, source = with_speech(there, options.transcripts)
        found = replace(
            found,
            without_transcript=len(source.missing),
            unreadable_transcripts=Named.of([": ".join(one) for one in source.unreadable]),
        )
    used = with_text(there)
    if not len(used):
        raise InputError(
            f"{options.data}: no clip of the split {split!r} has a text",
            hint="with --text asr: are the transcripts those of these videos?",
        )
    without = len(there) - len(used)
    return used, footage, replace(found, clips_used=len(used), clips_without_text=without)


def _open_footage(
    options: DataOptions, clips: Clips
) -> tuple[Footage, tuple[str, ...], tuple[str, ...]]:
    """The pixels; and the videos that are missing, and those of which it is not clear."""
    if options.videos is not None and is_frame_folder(options.videos):
        frames = FrameFootage(Path(options.videos), clips, frames=options.frames, fit=options.fit)
        there = np.unique(clips.video[frames.has(clips)])
        return frames, _ids(clips, np.setdiff1d(clips.video, there)), ()
    matched = find_videos(clips, options.videos)
    footage = VideoFootage(
        matched.sources,
        frames=options.frames,
        size=options.picture_size,
        timeout_s=options.clip_timeout_s,
    )
    is_missing = np.array([source is None for source in matched.sources], bool)
    missing = _ids(clips, np.unique(clips.video[is_missing[clips.video]]))
    wanted = set(missing)
    return footage, missing, tuple(video for video in matched.unclear if video in wanted)


def _ids(clips: Clips, videos: NDArray[np.int32]) -> tuple[str, ...]:
    return tuple(clips.video_ids[video] for video in videos)
