"""`evaluate_model`: a captioner writes captions of the referenced videos, and these are scored."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.sources import (
    DEMO,
    SERVER,
    VIDEO,
    VIDEO_ARCHITECTURE,
    find_source,
)
from pseudolabel.errors import InputError
from pseudolabel.evaluation.evaluate import Evaluation, check_writable, evaluate
from pseudolabel.evaluation.metrics.java import find_java
from pseudolabel.evaluation.metrics.matching import Extent, Of, ReferencedVideos, check_of
from pseudolabel.evaluation.metrics.references import References, read_references
from pseudolabel.records import Span, Video
from pseudolabel.runs.caption import caption_videos
from pseudolabel.runs.options import RunOptions
from pseudolabel.runs.pipeline.tally import Tally
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.runs.storage.waiting import OnWait
from pseudolabel.videos.options import ClipOptions
from pseudolabel.videos.sources.listing import list_videos

_CLIPS: dict[Extent, ClipOptions] = {  # the first that any video has counts for all
    "video": ClipOptions(mode="whole"),
    "clip": ClipOptions(),
    "stretch": ClipOptions(mode="spans"),
}


@dataclass(frozen=True, slots=True)
class ModelUnderTest:
    """A captioner, and the videos that it is to caption."""

    captioner: CaptionOptions  # what `train` wrote may be named without `video:`
    videos: str  # as one of the inputs of `caption_videos`; those without references stay out
    out: str | None = None  # a run folder, which is gone on with; None: one that does not stay
    clips: ClipOptions | None = None  # None: as the references are, of videos, clips or stretches
    run: RunOptions = field(default_factory=RunOptions)


def evaluate_model(
    model: ModelUnderTest,
    references: str,
    *,
    of: Of | None = None,
    java: bool = True,
    per_id: str | None = None,
    on_progress: Callable[[Tally], None] | None = None,
    on_wait: OnWait | None = None,
) -> Evaluation:
    """Caption the videos that references speak of, and score the captions as `evaluate` does.

    Of references of whole videos each video is one clip; of stretches with their times, these
    are the clips; of clips by number (`VIDEO#3`), videos are cut into pieces of 8 seconds.

    Args:
        model: What captions which videos.
        references: A file, as for `evaluate`.
        of: As for `evaluate`.
        java: As for `evaluate`.
        per_id: As for `evaluate`.
        on_progress: As for `caption_videos`.
        on_wait: As for `caption_videos`.

    Raises:
        InputError: If no video has a reference, or two have the same; and as `evaluate`.
        CaptionerError: If the model cannot be loaded or stops working.
        RunError: If the run folder cannot be written, or was made with other options.
        OptionError, EvaluationError: As `evaluate`.
    """
    if per_id is not None:
        check_writable(per_id)
    check_of(of)
    if java:
        find_java()  # scores come last: hours of captioning are not lost to what is known now
    against = read_references(references)
    captioner = replace(model.captioner, model=_as_typed(model.captioner.model))
    wanted, extent = _wanted(model.videos, against)
    with tempfile.TemporaryDirectory(prefix="pseudolabel-") as folder:
        table = Path(folder, "videos.jsonl")
        with table.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in _rows(wanted))
        out = model.out or str(Path(folder, "run"))
        caption_videos(
            [str(table)],
            out,
            clips=model.clips or _CLIPS[extent],
            captioner=captioner,
            run=model.run,
            on_progress=on_progress,
            on_wait=on_wait,
        )
        skipped = _skipped(RunFolder(out))
        if not any(table.num_rows for table in RunFolder(out).rows(columns=["video_id"])):
            told = ", ".join(f"{count} {reason}" for reason, count in skipped.items())
            raise InputError(
                f"{model.videos}: no clip of {len(wanted)} videos could be captioned: {told}",
                hint="--out RUN keeps what was skipped and why: pseudolabel show RUN --skipped",
            )
        found = evaluate(out, references, of=of, java=java, per_id=per_id)
        return replace(found, captions=model.out or captioner.model, skipped=skipped)


def _as_typed(model: str) -> str:
    """The captioner's name as `caption` takes it."""
    if model == DEMO or model.startswith((SERVER, VIDEO)):
        return model
    is_trained = find_source(model).architecture == VIDEO_ARCHITECTURE
    return f"{VIDEO}{model}" if is_trained else model


def _wanted(videos: str, references: References) -> tuple[list[Video], Extent]:
    """The videos that references speak of, stretches and all, and what of them they speak of.

    Where some are of whole videos, those of clips by number are not looked at: a video's name may
    hold a #, too.
    """
    referenced = ReferencedVideos(references)
    found: dict[Extent, dict[str, Video]] = {"video": {}, "clip": {}, "stretch": {}}
    for video in list_videos([videos]):
        meant = referenced.find(video.video_id)
        if meant is None or not isinstance(video, Video):
            continue
        name, extent = meant
        other = found[extent].setdefault(name, video)
        if other is not video:
            raise InputError(
                f"{other.video_id!r} and {video.video_id!r} of {videos} both mean {name!r} of the"
                " references",
                hint="--videos with one of them, or a table that gives them the references' ids",
            )
    extents = [extent for extent in _CLIPS if found[extent]]
    if not extents:
        names = ", ".join(map(repr, list(references.captions)[:3]))
        raise InputError(
            f"{videos}: none of the videos that {references.path} speaks of, such as {names}",
            hint="--videos names the folder that they lie in; ids are names of files without"
            " their suffix",
        )
    extent = extents[0]
    if extent == "stretch":
        with_spans = found[extent].items()
        return [replace(v, spans=referenced.stretches(name)) for name, v in with_spans], extent
    return list(found[extent].values()), extent


def _rows(videos: list[Video]) -> Iterator[dict[str, Any]]:
    """A table of them, for `caption_videos`."""
    for video in videos:
        source = video.source if "://" in video.source else str(Path(video.source).absolute())
        named = {"video": source, "video_id": video.video_id}
        row = {**named, "url": video.url, "license": video.license}
        spans: tuple[Span | None, ...] = video.spans or (None,)
        for span in spans:
            yield row if span is None else {**row, "start_s": span.start_s, "end_s": span.end_s}


def _skipped(folder: RunFolder) -> Counter[str]:
    """What the run skipped, by reason; also what an earlier start did."""
    tables = folder.rows("skipped", columns=["reason"])
    return Counter(reason for table in tables for reason in table["reason"].to_pylist())
