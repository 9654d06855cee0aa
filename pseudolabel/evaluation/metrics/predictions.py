"""The captions to judge: of a run, of a release, or from a file of ids and captions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pseudolabel.errors import InputError
from pseudolabel.evaluation.metrics.caption_files import (
    Document,
    Table,
    read_file,
    read_id,
    read_texts,
)
from pseudolabel.records import Span

if TYPE_CHECKING:
    from pseudolabel.evaluation.clips import Clips

_SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".txt", ".parquet")
_SHAPES = (
    "captions are: a run folder, a release (a folder, or USER/REPO[@v1.0.0]), COCO results "
    "[{image_id, caption}], JSON {id: caption}, or a table (.csv, .tsv, .jsonl, .parquet) with a "
    "column of ids and one of captions"
)


@dataclass(frozen=True, slots=True)
class Prediction:
    """A caption, and what it is of."""

    video_id: str
    caption: str
    clip_index: int | None = None  # where it is of one clip of the video
    span: Span | None = None  # where the clip's times are known

    @property
    def label(self) -> str:
        """A name that no other prediction has: the video's id, and the clip's number if any."""
        return self.video_id if self.clip_index is None else f"{self.video_id}#{self.clip_index}"


@dataclass(frozen=True, slots=True)
class Predictions:
    """Captions to judge, and where they came from."""

    path: str
    shape: str  # as a person would name it, such as "a run"
    predictions: tuple[Prediction, ...]


def read_predictions(path: str) -> Predictions:
    """Read captions to judge.

    Args:
        path: A run folder (a path or a URL), a release (a folder, or `USER/REPO[@v1.0.0]`), COCO
            results, JSON `{id: caption}`, or a table with a column of ids and one of captions,
            and optionally `clip_index`, `start_s` and `end_s`.

    Raises:
        InputError: If it is none of these, or has two captions for one id.
        RunError, ReleaseError, HubError: If a run or release cannot be read.
    """
    if not Path(path).is_file():
        return Predictions(path, "a run or release", _of_run(path))
    content = read_file(path)
    if isinstance(content, Table):
        found = tuple(_of_table(content))
    elif isinstance(content, Document):
        found = tuple(_of_document(content))
    else:
        found = tuple(Prediction(video_id, text) for video_id, text in content.texts)
    _check_each_once(path, found)
    return Predictions(path, "a file", found)


def predictions_of(clips: Clips) -> tuple[Prediction, ...]:
    """The captions of clips, in their order."""
    rows = zip(
        clips.video.tolist(),
        clips.captions,
        clips.clip_index.tolist(),
        clips.start_s.tolist(),
        clips.end_s.tolist(),
        strict=True,
    )
    return tuple(
        Prediction(clips.video_ids[video], caption, index, Span(start_s, end_s))
        for video, caption, index, start_s, end_s in rows
    )


def _of_run(path: str) -> tuple[Prediction, ...]:
    from pseudolabel.evaluation.clips import read_clips

    if not Path(path).exists() and path.lower().endswith(_SUFFIXES):
        raise InputError(f"{path}: no such file or folder", hint=_SHAPES)
    return predictions_of(read_clips(path))


def _of_table(table: Table) -> Iterable[Prediction]:
    for row in table.captioned():
        yield Prediction(
            row.video_id, _only(row.texts, row.video_id, table.path), row.clip_index, row.span
        )


def _of_document(document: Document) -> Iterable[Prediction]:
    data, path = document.data, document.path
    if not all(isinstance(texts, str | list) for texts in data.values()):
        keys = ", ".join(repr(key) for key in list(data)[:4])
        raise InputError(f"{path}: JSON of no known shape: an object of {keys}", hint=_SHAPES)
    for key, texts in data.items():
        where = f"{path}: {key!r}"
        yield Prediction(read_id(key, where), _only(read_texts(texts, where), key, path))


def _only(texts: tuple[str, ...], video_id: str, path: str) -> str:
    if len(texts) != 1:
        raise InputError(
            f"{path}: {video_id!r} has {len(texts)} captions; one is judged",
            hint="references, which may have several an id, are the second argument",
        )
    return texts[0]


def _check_each_once(path: str, predictions: Iterable[Prediction]) -> None:
    seen: set[tuple[str, Span | None]] = set()
    for prediction in predictions:
        place = (prediction.label, prediction.span)
        if place in seen:
            raise InputError(
                f"{path}: {prediction.label!r} has more than one caption; one is judged",
                hint="clips of one video are told apart by a column clip_index, or by start_s "
                "and end_s; references are the second argument",
            )
        seen.add(place)
    if not seen:
        raise InputError(f"{path}: holds no captions", hint=_SHAPES)
