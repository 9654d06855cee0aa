"""Which of the files that may be a video's transcript is it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pseudolabel.errors import InputError
from pseudolabel.speech.encodings import open_text
from pseudolabel.speech.names import BY_LAST_PART, stem_of
from pseudolabel.speech.transcripts import TRANSCRIPT_SUFFIXES

# The forms that may have times of words come first.
_FORMS = (".json3", ".json", ".vtt", ".srt", ".tsv", ".csv")
_COLUMNS = ("video_id", "transcript")
_MAPPING = (
    "a mapping is a .csv, .tsv or .jsonl with columns video_id and transcript: a path in the "
    "folder of transcripts, or an id in the file of them"
)


class Candidate(NamedTuple):
    """A file that may be of a video; the lowest is the best."""

    is_video: bool  # the subtitles in it would be
    how: int  # its name fits: see `VideoNames`
    distance: int
    form: int
    path: str  # below the folder of transcripts

    @classmethod
    def of(cls, path: str, how: int, distance: int) -> Candidate:
        """The candidate at a path, whose name fits so."""
        suffix = Path(path).suffix.lower()
        is_video = suffix not in TRANSCRIPT_SUFFIXES
        return cls(is_video, how, distance, len(_FORMS) if is_video else _FORMS.index(suffix), path)

    @property
    def is_by_path(self) -> bool:
        """Whether the folder fits, too."""
        return self.how < BY_LAST_PART


def choose(candidates: Mapping[str, Sequence[Candidate]]) -> dict[str, list[str]]:
    """Paths of what to read for each video, the best first.

    A file whose path fits one video is none of another's that has only its name. Where names alone
    would let two files in different folders be of one video, or one file of two videos that do not
    differ in their suffix alone, there is no telling.

    Args:
        candidates: Of each video, by its id.

    Raises:
        InputError: If there is no telling; it names both.
    """
    by_path = {c.path for found in candidates.values() for c in found if c.is_by_path}
    chosen: dict[str, list[str]] = {}
    owners: dict[str, str] = {}
    for video_id, found in candidates.items():
        ranked = sorted(c for c in found if c.is_by_path or c.path not in by_path)
        if not ranked:
            continue
        best = ranked[0]
        ranked = [c for c in ranked if c.is_by_path or not best.is_by_path]
        if not best.is_by_path:
            _refuse_two_files(video_id, [c for c in ranked if c.is_video == best.is_video])
            owner = owners.setdefault(best.path, video_id)
            if stem_of(owner) != stem_of(video_id):
                raise _no_telling(f"{best.path}: may be of {owner!r} or of {video_id!r}")
        chosen[video_id] = [c.path for c in ranked]
    return chosen


def _refuse_two_files(video_id: str, ranked: Sequence[Candidate]) -> None:
    home = _folder(ranked[0])
    for other in ranked:
        if _folder(other) != home:
            raise _no_telling(
                f"{video_id!r}: its transcript may be {ranked[0].path} or {other.path}"
            )


def _folder(candidate: Candidate) -> str:
    return candidate.path.rpartition("/")[0]


def _no_telling(message: str) -> InputError:
    return InputError(message, hint="say which with --map TABLE (columns video_id, transcript)")


def read_mapping(path: str) -> dict[str, str]:
    """Which transcript is of which video, by the video's id.

    Raises:
        InputError: If it cannot be read, or says two things of one video.
    """
    mapping: dict[str, str] = {}
    try:
        with open_text(path) as file:
            for number, row in enumerate(_rows(file, Path(path).suffix.lower()), 1):
                video_id, transcript = (str(row.get(name) or "").strip() for name in _COLUMNS)
                if not video_id or not transcript:
                    raise ValueError(f"row {number} has no {' or no '.join(_COLUMNS)}")
                if mapping.setdefault(video_id, transcript) != transcript:
                    raise ValueError(f"row {number}: {video_id!r} has another transcript above")
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: {why}", hint=_MAPPING) from None
    return mapping


def _rows(lines: Iterable[str], suffix: str) -> Iterator[Mapping[str, Any]]:
    if suffix == ".jsonl":
        for number, line in enumerate(lines, 1):
            if line.strip():
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError(f"line {number} is no object")
                yield row
    elif suffix in (".csv", ".tsv"):
        reader = csv.DictReader(lines, delimiter="," if suffix == ".csv" else "\t")
        names = reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
        if missing := [name for name in _COLUMNS if name not in names]:
            raise ValueError(f"no column {' or '.join(missing)} (columns: {', '.join(names)})")
        yield from reader
    else:
        raise ValueError(f"{suffix or 'no suffix'} is no table of these")
