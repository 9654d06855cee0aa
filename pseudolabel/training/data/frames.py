"""`frames`: the frames of all clips taken out of their videos once, as JPEGs in tars."""

from __future__ import annotations

import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pseudolabel.errors import InputError, OptionError, RunError
from pseudolabel.files import explained, take_lock, write_whole
from pseudolabel.records import FrameSize
from pseudolabel.runs.cores import usable_cores
from pseudolabel.training.data.clips import Clips, read_all_clips
from pseudolabel.training.data.footage import VideoFootage, find_videos
from pseudolabel.training.data.frame_folder import (
    FORMAT_VERSION,
    MANIFEST,
    is_frame_folder,
    read_frame_manifest,
    reasons_of,
    table_path,
)
from pseudolabel.training.data.frame_tars import Taken, write_tar
from pseudolabel.training.data.options import MOST_TIMEOUT_S, Fit
from pseudolabel.training.data.pictures import fitted
from pseudolabel.videos.signals import VideoSkippedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class FramesOptions:
    """Which frames, and how they are kept."""

    frames: int = 8  # of each clip, evenly spread
    size: int = 224  # pixels, of the square that is kept
    fit: Fit = "stretch"  # the whole picture, or its middle; as in `DataOptions`
    quality: int = 90  # of the JPEGs
    clips_per_tar: int = 2000
    workers: int = field(default_factory=usable_cores)  # decode processes
    clip_timeout_s: float = 60.0  # a clip that takes longer to decode is left out

    def __post_init__(self) -> None:
        for name, least, most, usual in (
            ("frames", 1, 1000, 8),
            ("size", 16, 4096, 224),
            ("quality", 1, 100, 90),
            ("clips_per_tar", 1, 1_000_000, 2000),
            ("workers", 1, 1024, 2),
        ):
            if not least <= getattr(self, name) <= most:
                option = name.replace("_", "-")
                raise OptionError(
                    f"--{option} {getattr(self, name)}: must be {least} to {most}",
                    hint=f"--{option} {usual}",
                )
        if self.fit not in get_args(Fit):
            raise OptionError(f"--fit {self.fit}: not a way to fit", hint="one of: stretch, crop")
        if not 0 < self.clip_timeout_s <= MOST_TIMEOUT_S:
            raise OptionError(
                f"--clip-timeout {self.clip_timeout_s:g}: must be above 0, and "
                f"{MOST_TIMEOUT_S:g} or less",
                hint="60 seconds",
            )


@dataclass(slots=True)
class FramesTally:
    """What was done."""

    clips: int = 0  # in the data
    done: int = 0  # clips that have frames, or never will
    already_done: int = 0  # of these, by an earlier start
    taken: int = 0  # clips whose frames this start wrote
    tars: int = 0  # written
    bytes: int = 0  # written
    wall_s: float = 0.0
    skipped: Counter[str] = field(default_factory=Counter)  # all clips without frames, by reason


def extract_frames(
    data: str,
    out: str,
    options: FramesOptions | None = None,
    *,
    videos: str | None = None,
    on_progress: Callable[[FramesTally], None] | None = None,
) -> FramesTally:
    """Take the frames of all clips of a release or run out of their videos.

    A tar is there whole or not at all, and one that is there is not made again: interrupted, the
    same call goes on from there. A clip that cannot be decoded is a row with the reason.

    Args:
        data: A release or run here, or `USER/REPO[@1.2.0]`.
        out: The folder; `open_examples` takes it in place of the folder of videos.
        options: Which frames.
        videos: The folder of the videos; None: where the data says they are.
        on_progress: Called with the tally so far, after every clip.

    Raises:
        InputError: If there is no clip, or no video of any clip.
        OptionError, ReleaseError, HubError: If the data cannot be read.
        RunError: If `out` cannot be written, is in use, or was made from other clips or with
            other options.
    """
    options = options or FramesOptions()
    clips = read_all_clips(data)
    sources = find_videos(clips, videos).sources
    if not any(sources):
        raise InputError(
            f"{videos or data}: there is none of the {len(clips.video_ids):,} videos of {data}, "
            f"such as {clips.video_ids[0]!r}",
            hint="--videos is the folder that was captioned, or one with files of the same names",
        )
    folder = Path(out)
    tally = FramesTally(clips=len(clips))
    with explained(out, RunError):
        folder.mkdir(parents=True, exist_ok=True)
        busy = RunError(f"{out}: another process writes to it", hint="wait for it")
        lock = take_lock(folder / ".lock", busy=busy)
    with lock:
        _begin(folder, clips, options)
        _write_all(folder, clips, _reader(sources, options), options, tally, on_progress)
    return tally


def _begin(folder: Path, clips: Clips, options: FramesOptions) -> None:
    """Write the manifest; or see that the one there says the same.

    Raises:
        RunError: If it does not.
    """
    described = {
        "--frames": options.frames,
        "--size": options.size,
        "--fit": options.fit,
        "--quality": options.quality,
        "--clips-per-tar": options.clips_per_tar,
    }
    clips_sha256 = clips.fingerprint()
    if is_frame_folder(str(folder)):
        there = read_frame_manifest(folder)
        for name, value in described.items():
            if there["options"][name] != value:
                raise RunError(
                    f"{folder}: was begun with {name} {there['options'][name]}, not {value}",
                    hint=f"{name} {there['options'][name]} goes on there; or choose another --out",
                )
        if there["clips_sha256"] != clips_sha256:
            raise RunError(
                f"{folder}: was begun with the clips of {there['data']['name']}; these are others",
                hint="choose another --out",
            )
        return
    source = clips.source
    manifest = {
        "format_version": FORMAT_VERSION,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": {
            "name": source.name,
            "version": source.version,
            "commit": source.commit,
            "manifest_sha256": source.manifest_sha256,
            "run": source.run,
        },
        "options": described,
        "clips": len(clips),
        "clips_sha256": clips_sha256,
    }
    with explained(folder, RunError):
        write_whole(folder / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())


def _reader(
    sources: tuple[str | None, ...], options: FramesOptions
) -> Callable[[Clips, int], list[bytes]]:
    """What reads a clip's frames as JPEGs, in any thread: each has a decode process."""
    own = threading.local()
    size = FrameSize(options.size, options.size, "stretch" if options.fit == "stretch" else "cover")

    def read(clips: Clips, clip: int) -> list[bytes]:
        if not hasattr(own, "footage"):
            own.footage = VideoFootage(
                sources, frames=options.frames, size=size, timeout_s=options.clip_timeout_s
            )
        pixels = own.footage.read(clips, clip)
        pictures = fitted(pixels, options.size, fit=options.fit)
        return [_jpeg(picture, options.quality) for picture in pictures]

    return read


def _jpeg(frame: NDArray[np.uint8], quality: int) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _write_all(
    folder: Path,
    clips: Clips,
    read: Callable[[Clips, int], list[bytes]],
    options: FramesOptions,
    tally: FramesTally,
    on_progress: Callable[[FramesTally], None] | None,
) -> None:
    started_s = time.perf_counter()

    def counted(taken: Iterable[Taken]) -> Iterator[Taken]:
        for one in taken:
            yield one
            tally.done += 1
            tally.wall_s = time.perf_counter() - started_s
            if on_progress is not None:
                on_progress(tally)

    pool = ThreadPoolExecutor(options.workers)
    try:
        for number in range(-(-len(clips) // options.clips_per_tar)):
            first = number * options.clips_per_tar
            rows = range(first, min(first + options.clips_per_tar, len(clips)))
            if table_path(folder, number).is_file():
                tally.done += len(rows)
                tally.already_done += len(rows)
                tally.skipped += reasons_of(folder, number)
                continue
            taken = pool.map(partial(_taken, read, clips), rows)
            size, skipped = write_tar(folder, number, clips, rows, counted(taken))
            tally.tars += 1
            tally.bytes += size
            tally.taken += len(rows) - skipped.total()
            tally.skipped += skipped
    finally:
        pool.shutdown(cancel_futures=True)


def _taken(read: Callable[[Clips, int], list[bytes]], clips: Clips, clip: int) -> Taken:
    try:
        return read(clips, clip)
    except VideoSkippedError as error:
        return error
