"""Rows against their schema: the column-wise checks say what a JSON Schema validator says."""

from __future__ import annotations

import random
from typing import Any

import jsonschema
import pyarrow as pa
import pytest

from pseudolabel.contract import load_schema
from pseudolabel.release.checks import wrong_rows
from pseudolabel.release.rows import CONFIGS, arrow_schema
from release_factory import clip_row, frame_row, skipped_row

Row = dict[str, Any]


def loose(config: str) -> pa.Schema:
    """The columns of a config, with nulls allowed everywhere: what a foreign file may hold."""

    def opened(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_struct(kind):
            return pa.struct([pa.field(f.name, opened(f.type)) for f in kind])
        return pa.list_(opened(kind.value_type)) if pa.types.is_list(kind) else kind

    return pa.schema([pa.field(f.name, opened(f.type)) for f in arrow_schema(config)])


def told(config: str, rows: list[Row]) -> list[tuple[int, str]]:
    table = pa.Table.from_pylist(rows, schema=loose(config))
    return [(wrong.row, wrong.message) for wrong in wrong_rows(config, table)]


GOOD: dict[str, list[Row]] = {
    "clips": [clip_row(clip_index=i, samples=["a", "b"] if i else None) for i in range(4)],
    "frames": [frame_row(clip_row(clip_index=i)) for i in range(4)],
    "skipped": [skipped_row(video_id=f"{i}.mp4") for i in range(4)],
}


@pytest.mark.parametrize("config", CONFIGS)
def test_the_arrow_schema_has_the_columns_of_the_published_one(config: str) -> None:
    published = load_schema(f"{config.removesuffix('s')}.v1")
    schema = arrow_schema(config)
    assert list(published["properties"]) == published["required"] == schema.names
    nullable = [n for n, rule in published["properties"].items() if "null" in rule.get("type", ())]
    assert nullable == [field.name for field in schema if field.nullable]


@pytest.mark.parametrize("config", CONFIGS)
def test_good_rows_pass(config: str) -> None:
    assert told(config, GOOD[config]) == []
    assert told(config, []) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"video_id": ""}, "video_id is '': minLength 1"),
        ({"caption": None}, "caption is None: must not be null"),
        ({"mean_logprob": 0.5}, "mean_logprob is 0.5: maximum 0.001"),
        ({"mean_logprob": float("nan")}, "mean_logprob is nan: must be a finite number"),
        ({"clip_index": -1}, "clip_index is -1: minimum 0"),
        ({"rotation_deg": 45}, "rotation_deg is 45: enum [0, 90, 180, 270]"),
        ({"perceptual_hash": "xyz"}, "perceptual_hash is 'xyz': pattern"),
        ({"flags": ["loop", ""]}, "flags[] is '': minLength 1"),
        ({"samples": ["a", None]}, "samples[] is None: must not be null"),
        ({"start_s": 9.0, "end_s": 8.0}, "clip 9..8 s of a video of 80 s ends before it starts"),
        ({"start_s": -1.0}, "clip -1..24 s of a video of 80 s starts before the video"),
        ({"end_s": 81.0}, "clip 16..81 s of a video of 80 s ends after the video"),
    ],
)
def test_a_wrong_clip_is_told_by_its_row(changes: Row, message: str) -> None:
    rows = [*GOOD["clips"][:2], clip_row(clip_index=2) | changes, GOOD["clips"][3]]
    assert [(row, said[: len(message)]) for row, said in told("clips", rows)] == [(2, message)]


def test_rows_that_stand_there_twice_are_told() -> None:
    rows = [*GOOD["clips"], clip_row(clip_index=1, caption="another")]
    assert told("clips", rows) == [(4, "stands there twice: video_id 'world-00.mp4', clip_index 1")]
    assert len(told("frames", GOOD["frames"] * 2)) == len(GOOD["frames"])
    assert told("skipped", GOOD["skipped"] * 2) == []  # a video may fail in two ways


@pytest.mark.parametrize("config", CONFIGS)
def test_it_agrees_with_a_json_schema_validator(config: str) -> None:
    """Values that were broken at random are wrong here exactly where they are wrong there."""
    dice = random.Random(0)
    validator = jsonschema.Draft202012Validator(load_schema(f"{config.removesuffix('s')}.v1"))
    schema = loose(config)
    found_wrong = 0
    for _ in range(300):
        row = dict(dice.choice(GOOD[config]))
        name = dice.choice(schema.names)
        row[name] = broken(dice, row[name], schema.field(name).type)
        expected = not validator.is_valid(row)
        table = pa.Table.from_pylist([row], schema=schema)
        messages = [w.message for w in wrong_rows(config, table)]
        by_schema = [m for m in messages if not m.startswith("clip ")]
        assert bool(by_schema) == expected, (name, row[name], messages)
        found_wrong += expected
    assert found_wrong > 50


def broken(dice: random.Random, value: Any, kind: pa.DataType) -> Any:
    if dice.random() < 0.3:
        return None
    if pa.types.is_string(kind):
        return dice.choice(["", "x", "0123456789abcdef", "0123456789ABCDEF", "open", "filtered"])
    if pa.types.is_boolean(kind):
        return dice.choice([True, False])
    if pa.types.is_list(kind):
        if dice.random() < 0.2:
            return []
        items = value or []
        return [*items, broken(dice, items[0] if items else None, kind.value_type)]
    if pa.types.is_struct(kind):
        field = dice.choice(list(kind))
        inner = value if isinstance(value, dict) else {}
        return inner | {field.name: broken(dice, inner.get(field.name), field.type)}
    number = dice.choice([-1, 0, 1, 90, 91])
    return number if pa.types.is_integer(kind) else float(number)
