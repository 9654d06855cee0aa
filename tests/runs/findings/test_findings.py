"""What only the whole run says of a row: repeats, near-duplicates, percentiles of chance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pseudolabel.errors import RunError
from pseudolabel.records import ClipCaption, Flag, FrameLook
from pseudolabel.runs.findings.findings import REPEATED_CLIPS, find, find_in_run
from pseudolabel.runs.floor import Floor, Pair, floor_table
from pseudolabel.runs.show import find_rows
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.runs.storage.writer import RunWriter, VideoRows
from run_factory import video_rows, write_run

LOOK = FrameLook("0f" * 8, 100.0, 40.0, None, 0.0)


def looking(
    video: VideoRows, *hashes: str, width: int = 320, flags: tuple[Flag, ...] = ()
) -> VideoRows:
    """The video with the looks of its clips' frames."""

    def clip(made: ClipCaption, digits: str) -> ClipCaption:
        look = replace(LOOK, perceptual_hash=digits)
        frames = tuple(replace(frame, look=look) for frame in made.clip.frames)
        info = replace(made.clip.info, width=width)
        return replace(made, clip=replace(made.clip, frames=frames, info=info), flags=flags)

    return replace(video, clips=tuple(map(clip, video.clips, hashes)))


def scored(video: VideoRows, *similarities: float) -> VideoRows:
    def clip(made: ClipCaption, similarity: float) -> ClipCaption:
        frames = tuple(
            replace(
                frame,
                captions=tuple(
                    replace(c, similarity=similarity, clip_similarity=similarity)
                    for c in frame.captions
                ),
            )
            for frame in made.clip.frames
        )
        return replace(made, clip=replace(made.clip, frames=frames))

    return replace(video, clips=tuple(map(clip, video.clips, similarities)))


def rows_of(run: str) -> dict[str, dict[str, Any]]:
    findings, floor = find_in_run(RunFolder(run))
    reading = findings.reading()
    return {
        f"{row['video_id']}#{row['clip_index']}": row
        for table in RunFolder(run).rows()
        for row in reading.add_to(table, floor).to_pylist()
    }


def test_a_caption_on_many_clips_is_repeated_and_counted(tmp_path: Path) -> None:
    often = ["a man is talking"] * (REPEATED_CLIPS - 1)
    run = write_run(tmp_path / "run", [video_rows("a", often)], [video_rows("b", ["a cat"])])
    assert {row["repeats"] for row in rows_of(run).values()} == {REPEATED_CLIPS - 1, 1}
    assert not any(row["flags"] for row in rows_of(run).values())
    with RunWriter(run) as writer:
        writer.commit([video_rows("c", ["a man is talking"])])
    found = rows_of(run)
    assert found["c#0"]["repeats"] == REPEATED_CLIPS
    assert found["c#0"]["flags"] == found["a#3"]["flags"] == ["repeated"]
    assert found["b#0"]["flags"] == []
    summary = find_in_run(RunFolder(run))[0].summary
    assert summary.most_repeated == (("a man is talking", REPEATED_CLIPS),)
    assert (summary.clips, summary.without_flags) == (REPEATED_CLIPS + 1, 1)
    assert summary.flags["repeated"] == REPEATED_CLIPS


def test_of_two_uploads_the_larger_picture_stays(tmp_path: Path) -> None:
    small = looking(video_rows("a"), "ff00ff00ff00ff00", "1234567812345678")
    large = looking(video_rows("b"), "ff00ff00ff00ff01", "edcba987edcba987", width=640)
    found = rows_of(write_run(tmp_path / "run", [small], [large]))
    assert found["a#0"]["duplicate_of"] == "b#0"
    assert found["a#0"]["flags"] == ["near_duplicate"]
    assert [found[name]["duplicate_of"] for name in ("a#1", "b#0", "b#1")] == [None] * 3


def test_clips_of_one_video_and_black_frames_are_no_duplicates(tmp_path: Path) -> None:
    same = "00ff00ff00ff00ff"
    black = (Flag.BLACK,)
    run = write_run(
        tmp_path / "run",
        [looking(video_rows("a"), same, same)],
        [looking(video_rows("b"), "0" * 16, "0" * 16, flags=black)],
        [looking(video_rows("c"), "0" * 16, "0" * 16, flags=black)],
    )
    assert all(row["duplicate_of"] is None for row in rows_of(run).values())


def test_titles_on_a_plain_picture_are_no_duplicates(tmp_path: Path) -> None:
    text, few, many = (Flag.TEXT_OVERLAY,), "00000000000003ff", "0000ffff0000ffff"
    run = write_run(
        tmp_path / "run",
        [looking(video_rows("a"), few, many, flags=text)],
        [looking(video_rows("b"), few, many, flags=text)],
    )
    found = {clip: row["duplicate_of"] for clip, row in rows_of(run).items()}
    assert (found["a#0"], found["b#0"]) == (None, None)
    assert {found["a#1"], found["b#1"]} in ({None, "a#1"}, {None, "b#1"})


def test_a_score_is_read_as_a_percentile_of_chance(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(30, 2, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    pairs = [Pair(f"v{n}", 0, *vectors[n]) for n in range(30)]
    chances = Floor(floor_table(pairs)).chances
    median, top = float(np.median(chances)), float(chances[-1]) + 0.1
    video = replace(scored(video_rows("a"), median, top), pairs=tuple(pairs))
    found = rows_of(write_run(tmp_path / "run", [video], [video_rows("unscored", ["x"])]))
    assert found["a#0"]["chance_percentile"] == pytest.approx(50, abs=1)
    assert found["a#0"]["flags"] == ["low_similarity"]
    assert (found["a#1"]["chance_percentile"], found["a#1"]["flags"]) == (100, [])
    assert (found["unscored#0"]["chance_percentile"], found["unscored#0"]["flags"]) == (None, [])


def test_flags_of_the_run_follow_those_of_the_row(tmp_path: Path) -> None:
    often = ["a photo of"] * REPEATED_CLIPS
    run = write_run(tmp_path / "run", [video_rows("a", often, flags=(Flag.TRUNCATED,))])
    assert rows_of(run)["a#0"]["flags"] == ["truncated", "repeated"]
    assert [row["clip_index"] for row in find_rows(run, flag="repeated")] == list(range(10))
    assert next(find_rows(run))["flags"] == ["truncated"], "parts do not hold what the run says"


def test_rows_of_an_older_part_do_not_count(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [video_rows("a", ["old"] * 12)], [video_rows("a", ["new"])])
    assert {row["caption"]: row["repeats"] for row in rows_of(run).values()} == {"new": 1}


def test_a_run_without_clips(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [])
    summary = find_in_run(RunFolder(run))[0].summary
    assert (summary.clips, summary.without_flags, summary.most_repeated) == (0, 0, ())
    assert set(summary.flags.values()) == {0}
    assert list(find_rows(run, flag="loop")) == []


def test_rows_that_changed_in_between_are_not_mistaken_for_others(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [video_rows("a", ["x", "y"])])
    findings, floor = find_in_run(RunFolder(run))
    with RunWriter(run) as writer:
        writer.commit([video_rows("b", ["z"])])
    reading = findings.reading()
    with pytest.raises(RunError, match="changed while it was read"):
        for table in RunFolder(run).rows():
            reading.add_to(table, floor)


def test_rows_in_another_order_are_not_mistaken_either(tmp_path: Path) -> None:
    """As where parts are joined meanwhile, or another share has finished one."""
    looks_of = {"a": 0x0F0F, "b": 0x0F0F, "c": 0xFF00FF, "d": 0xFF00FF00FF}
    parts = [[video_rows(name, [f"of {name}"], hashes=[bits])] for name, bits in looks_of.items()]
    before = RunFolder(write_run(tmp_path / "before", *parts))
    after = RunFolder(write_run(tmp_path / "after", *parts[2:], *parts[:2]))
    findings, floor = find_in_run(before)
    reading = findings.reading()
    with pytest.raises(RunError, match="changed while it was read"):
        for table in after.rows():
            reading.add_to(table, floor)
    looks = iter([before, after])
    with pytest.raises(RunError, match="changed while it was read"):
        find(lambda columns: ((floor, t) for t in next(looks).rows("clips", columns)))
