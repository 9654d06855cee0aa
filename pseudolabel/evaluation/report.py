"""What `compare` leaves behind: `compare.json`, `clips.parquet` and `report.html`."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pseudolabel.errors import OptionError
from pseudolabel.evaluation.clips import Clips
from pseudolabel.evaluation.comparison import Comparison, Group, Measure
from pseudolabel.evaluation.measuring.agreement import OFFSETS_S, OffsetSearch
from pseudolabel.evaluation.measuring.grounding import decoded
from pseudolabel.evaluation.measuring.intervals import Difference, Estimate
from pseudolabel.evaluation.page.page import write_page
from pseudolabel.evaluation.page.parts import (
    Column,
    Figure,
    Headline,
    PageClip,
    Pair,
    Rating,
    Section,
    Table,
)
from pseudolabel.evaluation.page.plots import Bar, BarGroup, bars, curve, histograms
from pseudolabel.records import FrameSize

if TYPE_CHECKING:
    from pseudolabel.records import Frame

JSON, CLIPS, PAGE = "compare.json", "clips.parquet", "report.html"
_THUMBNAIL = FrameSize(160, 120, "contain")
_TO_JUDGE = FrameSize(480, 360, "contain")
_SERIES = ("caption", "speech")
_COLUMNS = (
    Column("caption", "Caption", "text"),
    Column("transcript", "Speech", "text", help="What was said during the clip."),
    Column("words_in_common", "In common", "number", digits=0, good="high"),
    Column("semantic_similarity", "Meaning", "number", digits=2, good="high"),
    Column("caption_similarity", "Caption ~ frames", "number", digits=3, good="high"),
    Column("transcript_similarity", "Speech ~ frames", "number", digits=3, good="high"),
    Column("caption_percentile", "Caption, % of chance", "number", digits=0, good="high"),
    Column("transcript_percentile", "Speech, % of chance", "number", digits=0, good="high"),
    Column("start_s", "Start", "time", digits=1, listed=False),
    Column("end_s", "End", "time", digits=1, listed=False),
)
_TITLES: Mapping[Group, str] = {
    "coverage": "How much text, and how rich",
    "agreement": "Whether both say the same",
    "groundedness": "Whether it is seen",
    "references": "Against what people wrote",
    "ratings": "What people see",
}
_ABOUT: Mapping[Group, str] = {
    "groundedness": (
        "Likeness of a text with frames of its own clip, by an image-text model; chance is a text "
        "of the same kind from another video. It is the automatic version of two tests by eye: in "
        "51 % of 400 clips of HowTo100M at least one mentioned object or action is visible (Miech "
        "et al. 2019, section 3.2), and 30 % of narration sentences can be aligned with their "
        "video at all (Han et al. 2022)."
    ),
    "coverage": (
        "Distinct words and repeats are over all clips; likeness to each other over 500 clips that "
        "have both texts."
    ),
    "agreement": "Content words in their base form, over the clips in which something is said.",
}


def check_out(out: str) -> None:
    """Refuse a folder that cannot be made or written before hours of work, not after them.

    Raises:
        OptionError: If it cannot.
    """
    path = os.path.abspath(out)  # noqa: PTH100 - without asking what may not be read
    while not os.path.lexists(path):
        path = os.path.dirname(path)  # noqa: PTH120
    if not os.path.isdir(path) or not os.access(path, os.W_OK | os.X_OK):  # noqa: PTH112
        raise OptionError(
            f"--out {out}: cannot be written: {path} is no folder to write to",
            hint="choose another folder",
        )


def write_report(
    comparison: Comparison,
    out: str,
    *,
    page_clips: int,
    rated_clips: int = 0,
    workers: int = 2,
) -> Path:
    """Write the report's folder; gives the path of the page.

    Args:
        comparison: What was found.
        out: The folder; made if it is not there, and files of these names are replaced.
        page_clips: The page shows as many clips, drawn at random where there are more.
        rated_clips: Pairs on the rating sheet; 0: no sheet.
        workers: Decode workers, for thumbnails.

    Raises:
        OptionError: If the folder cannot be written.
    """
    import pyarrow.parquet as pq

    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / JSON).write_text(comparison.to_json(), encoding="utf-8")
        pq.write_table(comparison.to_table(), folder / CLIPS, compression="zstd")
    except OSError as error:
        raise OptionError(
            f"--out {out}: cannot be written: {error.strerror or error}",
            hint="choose another folder",
        ) from None
    chosen = _sample(np.arange(comparison.clips), page_clips)
    rating = _rating(comparison, rated_clips, workers) if rated_clips else None
    write_page(
        folder / PAGE,
        title="Captions beside speech",
        subtitle=f"{comparison.source}: {comparison.clips:,} clips of {comparison.videos:,} videos",
        headlines=headlines(comparison),
        sections=list(sections(comparison)),
        columns=[c for c in _COLUMNS if c.key in _keys(comparison)],
        clips=_page_clips(comparison, chosen, workers),
        rating=rating,
    )
    return folder / PAGE


def headlines(comparison: Comparison) -> list[Headline]:
    """The answers to the first questions."""
    found = [
        Headline(f"{comparison.clips:,}", "clips compared", f"{comparison.videos:,} videos"),
        _headline(comparison.measure("with_text").transcript, "of the clips have speech"),
    ]
    names = {measure.name for measure in comparison.measures}
    if "above_chance" in names:
        seen = comparison.measure("above_chance")
        found.append(_headline(seen.caption, "of captions are clearly of the picture"))
        found.append(_headline(seen.transcript, "of speech is clearly of the picture"))
    if comparison.offsets is not None:
        found.append(_headline(comparison.offsets.timing["later"], "of videos are spoken of late"))
    return found


def sections(comparison: Comparison) -> Iterator[Section]:
    """The summary, a group of measures at a time."""
    for group, title in _TITLES.items():
        its = [measure for measure in comparison.measures if measure.group == group]
        if its:
            paragraphs = [_ABOUT[group]] if group in _ABOUT else []
            yield Section(title, paragraphs, table(its), list(_figures(group, its, comparison)))
    if comparison.offsets is not None:
        yield _timing_section(comparison.offsets)
    if comparison.warnings:
        yield Section("What to know", list(comparison.warnings))


def table(measures: Sequence[Measure]) -> Table:
    """Measures as texts: both sides with intervals, their difference, and its test."""
    if all(measure.both is not None for measure in measures):
        rows = [(measure.label, figure(measure.both, measure.is_share)) for measure in measures]
        return Table(("", "caption and speech"), rows)
    return Table(
        ("", "caption", "speech", "difference", "p"),
        [
            (
                measure.label,
                figure(measure.caption or measure.both, measure.is_share),
                figure(measure.transcript, measure.is_share),
                figure(measure.difference, measure.is_share),
                "" if measure.difference is None else p_value(measure.difference.p),
            )
            for measure in measures
        ],
    )


def figure(found: Estimate | Difference | None, is_share: bool) -> str:
    """A figure with its interval, as a person reads it."""
    if found is None or not math.isfinite(found.value):
        return ""
    value = number(found.value, is_share)
    if not math.isfinite(found.low):
        return value
    low, high = (number(end, is_share).removesuffix(" %") for end in (found.low, found.high))
    return f"{value} [{low}, {high}]"


def number(value: float, is_share: bool) -> str:
    """A number with three digits that say something; a share in percent."""
    if is_share:
        return f"{100 * value:.1f} %"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def p_value(p: float) -> str:
    """A probability; what is smaller than the test can tell is told as such, and none is none."""
    if not math.isfinite(p):
        return ""
    return f"< {0.001:g}" if p < 0.001 else f"{p:.3f}"


def _headline(found: Estimate | None, label: str) -> Headline:
    if found is None or not math.isfinite(found.value):
        return Headline("\u2013", label)
    note = ""
    if math.isfinite(found.low):
        note = f"95 %: {100 * found.low:.0f} to {100 * found.high:.0f} %"
    return Headline(f"{100 * found.value:.0f} %", label, note)


def _figures(group: Group, its: Sequence[Measure], comparison: Comparison) -> Iterator[Figure]:
    shares = [m for m in its if m.is_share and m.caption and m.transcript]
    if shares:
        groups = [BarGroup(m.label, [_bar(m.caption), _bar(m.transcript)]) for m in shares]
        yield Figure(_TITLES[group], bars(groups, _SERIES, title=_TITLES[group], percent=True))
    if group == "groundedness":
        values = [comparison.columns[f"{side}_similarity"] for side in ("caption", "transcript")]
        known = [side[np.isfinite(side)].tolist() for side in values]
        title = "Likeness with the clip's own frames"
        yield Figure(title, histograms(known[0], known[1], _SERIES, title=title))


def _bar(found: Estimate | None) -> Bar | None:
    return None if found is None else Bar(found.value, found.low, found.high)


def _timing_section(search: OffsetSearch) -> Section:
    best = search.best_s.value
    told = "while the clip plays" if abs(best) < 1 else f"{abs(best):.0f} s "
    told += "" if abs(best) < 1 else ("after the picture" if best > 0 else "before the picture")
    rows = [(name, figure(share, is_share=True)) for name, share in search.timing.items()]
    shares = search.shares
    title = "Share of the captions' words that are said, by offset"
    return Section(
        "When it is said",
        [
            f"Speech moved against the picture by up to 30 s: over all clips the captions' words "
            f"are said most {told}. A video counts as late or early where its own best offset lies "
            "outside the clip and stands out."
        ],
        Table(("videos with speech", "share"), rows),
        [
            Figure(
                title,
                curve(
                    [float(offset) for offset in OFFSETS_S],
                    [share.value for share in shares],
                    [share.low for share in shares],
                    [share.high for share in shares],
                    title=title,
                    mark=best,
                    mark_label="most",
                    x_label="seconds by which speech comes after the picture",
                ),
            )
        ],
    )


def _sample(rows: Any, most: int) -> list[int]:
    if len(rows) <= most:
        return [int(row) for row in rows]
    return sorted(np.random.default_rng(0).choice(rows, most, replace=False).tolist())


def _keys(comparison: Comparison) -> set[str]:
    return {"caption", "start_s", "end_s", *comparison.columns}


def _page_clips(comparison: Comparison, chosen: Sequence[int], workers: int) -> Iterator[PageClip]:
    clips = comparison.compared
    pictures = _pictures(clips, chosen, _THUMBNAIL, workers)
    for clip in chosen:
        values: dict[str, Any] = {
            name: _value(column[clip]) for name, column in comparison.columns.items()
        }
        yield PageClip(
            key=clips.key(clip),
            title=f"{clips.video_ids[clips.video[clip]]} · {clips.start_s[clip]:.1f} s",
            values={
                **values,
                "caption": clips.captions[clip],
                "start_s": float(clips.start_s[clip]),
                "end_s": float(clips.end_s[clip]),
            },
            image=pictures.get(clip),
        )


def _rating(comparison: Comparison, most: int, workers: int) -> Rating:
    clips, said = comparison.compared, comparison.columns["transcript"]
    with_both = np.array([bool(c and s) for c, s in zip(clips.captions, said, strict=True)])
    chosen = _sample(np.flatnonzero(with_both), most)
    pictures = _pictures(clips, chosen, _TO_JUDGE, workers)
    shown = [clip for clip in chosen if clip in pictures]
    if not shown:
        raise OptionError(
            "--rate: no clip has both texts and a frame that can be read",
            hint="the videos must be where the run found them",
        )
    return Rating(
        [
            Pair(
                clip=clips.key(clip),
                title=f"{clips.start_s[clip]:.1f} s",
                texts={"caption": clips.captions[clip], "speech": said[clip]},
                image=pictures[clip],
            )
            for clip in shown
        ]
    )


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return None if not np.isfinite(value) else float(value)


def _pictures(
    clips: Clips, chosen: Sequence[int], size: FrameSize, workers: int
) -> dict[int, bytes]:
    """The center frame of some clips, as JPEG, by clip; those that cannot be read are missing."""
    if not any(clips.sources[clips.video[clip]] for clip in chosen):
        return {}
    return {clip: _jpeg(frame) for clip, frame in decoded(clips, chosen, 1, size, workers)}


def _jpeg(frame: Frame) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame.pixels).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
