"""Figures of a release, counted while its rows pass by."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pseudolabel.release.manifest import FlagCount, Histogram, RepeatedCaption, Statistics
from pseudolabel.runs.findings.findings import MOST_REPEATED

if TYPE_CHECKING:
    import pyarrow as pa

MOST_BINS = 24


class FineHistogram:
    """Counts values in narrow bins, to be joined into a few when all have been seen.

    Args:
        low: Where the first bin begins; what is lower counts there.
        high: Where the last one ends; what is higher counts there.
        step: How wide they are.
    """

    def __init__(self, low: float, high: float, step: float) -> None:
        self._low, self._step = low, step
        self._counts = np.zeros(round((high - low) / step), np.int64)
        self._sum = 0.0
        self.seen = 0

    def add(self, values: Any) -> None:
        """Count values: float or int, `(N,)`, none of them NaN."""
        if not len(values):
            return
        bins = np.floor((values - self._low) / self._step + 1e-9)
        inside = np.clip(bins, 0, len(self._counts) - 1).astype(np.int64)
        self._counts += np.bincount(inside, minlength=len(self._counts))
        self._sum += float(np.sum(values, dtype=np.float64))
        self.seen += len(values)

    def joined(self) -> Histogram:
        """The bins from the first to the last that hold something, in at most 24 pieces."""
        occupied = np.flatnonzero(self._counts)
        first, last = (int(occupied[0]), int(occupied[-1]) + 1) if len(occupied) else (0, 1)
        width = math.ceil((last - first) / MOST_BINS)
        counts = [int(self._counts[at : at + width].sum()) for at in range(first, last, width)]
        ends = (first + i * width for i in range(len(counts) + 1))
        edges = [round(self._low + end * self._step, 6) for end in ends]
        mean = round(self._sum / self.seen, 6) if self.seen else None
        return Histogram(tuple(edges), tuple(counts), mean)


class StatisticsCounter:
    """Counts what `manifest.json` says of the config `clips`."""

    def __init__(self) -> None:
        self._words = FineHistogram(0, 500, 1)
        self._clip_s = FineHistogram(0, 600, 0.5)
        self._logprob = FineHistogram(-20, 0.05, 0.05)
        self._percentile = FineHistogram(0, 100, 5)
        self._flags: Counter[str] = Counter()
        self._without_flags = 0
        self._most_repeated: list[tuple[int, str]] = []  # minus the number of clips, and a caption
        self._video_s = 0.0
        self._clips_s = 0.0
        self._truncated = 0
        self._known = 0  # clips of which it is known whether they were truncated

    def add(self, clips: pa.Table) -> None:
        """Count rows; all rows of a video come in one call."""
        import pyarrow.compute as pc

        if not clips.num_rows:
            return
        lengths = np.asarray(clips["end_s"]) - np.asarray(clips["start_s"])
        self._clip_s.add(lengths)
        self._clips_s += float(lengths.sum())
        self._words.add(np.asarray(pc.count_substring_regex(clips["caption"], r"\S+")))
        self._logprob.add(np.asarray(clips["mean_logprob"].drop_null()))
        self._percentile.add(np.asarray(clips["chance_percentile"].drop_null()))
        flags = clips["flags"].combine_chunks()
        self._flags.update(pc.list_flatten(flags).to_pylist())
        self._without_flags += pc.sum(pc.equal(pc.list_value_length(flags), 0)).as_py()
        self._add_repeated(clips)
        truncated = clips["truncated"].drop_null()
        self._known += len(truncated)
        self._truncated += pc.sum(truncated).as_py() or 0
        codes = clips["video_id"].combine_chunks().dictionary_encode().indices
        _, first = np.unique(np.asarray(codes), return_index=True)
        begins, ends = (np.asarray(clips[name])[first] for name in ("first_frame_s", "video_end_s"))
        self._video_s += float((ends - begins).sum())

    def _add_repeated(self, clips: pa.Table) -> None:
        """Keep the captions of the most `repeats`, of those that are in the release."""
        import pyarrow.compute as pc

        several = clips.filter(pc.greater(clips["repeats"], 1))
        found = several.group_by("caption").aggregate([("repeats", "max")]).to_pydict()
        counted = zip(found["repeats_max"], found["caption"], strict=True)
        known = {*self._most_repeated, *((-count, caption) for count, caption in counted)}
        self._most_repeated = heapq.nsmallest(MOST_REPEATED, known)

    def finish(self, images_missing: int | None, rules: Mapping[str, str]) -> Statistics:
        """The figures of all rows that were added.

        Args:
            images_missing: Clips whose frame could not be decoded again; None: not asked for.
            rules: Of the flags.
        """
        return Statistics(
            video_hours=round(self._video_s / 3600, 6),
            clip_hours=round(self._clips_s / 3600, 6),
            caption_words=self._words.joined(),
            clip_s=self._clip_s.joined(),
            mean_logprob=self._logprob.joined() if self._logprob.seen else None,
            truncated_share=round(self._truncated / self._known, 6) if self._known else None,
            chance_percentile=self._percentile.joined() if self._percentile.seen else None,
            flags=tuple(FlagCount(flag, self._flags[flag], rule) for flag, rule in rules.items()),
            without_flags=self._without_flags,
            most_repeated=tuple(
                RepeatedCaption(text, -count) for count, text in self._most_repeated
            ),
            images_missing=images_missing,
        )
