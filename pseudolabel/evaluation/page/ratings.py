"""Reads the file that a page's rating sheet saves.

    {"format": "pseudolabel-ratings", "version": 1,
     "sheet": "9f2c...", "title": "...", "rater": "am", "saved_at": "2026-11-23T10:00:00.000Z",
     "pairs": 400, "questions": ["Is at least one ..."],
     "ratings": [{"clip": "v1/3", "side": "pseudolabel", "shown_as": "A", "question": "Is at ...",
                  "answer": "yes", "automatic": false, "rater": "am", "rated_at": "2026-..."}]}

A sheet can be saved half done: `pairs` is how many it has, `ratings` holds what was answered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard

from pseudolabel.errors import InputError

FORMAT, VERSION = "pseudolabel-ratings", 1
Answer = Literal["yes", "no", "unsure"]
_TEXTS = ("clip", "side", "question", "rater", "rated_at")
_HINT = "give the file that the page's Save button wrote, unchanged"


@dataclass(frozen=True, slots=True)
class Rated:
    """One person's answer to one question about one text."""

    sheet: str  # names the very pairs and questions that were shown
    clip: str
    side: str  # such as "pseudolabel": what the rater did not see
    question: str
    answer: Answer
    automatic: bool  # an empty text: nobody was asked, the answer is "no"
    rater: str
    rated_at: str  # ISO 8601, UTC


def read_ratings(path: Path) -> list[Rated]:
    """The answers in a file that a rating sheet saved, in its order.

    Raises:
        InputError: If it cannot be read, is no such file, or rates one text twice.
    """
    document = _document(path)
    sheet, rows = document.get("sheet"), document.get("ratings")
    if not isinstance(sheet, str) or not isinstance(rows, list):
        raise InputError(f"{path}: has no 'sheet' or no list of 'ratings'", hint=_HINT)
    rated = [_rated(path, number, sheet, row) for number, row in enumerate(rows, 1)]
    seen: set[tuple[str, ...]] = set()
    for one in rated:
        key = (one.clip, one.side, one.question, one.rater)
        if key in seen:
            raise InputError(
                f"{path}: {one.rater!r} rates {one.side} of clip {one.clip!r} twice", hint=_HINT
            )
        seen.add(key)
    return rated


def _document(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read: {error.strerror or error}", hint=_HINT
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON: {error}", hint=_HINT) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(f"{path}: is not a file of ratings", hint=_HINT)
    if document.get("version") != VERSION:
        raise InputError(
            f"{path}: ratings of version {document.get('version')!r}, this reads {VERSION}",
            hint="read it with the version of pseudolabel that wrote the page",
        )
    return document


def _rated(path: Path, number: int, sheet: str, row: object) -> Rated:
    where = f"{path}: rating {number}"
    if not isinstance(row, dict):
        raise InputError(f"{where} is {row!r}, expected an object", hint=_HINT)
    for name in _TEXTS:
        if not isinstance(row.get(name), str) or not row[name]:
            raise InputError(f"{where}: {name!r} is {row.get(name)!r}, expected text", hint=_HINT)
    answer, automatic = row.get("answer"), row.get("automatic", False)
    if not _is_answer(answer):
        raise InputError(f"{where}: answer {answer!r}, allowed: yes, no, unsure", hint=_HINT)
    if not isinstance(automatic, bool):
        raise InputError(
            f"{where}: 'automatic' is {automatic!r}, expected true or false", hint=_HINT
        )
    texts = {name: row[name] for name in _TEXTS}
    return Rated(sheet=sheet, answer=answer, automatic=automatic, **texts)


def _is_answer(value: object) -> TypeGuard[Answer]:
    return value in ("yes", "no", "unsure")
