"""`consolidate`: another strategy over a finished run, into a run of its own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pseudolabel.captions.options import ConsolidateOptions
from pseudolabel.contract import captioned_clip
from pseudolabel.errors import RunError
from pseudolabel.runs.pipeline.assembly import CaptionedVideo
from pseudolabel.runs.pipeline.consolidator import Consolidator, check_scored
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.runs.storage.manifest import new_manifest
from pseudolabel.runs.storage.resume import check_same_options
from pseudolabel.runs.storage.waiting import OnWait
from pseudolabel.runs.storage.writer import RunWriter, VideoRows

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(slots=True)
class ConsolidateTally:
    """What a start of `consolidate` has done so far."""

    clips: int = 0
    changed: int = 0  # of them, with another caption than before
    already_done: int = 0  # videos an earlier start had done
    flags: Counter[str] = field(default_factory=Counter)  # clips, by flag of their own row
    rewritten: int = 0  # clips whose caption a language model wrote
    wall_s: float = 0.0


def consolidate(
    run: str,
    out: str,
    options: ConsolidateOptions,
    *,
    on_progress: Callable[[ConsolidateTally], None] | None = None,
    on_wait: OnWait | None = None,
) -> ConsolidateTally:
    """Make the captions of a run's clips anew from those of their frames; nothing is captioned.

    The new run is what `caption_videos` with this strategy would have made, and captioning may go
    on in it. The old one is not changed. Started again, it goes on where it stopped.

    Args:
        run: A finished run: a local path, or any fsspec URL.
        out: The new run.
        options: The strategy, and what it needs.
        on_progress: Called after each part.
        on_wait: As for `caption_videos`.

    Raises:
        RunError: If `run` is no run or still being written, or `out` cannot be written, or is
            the work of other options or of another run.
        OptionError: If the strategy needs scores that the run does not have.
        CaptionerError: If a model cannot be loaded or stops working.
    """
    source = RunFolder(run)
    made_from = source.manifest()
    if source.is_being_written():
        raise RunError(
            f"{run}: is still being written",
            hint="consolidate it when pseudolabel caption has ended",
        )
    check_scored(options, made_from.get("scorer") is not None)
    tally = ConsolidateTally()
    started_s = time.perf_counter()
    with RunWriter(out, on_wait=on_wait) as writer, Consolidator(options) as consolidator:
        described = {**made_from["options"], **consolidator.described()}
        if writer.folder.exists():
            _check_same_run(out, writer.folder.manifest(), made_from, described)
        else:
            writer.write_manifest(_manifest(made_from, described, consolidator))
        done = _videos(writer.folder)
        tally.already_done = len(done)
        for part in _parts(source, done):
            videos = consolidator.add(part.videos) + consolidator.finish()
            _count(tally, part, videos)
            writer.commit(videos, skipped=part.skipped, floor=part.floor)
            tally.wall_s = time.perf_counter() - started_s
            if on_progress is not None:
                on_progress(tally)
    return tally


@dataclass(frozen=True, slots=True)
class _Part:
    """The current rows of one part."""

    videos: list[CaptionedVideo]
    captions: list[str]  # of the clips, as they were
    skipped: pa.Table
    floor: pa.Table


def _videos(folder: RunFolder) -> set[str]:
    """The videos that a run names."""
    return {video_id for part in folder.parts() for video_id in folder.video_ids(part)}


def _parts(source: RunFolder, done: set[str]) -> Iterator[_Part]:
    """What is left of each part; by videos, since parts may have been joined since."""
    stale = source.stale()
    for part in source.parts():
        here = set(source.video_ids(part)) - set(stale[part])
        if not here - done:
            continue
        read = partial(source.rows_of, part, without=[*stale[part], *(here & done)])
        rows = read("clips").to_pylist()
        videos = [
            CaptionedVideo(tuple(map(captioned_clip, its)), ())
            for _, its in groupby(rows, key=lambda row: row["video_id"])
        ]
        yield _Part(videos, [row["caption"] for row in rows], read("skipped"), read("floor"))


def _count(tally: ConsolidateTally, part: _Part, videos: list[VideoRows]) -> None:
    clips = [clip for video in videos for clip in video.clips]
    tally.clips += len(clips)
    before_and_after = zip(part.captions, clips, strict=True)
    tally.changed += sum(caption != clip.text for caption, clip in before_and_after)
    tally.flags.update(flag.value for clip in clips for flag in clip.flags)
    tally.rewritten += sum(clip.is_rewritten for clip in clips)


def _manifest(
    made_from: dict[str, Any], options: dict[str, Any], consolidator: Consolidator
) -> dict[str, Any]:
    models = {name: made_from[name] for name in ("captioner", "scorer")}
    before = {name: made_from[name] for name in ("id", "created_at", "versions")}
    return new_manifest(options, {**models, **consolidator.manifest()}, consolidated_from=before)


def _check_same_run(
    out: str, found: dict[str, Any], made_from: dict[str, Any], options: dict[str, Any]
) -> None:
    check_same_options(out, found["options"], options)
    if found.get("consolidated_from", {}).get("id") != made_from["id"]:
        raise RunError(f"{out}: was not consolidated from this run", hint="choose another --out")
