"""Which caption is judged against which references.

Ids match when they are equal, or the same file name without its folder and suffix
(`clips/video7010.mp4` is `video7010`). References of stretches take the clip that overlaps theirs
best.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pseudolabel.errors import InputError, OptionError
from pseudolabel.evaluation.metrics.predictions import Prediction
from pseudolabel.evaluation.metrics.references import References
from pseudolabel.records import Span

Of = Literal["clip", "video"]
Extent = Literal["video", "clip", "stretch"]  # what of a video references speak of
LEAST_OVERLAP = 0.5  # intersection over union, for a clip to speak for a stretch

_MEDIA = "mp4|m4v|mov|avi|mkv|webm|mpe?g|wmv|flv|3gp|ts|gif|jpe?g|png|webp"
_SUFFIX = re.compile(rf"(?i)\.(?:{_MEDIA})$")
_CLIP = re.compile(r"(?s)(.*)(#\d+)")


@dataclass(frozen=True, slots=True)
class Matched:
    """Which prediction each id of the references is judged by."""

    chosen: Mapping[str, int]  # reference id: index of the prediction
    without_reference: tuple[str, ...]  # labels of predictions that nothing can judge; sorted
    by: str  # for a person: what was matched with what


def match(
    predictions: Sequence[Prediction], references: References, *, of: Of | None = None
) -> Matched:
    """Choose the prediction for each id of the references.

    Args:
        predictions: Captions of clips, or of whole videos.
        references: What to judge them against.
        of: "clip": references are of clips, `VIDEO#3`, or of stretches; "video": of whole
            videos, and where a video has several clips, the one nearest its middle is taken.
            None: as the references' ids say, and a video with several clips is refused.

    Raises:
        InputError: If two predictions lay claim to one id, or one prediction to two.
        OptionError: If `of` is not allowed, or is "video" for references of stretches.
    """
    check_of(of)
    names = _Names(references.captions, references.aliases)
    if references.segments and any(p.span is not None for p in predictions):
        if of == "video":
            raise OptionError(
                f"--of video: {references.path} has references of stretches of videos",
                hint="leave it out: each takes the clip that overlaps it most",
            )
        return _by_overlap(predictions, references)
    if of == "clip" or (of is None and _are_of_clips(predictions, names)):
        return _by_label(predictions, names)
    return _by_video(predictions, names, of)


def check_of(of: str | None) -> None:
    """Refuse what `match` takes for no kind of reference.

    Raises:
        OptionError: If it is none.
    """
    if of not in (None, "clip", "video"):
        raise OptionError(f"--of {of}: not a kind of reference", hint="one of: clip, video")


class _Names:
    """The ids of references, or of their videos, and the other names by which they are found."""

    def __init__(self, ids: Iterable[str], aliases: Mapping[str, str] | None = None) -> None:
        self._ids = dict.fromkeys(ids)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for key in self._ids:
            self._by_name[_name(key)].append(key)
        for alias, key in (aliases or {}).items():
            if key in self._ids and key not in self._by_name[_name(alias)]:
                self._by_name[_name(alias)].append(key)

    def find(self, label: str) -> str | None:
        """The id that a prediction's label means; None: there is no such one."""
        if label in self._ids:
            return label
        found = self._by_name.get(_name(label), [])
        if len(found) > 1:
            raise InputError(
                f"{label!r} could be {' or '.join(map(repr, found[:3]))} of the references",
                hint="ids of captions that equal those of the references are clear",
            )
        return found[0] if found else None


class ReferencedVideos:
    """The videos that references speak of, to be captioned.

    Args:
        references: Where times are told of any, only of stretches.
    """

    def __init__(self, references: References) -> None:
        self._names = _Names(references.captions, references.aliases)
        clips = filter(None, map(_CLIP.fullmatch, references.captions))
        self._with_clips = {_name(clip[1]) for clip in clips}
        self._stretches: dict[str, list[Span]] = defaultdict(list)
        for segment in references.segments.values():
            self._stretches[segment.video_id].append(segment.span)
        self._with_stretches = _Names(self._stretches)

    def find(self, video_id: str) -> tuple[str, Extent] | None:
        """The name of a video among the references, and what of it they speak of; or None.

        Raises:
            InputError: If it could be several.
        """
        if self._stretches:
            found = self._with_stretches.find(video_id)
            return None if found is None else (found, "stretch")
        name = _name(video_id)
        if (key := self._names.find(video_id)) is not None:
            return key, "video"
        return (name, "clip") if name in self._with_clips else None

    def stretches(self, name: str) -> tuple[Span, ...]:
        """Of a video by the name that `find` gave, in time order, each once."""
        return tuple(sorted(set(self._stretches[name]), key=lambda s: (s.start_s, s.end_s)))


def _name(label: str) -> str:
    """A label without its folder and, if it is that of a video or an image, its suffix."""
    clip = _CLIP.fullmatch(label)
    video_id, number = (clip[1], clip[2]) if clip else (label, "")
    return _SUFFIX.sub("", video_id.replace("\\", "/").rpartition("/")[2]) + number


def _are_of_clips(predictions: Sequence[Prediction], names: _Names) -> bool:
    return any(p.clip_index is not None and names.find(p.label) is not None for p in predictions)


def _by_label(predictions: Sequence[Prediction], names: _Names) -> Matched:
    chosen: dict[str, int] = {}
    without = []
    for index, prediction in enumerate(predictions):
        key = names.find(prediction.label)
        if key is None:
            without.append(prediction.label)
        elif key in chosen:
            raise _both(predictions[chosen[key]], prediction, key)
        else:
            chosen[key] = index
    return Matched(chosen, tuple(sorted(without)), "clips, by number")


def _by_video(predictions: Sequence[Prediction], names: _Names, of: Of | None) -> Matched:
    candidates: dict[str, list[int]] = defaultdict(list)
    without = set()
    for index, prediction in enumerate(predictions):
        key = names.find(prediction.video_id)
        if key is None:
            without.add(prediction.video_id)
            continue
        first = candidates[key][0] if candidates[key] else index
        if predictions[first].video_id != prediction.video_id:
            raise _both(predictions[first], prediction, key)
        candidates[key].append(index)
    several = [key for key, indices in candidates.items() if len(indices) > 1]
    if several and of is None:
        raise InputError(
            f"{len(several)} videos have several clips and one set of references each, such as "
            f"{several[0]!r} with {len(candidates[several[0]])} clips",
            hint="pseudolabel caption --clips whole makes one caption a video; --of video "
            "judges the clip nearest the video's middle",
        )
    chosen = {key: _middle(indices, predictions) for key, indices in candidates.items()}
    by = "videos, by the clip nearest the middle" if several else "videos"
    return Matched(chosen, tuple(sorted(without)), by)


def _middle(indices: Sequence[int], predictions: Sequence[Prediction]) -> int:
    """Of clips of one video, the one whose center is nearest to the middle of them all."""
    spans = [predictions[index].span for index in indices]
    timed = [span for span in spans if span is not None]
    if len(timed) < len(indices):
        return indices[len(indices) // 2]
    middle_s = (min(span.start_s for span in timed) + max(span.end_s for span in timed)) / 2
    away_s = [abs(span.center_s - middle_s) for span in timed]
    return indices[away_s.index(min(away_s))]


def _by_overlap(predictions: Sequence[Prediction], references: References) -> Matched:
    names = _Names(segment.video_id for segment in references.segments.values())
    clips: dict[str, list[tuple[Span, int]]] = defaultdict(list)
    first: dict[str, Prediction] = {}
    without = set()
    for index, prediction in enumerate(predictions):
        video_id = names.find(prediction.video_id)
        if video_id is None:
            without.add(prediction.video_id)
            continue
        if first.setdefault(video_id, prediction).video_id != prediction.video_id:
            raise _both(first[video_id], prediction, video_id)
        if prediction.span is not None:
            clips[video_id].append((prediction.span, index))
    chosen = {}
    for key, segment in references.segments.items():
        overlaps = (
            (_overlap(span, segment.span), -index)
            for span, index in clips.get(segment.video_id, ())
        )
        share, index = max(overlaps, default=(0.0, 0))
        if share >= LEAST_OVERLAP:
            chosen[key] = -index
    if first and not chosen:
        raise InputError(
            f"of {len(first)} videos that have captions and references, no clip "
            f"overlaps a stretch of the references by {LEAST_OVERLAP:.0%} of both",
            hint="pseudolabel caption --clips spans, with a table of their start_s and end_s, "
            "captions these stretches",
        )
    by = f"stretches, by the clip that overlaps most (IoU {LEAST_OVERLAP} or more)"
    return Matched(chosen, tuple(sorted(without)), by)


def _overlap(one: Span, other: Span) -> float:
    """Intersection over union."""
    shared_s = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
    if shared_s <= 0:
        return 0.0
    return shared_s / (max(one.end_s, other.end_s) - min(one.start_s, other.start_s))


def _both(one: Prediction, other: Prediction, key: str) -> InputError:
    return InputError(
        f"{one.label!r} and {other.label!r} both mean {key!r} of the references",
        hint="leave one of them out, or give both sides the same ids",
    )
