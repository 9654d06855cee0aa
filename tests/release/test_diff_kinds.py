"""Each kind of change is found, told and weighed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pseudolabel.release.comparison.changes import ReleaseDiff
from pseudolabel.release.comparison.diff import diff
from pseudolabel.release.comparison.reasons import with_reasons
from pseudolabel.release.manifest import Filtered
from pseudolabel.release.rows import arrow_schema
from pseudolabel.release.version import Bump
from release_factory import (
    Row,
    clip_row,
    clip_rows,
    frame_row,
    skipped_row,
    source_run,
    write_release,
)

Change = Callable[[list[Row]], dict[str, Any]]  # rows of `clips` -> arguments of write_release
OTHER_RUN = "f" * 16
HALVES = {"train": 0.5, "validation": 0.5}


def base_rows() -> list[Row]:
    return clip_rows(4, 3)


def base_skipped() -> list[Row]:
    return [skipped_row("broken.mp4"), skipped_row("world-00.mp4", 7, reason="truncated")]


def compared(tmp_path: Path, change: Change) -> ReleaseDiff:
    """A release against one that a change was made to."""
    before = write_release(tmp_path / "before", base_rows(), skipped=base_skipped())
    rows = base_rows()
    arguments: dict[str, Any] = {"rows": rows, "skipped": base_skipped()} | change(rows)
    after = write_release(tmp_path / "after", arguments.pop("rows"), version="1.1.0", **arguments)
    return diff(before, after)


def with_frames_of(rows: Sequence[Row]) -> list[Row]:
    return [frame_row(row) for row in rows]


def row_added(rows: list[Row]) -> dict[str, Any]:
    return {"rows": [*rows, clip_row("world-00.mp4", 3)], "frames": with_frames_of(rows)}


def row_removed(rows: list[Row]) -> dict[str, Any]:
    return {"rows": rows[1:], "frames": with_frames_of(rows)}


def value_changed(column: str, value: object) -> Change:
    def change(rows: list[Row]) -> dict[str, Any]:
        frames = with_frames_of(rows)
        rows[4] |= {column: value}
        return {"frames": frames}

    return change


def frame_added(rows: list[Row]) -> dict[str, Any]:
    return {"frames": [*with_frames_of(rows), frame_row(rows[0], 1)]}


def frame_removed(rows: list[Row]) -> dict[str, Any]:
    return {"frames": with_frames_of(rows)[:-1]}


def frame_changed(rows: list[Row]) -> dict[str, Any]:
    frames = with_frames_of(rows)
    frames[2]["captions"][0]["similarity"] = 0.25
    return {"frames": frames}


def skipped_added(rows: list[Row]) -> dict[str, Any]:
    return {"skipped": [*base_skipped(), skipped_row("gone.mp4", reason="not_found")]}


def skipped_removed(rows: list[Row]) -> dict[str, Any]:
    return {"skipped": base_skipped()[1:]}


def skipped_changed(rows: list[Row]) -> dict[str, Any]:
    skipped = base_skipped()
    skipped[0] |= {"reason": "truncated"}
    return {"skipped": skipped}


def column_added(rows: list[Row]) -> dict[str, Any]:
    schema = arrow_schema("clips").append(pa.field("score", pa.float32()))
    return {"schemas": {"clips": schema}}


def column_removed(rows: list[Row]) -> dict[str, Any]:
    schema = arrow_schema("frames")
    return {"schemas": {"frames": schema.remove(schema.get_field_index("text_share"))}}


def column_retyped(rows: list[Row]) -> dict[str, Any]:
    schema = arrow_schema("clips")
    at = schema.get_field_index("width")
    return {"schemas": {"clips": schema.set(at, pa.field("width", pa.int64()))}}


def config_added(rows: list[Row]) -> dict[str, Any]:
    return {"more": {"scores": [{"video_id": "world-00.mp4", "score": 1.0}]}}


def video_moved(rows: list[Row]) -> dict[str, Any]:
    return {"placed": {"world-02.mp4": "validation"}}


def shares_changed(rows: list[Row]) -> dict[str, Any]:
    ids = {row["video_id"] for row in (*rows, *base_skipped())}
    return {"splits": HALVES, "placed": dict.fromkeys(ids, "train")}


def license_changed(rows: list[Row]) -> dict[str, Any]:
    return {"license": "cc0-1.0"}


def language_changed(rows: list[Row]) -> dict[str, Any]:
    return {"language": ["en", "de"]}


def filter_changed(rows: list[Row]) -> dict[str, Any]:
    return {"filters": [Filtered("mean_logprob>-2", 0, 0)]}


def package_changed(rows: list[Row]) -> dict[str, Any]:
    return {"pseudolabel": "0.2.0"}


def prompt_changed(rows: list[Row]) -> dict[str, Any]:
    return {"runs": [source_run(clips=12, prompt="a photo of")]}


def option_changed(rows: list[Row]) -> dict[str, Any]:
    run = source_run(clips=12)
    return {"runs": [replace(run, options={**run.options, "--snap": "exact"})]}


def torch_changed(rows: list[Row]) -> dict[str, Any]:
    run = source_run(clips=12)
    return {"runs": [replace(run, versions={**run.versions, "torch": "2.7.0"})]}


ALONE: dict[str, tuple[Change, Bump, str, str]] = {
    "clip added": (row_added, Bump.MINOR, "1 clip was added", "clips 12 -> 13 (1 added)"),
    "clip removed": (
        *(row_removed, Bump.PATCH, "1 clip was taken out"),
        "  - world-00.mp4#0 0-8 s: 'clip 0 of world-00.mp4'",
    ),
    "recaptioned": (
        *(value_changed("caption", "a b"), Bump.PATCH, "1 clip was changed"),
        "  world-01.mp4#1: 'clip 1 of world-01.mp4' -> 'a b'",
    ),
    "span": (
        *(value_changed("end_s", 12.5), Bump.PATCH, "1 clip was changed"),
        "  world-01.mp4#1: 8-16 s -> 8-12.5 s",
    ),
    "flags": (
        *(value_changed("flags", ["repeats"]), Bump.PATCH, "1 clip was changed"),
        "other values in clips: flags 1",
    ),
    "samples": (
        *(value_changed("samples", ["a", "b"]), Bump.PATCH, "1 clip was changed"),
        "other values in clips: samples 1",
    ),
    "an empty list, not null": (
        *(value_changed("cuts_s", []), Bump.PATCH, "1 clip was changed"),
        "other values in clips: cuts_s 1",
    ),
    "logprob unknown": (
        *(value_changed("mean_logprob", None), Bump.PATCH, "1 clip was changed"),
        "other values in clips: mean_logprob 1",
    ),
    "run": (
        *(value_changed("run", OTHER_RUN), Bump.PATCH, "1 clip was changed"),
        "other values in clips: run 1",
    ),
    "frame added": (frame_added, Bump.MINOR, "1 frame was added", "frames 12 -> 13 (1 added)"),
    "frame removed": (
        *(frame_removed, Bump.PATCH, "1 frame was taken out"),
        "frames 12 -> 11 (1 removed)",
    ),
    "frame": (
        frame_changed,
        Bump.PATCH,
        "1 frame was changed",
        "other values in frames: captions 1",
    ),
    "skipped added": (
        *(skipped_added, Bump.PATCH, "1 skipped row was added"),
        "  not_found 0 -> 1",
    ),
    "skipped removed": (
        *(skipped_removed, Bump.PATCH, "1 skipped row was taken out"),
        "  decode_error 1 -> 0",
    ),
    "skipped": (skipped_changed, Bump.PATCH, "1 skipped row was changed", "  truncated 1 -> 2"),
    "column added": (
        *(column_added, Bump.MINOR, "column score of clips was added"),
        "columns of clips: + score (float)",
    ),
    "column removed": (
        *(column_removed, Bump.MAJOR, "column text_share of frames was removed"),
        "columns of frames: - text_share (double)",
    ),
    "column retyped": (
        *(column_retyped, Bump.MAJOR, "column width of clips became int64, from int32"),
        "columns of clips: width (int32 -> int64)",
    ),
    "config added": (
        *(config_added, Bump.MINOR, "config scores was added"),
        "config scores added",
    ),
    "video moved": (
        *(video_moved, Bump.MAJOR, "1 video was moved to another split"),
        "  world-02.mp4: train -> validation",
    ),
    "shares": (
        *(shares_changed, Bump.MAJOR, "the splits were changed"),
        "splits train=1 -> train=0.5,validation=0.5",
    ),
    "license": (
        *(license_changed, Bump.PATCH, "the manifest says otherwise: license"),
        "license: cc-by-4.0 -> cc0-1.0",
    ),
    "language": (
        *(language_changed, Bump.PATCH, "the manifest says otherwise: language"),
        "language: en -> en, de",
    ),
    "filters": (
        *(filter_changed, Bump.PATCH, "the manifest says otherwise: filters"),
        "filters: none -> mean_logprob>-2",
    ),
    "package": (
        *(package_changed, Bump.PATCH, "the manifest says otherwise: pseudolabel"),
        "pseudolabel: 0.1.0 -> 0.2.0",
    ),
    "torch": (
        *(torch_changed, Bump.PATCH, "the manifest says otherwise: torch"),
        "torch: 2.6.0 -> 2.7.0",
    ),
    "prompt": (
        *(prompt_changed, Bump.MINOR, "captions were made another way: prompt"),
        "prompt: none -> a photo of",
    ),
    "option": (
        *(option_changed, Bump.MINOR, "captions were made another way: --snap"),
        "--snap: keyframe -> exact",
    ),
}


@pytest.mark.parametrize("name", ALONE)
def test_each_change_alone_is_the_only_one_told(name: str, tmp_path: Path) -> None:
    change, bump, reason, line = ALONE[name]
    found = compared(tmp_path, change)
    assert [(r.bump, r.text) for r in found.reasons] == [(bump, reason)]
    assert found.bump is bump
    assert line in found.lines()
    assert found.lines()[-1] == f"calls for {bump.name}: {reason}"


def test_reasons_follow_from_the_changes_alone(tmp_path: Path) -> None:
    found = compared(tmp_path, row_added)
    assert with_reasons(replace(found, reasons=())) == found
    assert found.rows["clips"].columns == {}


def test_all_changes_together(tmp_path: Path) -> None:
    rows, skipped = base_rows(), base_skipped()
    before = write_release(tmp_path / "before", rows, skipped=skipped, more={"gone": [rows[0]]})
    rows = [*base_rows()[1:], *clip_rows(1, 2, first=8)]
    rows[0] |= {"caption": "other words", "mean_logprob": -1.5}
    rows[1] |= {"end_s": 20.0, "caption": "later"}
    schema = arrow_schema("clips")
    after = write_release(
        tmp_path / "after",
        rows,
        version="2.0.0",
        splits=HALVES,
        placed={row["video_id"]: "train" for row in rows[1:]} | {"broken.mp4": "validation"},
        skipped=skipped[:1],
        runs=[source_run(clips=len(rows), dtype="bfloat16")],
        license="mit",
        schemas={"clips": schema.set(schema.get_field_index("width"), pa.field("w", pa.int32()))},
    )
    found = diff(before, after)
    clips = found.rows["clips"]
    assert (clips.before, clips.after, clips.added, clips.removed, clips.changed) == (
        12,
        13,
        2,
        1,
        2,
    )
    assert clips.columns == {"caption": 2, "end_s": 1, "mean_logprob": 1}
    assert found.clips.recaptioned == 1
    assert found.clips.recaptioned_examples[0].before == "clip 1 of world-00.mp4"
    assert found.clips.recaptioned_examples[0].after == "other words"
    assert found.clips.spans_changed == 1
    assert found.clips.span_examples[0].after_s == (16.0, 20.0)
    assert found.clips.videos_added_examples == ("world-08.mp4",)
    assert [moved.video_id for moved in found.splits.moved_examples] == ["broken.mp4"]
    assert found.columns["clips"].added == {"w": "int32"}
    assert found.columns["clips"].removed == {"width": "int32"}
    assert found.configs_removed == ("gone",)
    assert {change.what for change in found.captioning} == {"dtype"}
    assert {change.what for change in found.metadata} == {"license"}
    assert [r.bump for r in found.reasons] == sorted((r.bump for r in found.reasons), reverse=True)
    assert {r.bump for r in found.reasons} == {Bump.MAJOR, Bump.MINOR, Bump.PATCH}
    told = json.loads(json.dumps(found.to_dict()))
    assert told["bump"] == "major"
    assert told["clips"]["recaptioned"] == 1
    assert told["reasons"][0] == {"bump": "major", "text": "config gone was removed"}
