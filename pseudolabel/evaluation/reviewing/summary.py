"""What the page says of all clips, before anybody looks at one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pseudolabel.evaluation.page.parts import Figure, Headline, Section, Table
from pseudolabel.evaluation.page.plots import histogram
from pseudolabel.evaluation.reviewing.rows import VALUES, Reviewed
from pseudolabel.runs.floor import CHANCE_PERCENTILE

if TYPE_CHECKING:
    import pyarrow as pa

_LONGEST = 60  # characters of a caption in a headline


def headlines(found: Reviewed) -> list[Headline]:
    """The answers to the first questions."""
    flagged = found.clips - found.without_flags
    told = [
        Headline(
            f"{found.clips:,}", "clips with a caption", f"of {_counted(found.videos, 'video')}"
        ),
        Headline(
            _share(found.without_flags, found.clips),
            "without a flag",
            f"{_counted(flagged, 'clip')} with one or more",
        ),
    ]
    if found.most_repeated:
        caption, count = found.most_repeated[0]
        short = caption if len(caption) <= _LONGEST else caption[: _LONGEST - 1] + "\u2026"
        told.append(Headline(f"{count:,} \u00d7", "the same caption", short))
    videos = sum(one.videos for one in found.skipped)
    clips = sum(one.clips for one in found.skipped)
    skipped = f"{_counted(videos, 'video')}, {_counted(clips, 'single clip')}"
    told.append(Headline(f"{videos + clips:,}", "skipped", skipped))
    return told


def sections(found: Reviewed) -> Iterator[Section]:
    """Flags, repeats, scores, and what was skipped."""
    yield _flags(found)
    if found.most_repeated:
        told = "A press on a caption lists the clips that have it."
        shares = [(c, f"{n:,}", _share(n, found.clips)) for c, n in found.most_repeated]
        table = Table(("caption", "clips", "share"), shares, finds="text")
        yield Section("Captions on more than one clip", [told], table)
    figures = list(_figures(found.values))
    if figures:
        drawn = f" Of {VALUES:,} clips drawn at random." if found.clips > VALUES else ""
        yield Section("Scores", [f"Shares of clips.{drawn}"], figures=figures)
    if found.skipped:
        rows = [
            (one.reason, one.stage, f"{one.videos:,}", f"{one.clips:,}", one.example)
            for one in found.skipped
        ]
        yield Section("Skipped", [], Table(("reason", "stage", "videos", "clips", "such as"), rows))


def _flags(found: Reviewed) -> Section:
    told = "A clip can have several. A press on a flag lists the clips that have it."
    if found.rows.num_rows < found.clips:
        told += f" The list holds {found.rows.num_rows:,} of the {found.clips:,} clips."
    head = ("flag", "clips", "share", "rule")
    rows = [
        (flag, f"{count:,}", _share(count, found.clips), found.rules.get(flag, ""))
        for flag, count in found.flags.items()
    ]
    width = len(head) if any(found.rules.values()) else len(head) - 1
    return Section("Flags", [told], Table(head[:width], [row[:width] for row in rows], "flag"))


def _figures(values: pa.Table) -> Iterator[Figure]:
    logprob, similarity, percentile, words = (
        np.asarray(values[name].to_numpy(), np.float64)
        for name in ("mean_logprob", "similarity", "chance_percentile", "words")
    )
    if np.isfinite(similarity).any():
        floor = _floor(similarity, percentile)
        marks = [] if floor is None else [(floor, f"{CHANCE_PERCENTILE:g} % of chance")]
        title = "Similarity of caption and frame"
        plot = histogram(similarity.tolist(), title=title, x_label="cosine", marks=marks)
        yield Figure(title, plot)
    if np.isfinite(logprob).any():
        title = "Log-probability of the caption"
        yield Figure(title, histogram(logprob.tolist(), title=title, x_label="nats a token"))
    title = "Length of the caption"
    yield Figure(title, histogram(words.tolist(), title=title, x_label="words", is_whole=True))


def _floor(similarity: NDArray[np.float64], percentile: NDArray[np.float64]) -> float | None:
    """The similarity above which a caption is unlikely by chance; None: rows do not agree on it.

    Rows have the percentile of each similarity, and no more; clips of several runs may have been
    judged by several scorers.
    """
    above = similarity[percentile > CHANCE_PERCENTILE]
    below = similarity[percentile <= CHANCE_PERCENTILE]
    if not (len(above) and len(below)) or below.max() > above.min():
        return None
    return float(below.max() + above.min()) / 2


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _share(count: int, of: int) -> str:
    share = 100 * count / of
    return f"{share:.0f} %" if share >= 10 or not count else f"{max(share, 0.01):.2g} %"
