"""Holds the captions and flags of a damaged world against what is true of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from benchmarks.captions_damage import BOILERPLATE, REPEATED_TEXT, Damage, TextKey
from benchmarks.captions_world import DamagedVideo, Stretch
from pseudolabel.demo.grammar import COLORS, SHAPES
from pseudolabel.records import Flag

Row = Mapping[str, Any]  # of a run
Verdict = bool | None  # None: does not count


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    right: int
    of: int

    @classmethod
    def of_verdicts(cls, verdicts: Iterable[Verdict]) -> Share:
        """The share of what is true among what counts."""
        counted = [verdict for verdict in verdicts if verdict is not None]
        return cls(sum(counted), len(counted))

    @property
    def value(self) -> float:
        """0..1; NaN of nothing."""
        return self.right / self.of if self.of else float("nan")


@dataclass(frozen=True, slots=True)
class FlagScore:
    """How a flag compares with what was planted."""

    clips: int  # that count
    planted: int
    flagged: int
    right: int  # planted and flagged

    @property
    def precision(self) -> float | None:
        """The share of what was flagged that was planted."""
        return self.right / self.flagged if self.flagged else None

    @property
    def recall(self) -> float | None:
        """The share of what was planted that was flagged."""
        return self.right / self.planted if self.planted else None


class Judge:
    """Knows what is true.

    Args:
        videos: The world.
        damaged: Which texts were damaged, and how.
        misseen: Frames, as video and time, of which all samples are wrong alike.
    """

    def __init__(
        self,
        videos: Mapping[str, DamagedVideo],
        damaged: Mapping[TextKey, Damage],
        misseen: Mapping[tuple[str, float], str],
    ) -> None:
        self._videos, self._damaged, self._misseen = videos, damaged, misseen

    def true_of_most(self, row: Row) -> Verdict:
        """Whether the caption is true of what fills most of the clip; there must be a thing."""
        shown = self._video(row).within(row["start_s"], row["end_s"])
        most = max(shown, key=lambda caption: shown[caption])
        return None if most is None else _said(row["caption"]) == most

    def true_of_some(self, row: Row) -> Verdict:
        """Whether the caption is true of any moment; of clips that count for `true_of_most`."""
        shown = self._video(row).within(row["start_s"], row["end_s"])
        if max(shown, key=lambda caption: shown[caption]) is None:
            return None
        return _said(row["caption"]) in shown

    def timeline(self, row: Row) -> tuple[bool, bool, bool]:
        """Whether all parts are true in order and none is missing; all are true; none is missing.

        What should be there: the captions of the frames' scenes, neighbours that are equal once;
        nothing of frames on which no thing is to be seen.
        """
        parts = [(part["first_s"], self._text(row, part)) for part in row["parts"]]
        said = [_said(text) for _, text in parts]
        due = [self._video(row).at(frame["time_s"]).caption for frame in row["frames"]]
        true = [
            caption for before, caption in pairwise([None, *due]) if caption not in (None, before)
        ]
        are_true = [self._video(row).at(time_s).caption == _said(text) for time_s, text in parts]
        return said == true, all(are_true), set(true) <= set(said)

    def shows_things(self, row: Row) -> bool:
        """Whether on all captioned frames there is a thing to be seen."""
        return all(self._video(row).at(frame["time_s"]).caption for frame in row["frames"])

    def score_flags(self, rows: Sequence[Row]) -> dict[Flag, FlagScore]:
        """Flags of rows made by a strategy that picks one text, against what was planted."""
        before = self._frames_before(rows)
        rules: dict[Flag, Callable[[Row], Verdict]] = {
            Flag.EMPTY: lambda row: self._has(row, Damage.EMPTY),
            Flag.TRUNCATED: lambda row: self._has(row, Damage.TRUNCATED),
            Flag.LOOP: lambda row: self._has(row, Damage.LOOP),
            Flag.BOILERPLATE: lambda row: self._has(row, Damage.BOILERPLATE),
            Flag.REPEATED: self._is_repeated,
            Flag.LOW_SIMILARITY: self._is_wrong,
            Flag.CONTRADICTION: self._contradicts,
            Flag.BLACK: lambda row: self._is_bare(row, "black"),
            Flag.BLANK: lambda row: self._is_bare(row, "flat"),
            Flag.FROZEN: lambda row: self._is_frozen(row, before),
            Flag.STATIC: self._is_static,
            Flag.TEXT_OVERLAY: lambda row: self._stretch(row).text is not None,
            Flag.NEAR_DUPLICATE: self._is_copy,
        }
        return {
            flag: _score([(rule(row), flag.value in row["flags"]) for row in rows])
            for flag, rule in rules.items()
        }

    def copies_of_one_moment(self, rows: Sequence[Row]) -> Share:
        """How many copies were found, of those captioned at the original's very moment."""
        times = {(row["video_id"], row["clip_index"]): row["frame_time_s"] for row in rows}

        def verdict(row: Row) -> Verdict:
            original = times.get((self._video(row).copy_of, row["clip_index"]))
            if not self._is_copy(row) or original is None:
                return None
            is_same = abs(original - row["frame_time_s"]) < 1 / self._video(row).fps / 2
            return Flag.NEAR_DUPLICATE.value in row["flags"] if is_same else None

        return Share.of_verdicts(map(verdict, rows))

    def _has(self, row: Row, damage: Damage) -> Verdict:
        # Of frames without a thing the captioner says things of its own that are as broken.
        return self._damage(row) is damage if self._stretch(row).caption else None

    def _is_repeated(self, row: Row) -> Verdict:
        if self._damage(row) is Damage.EMPTY or self._stretch(row).caption is None:
            return None
        return bool(row["caption"] == REPEATED_TEXT)

    def _is_wrong(self, row: Row) -> Verdict:
        """Of captions that are whole."""
        if self._damage(row) in (Damage.EMPTY, Damage.TRUNCATED, Damage.LOOP):
            return None
        true = self._stretch(row).caption
        return None if true is None else _said(row["caption"]) != true

    def _contradicts(self, row: Row) -> Verdict:
        """Whether a frame has, in all samples, a caption without a true word, a neighbour not."""
        video, video_id = self._video(row), row["video_id"]
        times = [frame["time_s"] for frame in row["frames"]]
        if self._damaged.get((video_id, times[0], 0)) is Damage.REPEATED:
            return False  # all say the same
        wrong = {at: self._misseen[video_id, at] for at in times if (video_id, at) in self._misseen}
        if not all(video.at(at).caption for at in wrong):
            return None  # nobody knows what is said beside it, where no thing is to be seen
        is_untrue = {at for at in wrong if not _things(wrong[at]) & _things(video.at(at).caption)}
        neighbours = [*pairwise(times), *pairwise(reversed(times))]
        return any(
            one in is_untrue and other not in wrong and video.at(one) is video.at(other)
            for one, other in neighbours
        )

    def _is_bare(self, row: Row, kind: str) -> bool:
        stretch = self._stretch(row)
        return stretch.kind == kind and stretch.text is None

    def _is_frozen(self, row: Row, before: Mapping[tuple[str, float], float]) -> bool:
        time_s = row["frame_time_s"]
        before_s = before.get((row["video_id"], time_s))
        return (
            before_s is not None
            and self._video(row).stands_still(before_s, time_s)
            and self._stretch(row).kind != "static"  # its noise goes on
        )

    def _is_static(self, row: Row) -> bool:
        times = [frame["time_s"] for frame in row["frames"]]
        return all(self._video(row).stands_still(*pair) for pair in pairwise(times))

    def _is_copy(self, row: Row) -> bool:
        return self._video(row).copy_of is not None and self._stretch(row).has_picture

    def _video(self, row: Row) -> DamagedVideo:
        return self._videos[row["video_id"]]

    def _stretch(self, row: Row) -> Stretch:
        return self._video(row).at(row["frame_time_s"])

    def _damage(self, row: Row) -> Damage | None:
        (part,) = row["parts"]
        return self._damaged.get((row["video_id"], row["frame_time_s"], part["sample"]))

    def _text(self, row: Row, part: Row) -> str:
        return str(row["frames"][part["frame"]]["captions"][part["sample"]]["text"])

    def _frames_before(self, rows: Sequence[Row]) -> dict[tuple[str, float], float]:
        """When the frame decoded before each was shown."""
        times: dict[str, list[float]] = {}
        for row in rows:
            times.setdefault(row["video_id"], []).extend(f["time_s"] for f in row["frames"])
        return {
            (video_id, after_s): before_s
            for video_id, its in times.items()
            for before_s, after_s in pairwise(sorted(its))
        }


def _said(text: str) -> str:
    """A caption without what was put before it: that made it no less true."""
    for prefix in BOILERPLATE:
        text = text.removeprefix(prefix)
    return text


def _things(caption: str | None) -> set[str]:
    return {word for word in (caption or "").split() if word in (*COLORS, *SHAPES)}


def _score(verdicts: Sequence[tuple[Verdict, bool]]) -> FlagScore:
    counted = [(planted, flagged) for planted, flagged in verdicts if planted is not None]
    return FlagScore(
        clips=len(counted),
        planted=sum(planted for planted, _ in counted),
        flagged=sum(flagged for _, flagged in counted),
        right=sum(planted and flagged for planted, flagged in counted),
    )
