"""Equal values have equal fingerprints, however they are stored, and others have others."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pseudolabel.release.comparison.fingerprints import combined, fingerprints

CAPTION = pa.struct([("text", pa.string()), ("score", pa.float32())])
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

# By type, values that all differ from one another.
DISTINCT: dict[pa.DataType, list[Any]] = {
    pa.string(): [None, "", " ", "a", "b", "ab", "ba", "aa", "a\x00", "\x00", "\x00\x00", "é"],
    pa.large_string(): [None, "", "a", "a" * 5000, "a" * 5001, "a" * 4999 + "b"],
    pa.binary(): [None, b"", b"\x00", b"\x00\x00", b"\xff", b"\x80", b"\x01\x80", b"\x80\x01"],
    pa.bool_(): [None, True, False],
    pa.int32(): [None, 0, 1, -1, 2**31 - 1, -(2**31)],
    pa.int64(): [None, 0, 1, 2**32, 2**63 - 1, -(2**63)],
    pa.float32(): [None, 0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 1e-30],
    pa.float64(): [None, 0.0, 0.1, 0.1 + 1e-16, math.nan, 5e-324],
    pa.list_(pa.string()): [None, [], [None], [""], ["", ""], ["ab"], ["a", "b"], ["b", "a"]],
    pa.list_(pa.float64()): [None, [], [0.0], [0.0, 0.0], [1.0, 2.0], [2.0, 1.0], [math.nan]],
    pa.list_(pa.list_(pa.int8())): [None, [], [[]], [[], []], [[0]], [[0], []], [[], [0]], [None]],
    pa.list_(pa.int32(), 2): [None, [0, 1], [1, 0], [0, None]],
    CAPTION: [
        *(None, {"text": None, "score": None}, {"text": "", "score": None}),
        *({"text": "a", "score": None}, {"text": "a", "score": 0.5}, {"text": None, "score": 0.5}),
    ],
    pa.list_(CAPTION): [
        *(None, [], [None], [{"text": "a", "score": 0.5}]),
        *([{"text": "a", "score": 0.5}] * 2, [{"text": "a", "score": None}]),
    ],
    IMAGE: [None, {"bytes": b"x", "path": None}, {"bytes": None, "path": "x"}],
    pa.timestamp("us"): [None, 0, 1, -1],
    pa.decimal128(9, 2): [None, 1, 2],
}


@pytest.mark.parametrize("kind", DISTINCT, ids=str)
def test_different_values_differ_and_equal_ones_do_not(kind: pa.DataType) -> None:
    values = DISTINCT[kind]
    chance = random.Random(0)
    at = [chance.randrange(len(values)) for _ in range(200)]
    hashes = fingerprints(pa.array([values[i] for i in at], kind)).tolist()
    assert len({*zip(at, hashes, strict=True)}) == len(values)
    assert len({*hashes}) == len(values)


@pytest.mark.parametrize("kind", DISTINCT, ids=str)
def test_pieces_give_what_the_whole_gives(kind: pa.DataType) -> None:
    column = pa.array(DISTINCT[kind] * 5, kind)
    whole = fingerprints(column)
    for start in range(0, len(column), 7):
        piece = column.slice(start, 7)
        np.testing.assert_array_equal(fingerprints(piece), whole[start : start + 7])
        copied = pa.concat_arrays([piece, piece])[len(piece) :]
        np.testing.assert_array_equal(fingerprints(copied), whole[start : start + 7])
    assert fingerprints(column.slice(3, 0)).shape == (0,)


def test_a_dictionary_is_what_it_stands_for() -> None:
    plain = pa.array(["b", None, "a", "b", ""])
    np.testing.assert_array_equal(fingerprints(plain.dictionary_encode()), fingerprints(plain))
    indices = pa.array([1, 0], pa.int8())
    holding_null = pa.DictionaryArray.from_arrays(indices, pa.array([None, "a"]))
    expected = fingerprints(pa.array(["a", None]))
    np.testing.assert_array_equal(fingerprints(holding_null), expected)


def test_zero_has_no_sign_and_nan_is_one_value() -> None:
    odd_nan = np.array([0x7FF8000000000001], np.uint64).view(np.float64)
    values = pa.array(np.array([0.0, -0.0, math.nan, odd_nan[0]]))
    zero, minus_zero, nan, other_nan = fingerprints(values).tolist()
    assert zero == minus_zero != nan == other_nan


def test_what_lies_under_a_null_does_not_count() -> None:
    offsets = pa.array([0, 1, 2], pa.int32())
    hidden = [
        pa.ListArray.from_arrays(offsets, pa.array([1, value]), mask=pa.array([False, True]))
        for value in (2, 3)
    ]
    np.testing.assert_array_equal(fingerprints(hidden[0]), fingerprints(hidden[1]))


def test_columns_combine_by_their_place() -> None:
    left, right = fingerprints(pa.array(["a", "b"])), fingerprints(pa.array(["b", "a"]))
    one, other = combined([left, right]), combined([right, left])
    assert one[0] != other[0]
    assert one[0] == other[1]


def test_many_short_texts_do_not_collide() -> None:
    numbers = fingerprints(pa.array(np.arange(300_000)).cast(pa.string()))
    assert len(np.unique(numbers)) == 300_000
