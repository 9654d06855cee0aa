"""`review`: one page to look through a run or a release, its captions, flags and frames."""

from __future__ import annotations

import io
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pseudolabel.errors import OptionError
from pseudolabel.evaluation.page.page import write_page
from pseudolabel.evaluation.page.parts import PageClip
from pseudolabel.evaluation.reviewing.clips import columns, page_clip
from pseudolabel.evaluation.reviewing.rows import Reviewed, read_reviewed, stored_images
from pseudolabel.evaluation.reviewing.stills import (
    Outcome,
    Shot,
    Take,
    Widths,
    fitting_widths,
    jpeg,
    stills,
    tell,
)
from pseudolabel.evaluation.reviewing.summary import headlines, sections
from pseudolabel.records import Video
from pseudolabel.runs.cores import usable_cores
from pseudolabel.videos.sources.listing import list_videos

if TYPE_CHECKING:
    import pyarrow as pa

Pictures = Literal["all", "captioned", "none"]

_ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class ReviewOptions:
    """What the page shows.

    Raises:
        OptionError: If a value is not allowed.
    """

    clips: int = 10_000  # drawn at random where there are more
    where: tuple[str, ...] = ()  # conditions, as of `export`; all must be met
    pictures: Pictures = "all"  # of all captioned frames, of the caption's own, or none
    megabytes: int = 100  # that pictures may take on the page, about
    videos: str | None = None  # where the videos are now: a folder, a list or a table
    workers: int | None = None  # decode processes; None: one a core

    def __post_init__(self) -> None:
        for name, value in (("clips", self.clips), ("megabytes", self.megabytes)):
            if value < 1:
                raise OptionError(f"--{name} {value}: must be 1 or more", hint=f"--{name} 100")
        if self.pictures not in get_args(Pictures):
            raise OptionError(
                f"--pictures {self.pictures}: not a way to choose pictures",
                hint="one of: all, captioned, none",
            )


@dataclass(frozen=True, slots=True)
class Review:
    """What was written, and the figures at its top."""

    page: str
    clips: int
    videos: int
    without_flags: int  # clips
    flags: Mapping[str, int]  # clips by flag, the whole vocabulary
    most_repeated: Sequence[tuple[str, int]]  # captions, and on how many clips they are
    skipped: Mapping[str, int]  # videos and single clips by reason
    shown: int  # clips on the page
    with_picture: int  # of those
    notes: Sequence[str]  # what befell the pictures

    def to_json(self) -> str:
        """As JSON, on one line."""
        return json.dumps(asdict(self), ensure_ascii=False)


def review(
    where: str,
    out: str,
    options: ReviewOptions | None = None,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> Review:
    """Write a page to look through a run or a release.

    Rows are read as a stream: memory holds those that the page shows, however large the run is.
    The same rows, options and videos give the same page.

    Args:
        where: A run folder, or a release here or on the Hub.
        out: The HTML file; its folder must exist.
        options: What the page shows.
        on_progress: Called with the clips written so far, and how many there will be.

    Raises:
        InputError: If there is no clip to show, or `videos` cannot be listed.
        OptionError: If a condition cannot be read, or the file cannot be written.
        RunError, ReleaseError, HubError: If the rows cannot be read.
    """
    options = options or ReviewOptions()
    found = read_reviewed(where, most=options.clips, conditions=options.where)
    gallery = _Gallery(where, found.rows, options)
    progress = on_progress or (lambda _done, _all: None)
    write_page(
        Path(out),
        title=f"Review of {Path(where).name or where}",
        subtitle=_subtitle(found, options),
        headlines=headlines(found),
        sections=list(sections(found)),
        columns=columns(found.rows),
        clips=_page_clips(found.rows, gallery, progress),
        flag_help=found.rules,
        notes=gallery.notes,
    )
    skipped: Counter[str] = Counter()
    for one in found.skipped:
        skipped[one.reason] += one.videos + one.clips
    return Review(
        page=out,
        clips=found.clips,
        videos=found.videos,
        without_flags=found.without_flags,
        flags=found.flags,
        most_repeated=found.most_repeated,
        skipped=dict(skipped),
        shown=found.rows.num_rows,
        with_picture=gallery.clips_with,
        notes=gallery.notes(),
    )


def _subtitle(found: Reviewed, options: ReviewOptions) -> str:
    told = f"{found.clips:,} clips of {found.videos:,} videos"
    if options.where:
        told += f"; listed: the {found.fitting:,} where {' and '.join(options.where)}"
    if found.rows.num_rows < found.fitting:
        told += f"; {found.rows.num_rows:,} of them, drawn at random"
    return told


def _page_clips(
    rows: pa.Table, gallery: _Gallery, on_progress: Callable[[int, int], None]
) -> Iterator[PageClip]:
    """All rows, by video and time; only a few are Python objects at a time."""
    slices = (rows.slice(at, _ROWS_AT_ONCE) for at in range(0, rows.num_rows, _ROWS_AT_ONCE))
    each = itertools.chain.from_iterable(some.to_pylist() for some in slices)
    for done, (row, pictures) in enumerate(zip(each, gallery.by_clip(), strict=True), 1):
        yield page_clip(row, pictures)
        on_progress(done, rows.num_rows)


class _Gallery:
    """The pictures of the clips, in their order, as they are decoded."""

    def __init__(self, where: str, rows: pa.Table, options: ReviewOptions) -> None:
        self._where, self._rows, self._options = where, rows, options
        self._frames = _times(rows)
        self._widths = self._fitting()
        self._outcomes: Counter[Outcome] = Counter()
        self.clips_with = 0

    def by_clip(self) -> Iterator[Mapping[int, bytes]]:
        """The pictures of each clip: JPEG by frame."""
        for pictures in self._found():
            self.clips_with += bool(pictures)
            yield pictures

    def notes(self) -> list[str]:
        """What the reader should know of them."""
        if self._options.pictures == "none":
            return []
        told = tell(self._outcomes)
        own, others = (np.count_nonzero(w) for w in (self._widths.captioned, self._widths.others))
        if own < len(self._frames):
            told.append(f"--megabytes {self._options.megabytes} holds pictures of {own:,} clips.")
        elif self._options.pictures == "all" and others < len(self._frames):
            told.append(
                f"--megabytes {self._options.megabytes} holds pictures of all frames of "
                f"{others:,} clips, those with flags first; of the others the captioned one."
            )
        return told

    def _fitting(self) -> Widths:
        import pyarrow.compute as pc

        others = np.array([len(times) - 1 for _, times in self._frames], np.int64)
        if self._options.pictures != "all":
            others = np.zeros_like(others)
        is_flagged = np.asarray(pc.greater(pc.list_value_length(self._rows["flags"]), 0))
        return fitting_widths(others, is_flagged, self._options.megabytes * 1e6)

    def _found(self) -> Iterator[Mapping[int, bytes]]:
        nothing: Mapping[int, bytes] = {}
        count = self._rows.num_rows
        if self._options.pictures == "none":
            return itertools.repeat(nothing, count)
        if self._options.videos is None and (stored := self._stored()):
            return (stored.get(clip, nothing) for clip in range(count))
        return self._decoded()

    def _stored(self) -> dict[int, Mapping[int, bytes]]:
        """The captioned frames that a release carries itself."""
        from PIL import Image

        found: dict[int, Mapping[int, bytes]] = {}
        for clip, data in stored_images(self._where, self._rows):
            if width := int(self._widths.captioned[clip]):
                found[clip] = {self._frames[clip][0]: jpeg(Image.open(io.BytesIO(data)), width)}
        return found

    def _decoded(self) -> Iterator[Mapping[int, bytes]]:
        spans = _runs_of_equal(self._rows["video_id"].to_pylist())
        takes = self._takes(spans)
        decoding = stills(iter(takes), self._options.workers or usable_cores())
        for (first, end), found in zip(spans, decoding, strict=True):
            self._outcomes[found.outcome] += 1
            yield from (found.pictures.get(clip, {}) for clip in range(first, end))

    def _takes(self, spans: Sequence[tuple[int, int]]) -> list[Take]:
        ids, sources, hashes = (
            self._rows[name].to_pylist() for name in ("video_id", "source", "content_hash")
        )
        places = dict(zip(ids, sources, strict=True))
        if self._options.videos is not None:
            listed = list_videos([self._options.videos])
            places = {video.video_id: video.source for video in listed if isinstance(video, Video)}
        return [
            Take(places.get(ids[first]), hashes[first], self._shots(range(first, end)))
            for first, end in spans
        ]

    def _shots(self, clips: range) -> list[Shot]:
        """The frames of a video's clips, in order of time, which decodes fastest."""
        found = []
        for clip in clips:
            own, times_s = self._frames[clip]
            for frame, time_s in enumerate(times_s):
                widths = self._widths.captioned if frame == own else self._widths.others
                if frame == own or self._options.pictures == "all":
                    found.append(Shot(clip, frame, time_s, int(widths[clip])))
        return sorted((shot for shot in found if shot.width), key=lambda shot: shot.time_s)


def _times(rows: pa.Table) -> list[tuple[int, list[float]]]:
    """Of each clip which frame is its caption's, and the times of all, without their texts."""
    import pyarrow.compute as pc

    lists = rows["frames"].combine_chunks()
    times = np.asarray(pc.struct_field(pc.list_flatten(lists), "time_s"))
    ends = np.cumsum(np.asarray(pc.list_value_length(lists)))
    own = pc.struct_field(pc.list_element(rows["parts"], 0), "frame").to_pylist()
    return list(zip(own, map(list, np.split(times, ends[:-1])), strict=True))


def _runs_of_equal(values: Sequence[str]) -> list[tuple[int, int]]:
    """Where each stretch of equal values begins and ends."""
    ids: NDArray[np.object_] = np.array([*values], object)
    starts = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist(), len(ids)]
    return list(itertools.pairwise(starts))
