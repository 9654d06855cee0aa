"""`--where`: what stays, what goes, and what cannot be asked."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pseudolabel.errors import OptionError
from pseudolabel.release.filters import Filter
from pseudolabel.release.rows import arrow_schema
from release_factory import clip_row

ROWS = [
    clip_row(clip_index=0, caption="A red cat", mean_logprob=-0.5, flags=["loop"]),
    clip_row(clip_index=1, caption="a blue dog runs", mean_logprob=-1.5, flags=[]),
    clip_row(clip_index=2, caption="", mean_logprob=None, truncated=True, flags=["empty", "loop"]),
    clip_row(clip_index=3, caption="a cat", mean_logprob=-3.0, license="cc0-1.0"),
]


def kept(where: str) -> list[int]:
    clips = pa.Table.from_pylist(ROWS, schema=arrow_schema("clips"))
    return clips.filter(Filter(where).stays(clips))["clip_index"].to_pylist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("where", "stay"),
    [
        ("mean_logprob > -1.5", [0]),
        ("mean_logprob >= -1.5", [0, 1]),
        ("-2 < mean_logprob < -1", [1]),
        ("not truncated", [0, 1, 3]),
        ("truncated == True", [2]),
        ("words >= 3", [0, 1]),
        ("words == 0", [2]),
        ("words in (2.0, 3)", [0, 3]),
        ('contains(caption, "CAT")', [0, 3]),
        ('not contains(caption, "cat") and words > 0', [1]),
        ("flagged(loop)", [0, 2]),
        ("not flagged(loop, empty)", [1, 3]),
        ('flagged("empty")', [2]),
        ("mean_logprob is None", [2]),
        ("mean_logprob is not None", [0, 1, 3]),
        ('license in ("cc0-1.0", "cc-by-4.0")', [3]),
        ('license not in ("cc0-1.0",)', []),
        ('license is None or license == "cc0-1.0"', [0, 1, 2, 3]),
        ("clip_index != 2", [0, 1, 3]),
        ("mean_logprob > -1 or truncated", [0, 2]),
    ],
)
def test_what_stays(where: str, stay: list[int]) -> None:
    assert kept(where) == stay


def test_a_value_that_is_not_there_is_neither_above_nor_below() -> None:
    clips = pa.Table.from_pylist(ROWS, schema=arrow_schema("clips"))
    condition = Filter("mean_logprob > -1")
    condition.stays(clips)
    assert (condition.removed, condition.unknown) == (3, 1)
    condition.stays(clips)  # counts add up over the batches of an export
    assert (condition.removed, condition.unknown) == (6, 2)


@pytest.mark.parametrize(
    "where",
    [
        "",
        "a b",
        "(",
        "nope > 1",
        "caption",
        "caption > 3",
        "1 > 2",
        "True",
        "words",
        "clip_index + 1 > 2",
        "caption.upper() == 'X'",
        "__import__('os').system('true')",
        "[x for x in ()]",
        "flagged()",
        "flagged(clip_index > 1)",
        "contains(clip_index, 'x')",
        "caption in caption",
        "flags > 2",
        "x := 3",
        "\0",
        "not " * 3000 + "truncated",
        f"words < 1{'0' * 30}",
        f"words in (-1{'0' * 30},)",
        r'caption == "\ud800"',
        r'caption in ("\ud800",)',
        r'contains(caption, "\udfff")',
        "words in (1, 1.5)",
    ],
)
def test_what_is_no_condition_is_refused(where: str) -> None:
    with pytest.raises(OptionError, match="--where"):
        Filter(where)
