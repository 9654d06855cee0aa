"""Files of ratings, good and bad. That a page writes good ones is tested in a browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pseudolabel.errors import InputError
from pseudolabel.evaluation.page.ratings import Rated, read_ratings

ROW = {
    "clip": "v1/3",
    "side": "pseudolabel",
    "shown_as": "B",
    "question": "Visible?",
    "answer": "yes",
    "automatic": False,
    "rater": "am",
    "rated_at": "2026-11-23T10:00:00.000Z",
}
GOOD: dict[str, Any] = {
    "format": "pseudolabel-ratings",
    "version": 1,
    "sheet": "0123456789abcdef",
    "ratings": [ROW],
}


def saved(tmp_path: Path, document: object) -> Path:
    path = tmp_path / "ratings.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    time = "2026-11-23T10:00:00.000Z"
    expected = Rated(GOOD["sheet"], "v1/3", "pseudolabel", "Visible?", "yes", False, "am", time)
    assert read_ratings(saved(tmp_path, GOOD)) == [expected]


def test_a_file_without_an_answer_is_read(tmp_path: Path) -> None:
    assert read_ratings(saved(tmp_path, GOOD | {"ratings": []})) == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "not a file of ratings"),
        (GOOD | {"format": "other"}, "not a file of ratings"),
        (GOOD | {"version": 2}, "ratings of version 2, this reads 1"),
        (GOOD | {"sheet": None}, "no 'sheet'"),
        (GOOD | {"ratings": {}}, "no list of 'ratings'"),
        (GOOD | {"ratings": ["x"]}, "rating 1 is 'x', expected an object"),
        (GOOD | {"ratings": [ROW | {"clip": 3}]}, "rating 1: 'clip' is 3, expected text"),
        (GOOD | {"ratings": [ROW | {"rater": ""}]}, "rating 1: 'rater' is '', expected text"),
        (GOOD | {"ratings": [ROW | {"answer": "maybe"}]}, "allowed: yes, no, unsure"),
        (GOOD | {"ratings": [ROW | {"answer": ["yes"]}]}, "allowed: yes, no, unsure"),
        (GOOD | {"ratings": [ROW | {"automatic": 1}]}, "expected true or false"),
        (GOOD | {"ratings": [ROW, ROW]}, "rates pseudolabel of clip 'v1/3' twice"),
    ],
)
def test_what_no_page_saved_is_refused(tmp_path: Path, document: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        read_ratings(saved(tmp_path, document))
    assert raised.value.hint


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe{\x00", b"[" * 100_000])
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ratings.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"ratings\.json: is not JSON"):
        read_ratings(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_ratings(tmp_path / "ratings.json")
