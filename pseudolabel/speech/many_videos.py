"""Files with the transcripts of many videos, read one video at a time: they can be gigabytes."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path
from typing import Any

from pseudolabel.errors import InputError
from pseudolabel.speech.cues import Cue
from pseudolabel.speech.encodings import open_text
from pseudolabel.speech.json_stream import iter_members
from pseudolabel.speech.json_transcripts import is_howto100m, parse_json
from pseudolabel.speech.table_transcripts import TableRow, cues_of, table_rows, unit_s
from pseudolabel.speech.transcripts import Transcript, transcript_of

_KINDS = (
    'a file of many videos is JSON as of HowTo100M, {"VIDEO_ID": {"text": [..], "start": [..], '
    '"end": [..]}}, or .csv or .tsv with columns video_id, start, end, text'
)
_PEEKED_VIDEOS = 20
_PEEKED_ROWS = 10_000


def is_of_many_videos(path: str | os.PathLike[str]) -> bool:
    """Whether a file holds the transcripts of many videos: a look at how it begins.

    Raises:
        InputError: If the file cannot be opened.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".json", ".csv", ".tsv"):
        return False
    try:
        if suffix == ".json":
            with open_text(path) as file:
                members = itertools.islice(iter_members(file.read), _PEEKED_VIDEOS)
                values = itertools.takewhile(_may_be_of_a_video, (value for _, value in members))
                return any(map(is_howto100m, values))
        return any(row.video_id for row in itertools.islice(_rows(path), _PEEKED_VIDEOS))
    except OSError as error:
        raise _refusal(path, error) from None
    except (ValueError, RecursionError):  # whoever reads it will say so
        return False


def iter_howto100m(
    path: str | os.PathLike[str], wanted: Container[str] | None = None
) -> Iterator[tuple[str, Transcript]]:
    """The transcripts of `caption.json`, `raw_caption.json` and their like, in file order.

    One pass, which holds one video at a time. A video whose value is none of a transcript has an
    empty one with 1 dropped; a video that the file has twice is given twice.

    Args:
        path: A JSON object: video ids, each with parallel lists `text`, `start`, `end` (seconds).
        wanted: The video ids to give; all, if None. Each id of the file is looked up in it once.

    Raises:
        InputError: If the file cannot be read, or, after what was before has been given, where it
            is broken: naming about which character, and the video before.
    """
    video_id = ""
    try:
        with open_text(path) as file:
            for video_id, value in iter_members(file.read):
                if wanted is None or video_id in wanted:
                    yield video_id, transcript_of(_cues(value))
    except (OSError, ValueError, RecursionError) as error:
        raise _refusal(path, error, f", after video {video_id!r}" if video_id else "") from None


def iter_table(
    path: str | os.PathLike[str], wanted: Container[str] | None = None
) -> Iterator[tuple[str, Transcript]]:
    """The transcripts of a CSV or TSV with a column `video_id` or `video`.

    The file is read twice, so that the rows of a video may stand anywhere and memory holds only
    videos that have begun and not ended: one, where the table is sorted. A video is given when its
    last row has come.

    Args:
        path: A table with a header: video_id, start, end, text, in any order.
        wanted: The video ids to give; all, if None.

    Raises:
        InputError: If the file cannot be read or lacks a column, or, after what was before has
            been given, where it is broken.
    """
    try:
        yield from iter_rows(lambda: _rows(path), wanted)
    except (OSError, ValueError) as error:
        raise _refusal(path, error) from None


def iter_rows(
    rows: Callable[[], Iterable[TableRow]], wanted: Container[str] | None = None
) -> Iterator[tuple[str, Transcript]]:
    """The transcripts in the rows of a table, each when its last row has come.

    Args:
        rows: Gives the rows from the first one on; called twice. A `ValueError` of theirs is
            passed on the second time, after the rows before it.
        wanted: The video ids to give; all, if None.
    """
    left: Counter[str] = Counter()
    peeked: list[TableRow] = []
    try:
        for row in rows():
            if len(peeked) < _PEEKED_ROWS:
                peeked.append(row)
            if row.video_id in left or wanted is None or row.video_id in wanted:
                left[row.video_id] += 1
    except ValueError:  # comes again below, where it is passed on
        pass
    unit = unit_s(peeked)
    begun: dict[str, list[TableRow]] = {}
    for row in rows():
        if row.video_id in left:
            begun.setdefault(row.video_id, []).append(row)
            left[row.video_id] -= 1
            if not left[row.video_id]:
                yield row.video_id, transcript_of(cues_of(begun.pop(row.video_id), unit))


def _rows(path: str | os.PathLike[str]) -> Iterator[TableRow]:
    delimiter = "," if Path(path).suffix.lower() == ".csv" else "\t"
    with open_text(path) as file:
        yield from table_rows(file, delimiter=delimiter, of_many=True)


def _may_be_of_a_video(value: Any) -> bool:
    return value is None or isinstance(value, (dict, list))


def _cues(value: object) -> list[Cue]:
    cues = parse_json(value)
    return [Cue(float("nan"), None, "")] if cues is None else cues


def _refusal(path: str | os.PathLike[str], error: Exception, where: str = "") -> InputError:
    why = getattr(error, "strerror", None) or error
    return InputError(f"{os.fspath(path)}: {why}{where}", hint=_KINDS)
