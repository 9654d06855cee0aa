"""What `diff` finds in random releases is what a plain comparison of their rows finds."""

from __future__ import annotations

import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pseudolabel.release.comparison.changes import ReleaseDiff
from pseudolabel.release.comparison.diff import diff
from pseudolabel.release.version import Bump
from release_factory import (
    Row,
    clip_row,
    clip_rows,
    frame_row,
    skipped_row,
    write_release,
)

HALVES = {"train": 0.5, "validation": 0.5}


def base_rows() -> list[Row]:
    return clip_rows(4, 3)


def base_skipped() -> list[Row]:
    return [skipped_row("broken.mp4"), skipped_row("world-00.mp4", 7, reason="truncated")]


def with_frames_of(rows: Sequence[Row]) -> list[Row]:
    return [frame_row(row) for row in rows]


@pytest.mark.parametrize("rows_per_file", [1, 2, 5, 1000])
def test_other_files_and_another_order_are_no_change(rows_per_file: int, tmp_path: Path) -> None:
    rows = base_rows()
    rows[3] |= {"mean_logprob": math.nan, "samples": ["a", "b"], "flags": ["x", "y"]}
    frames, skipped = with_frames_of(rows), [*base_skipped(), *base_skipped()]
    before = write_release(tmp_path / "a", rows, frames=frames, skipped=skipped, splits=HALVES)
    for some in (rows, frames, skipped):
        random.Random(rows_per_file).shuffle(some)
    after = write_release(
        tmp_path / "b",
        rows,
        frames=frames,
        skipped=skipped,
        splits=HALVES,
        version="1.0.1",
        created_at="2026-02-01",
        rows_per_file=rows_per_file,
        changelog="# Another\n",
    )
    found = diff(before, after)
    assert found.bump is Bump.NONE
    assert found.lines() == ["1.0.0 -> 1.0.1", "clips 12, all the same", "nothing has changed"]


def canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def naive(before: Sequence[Row], after: Sequence[Row], key: Sequence[str]) -> dict[str, Any]:
    """Rows added, removed and changed, by the plainest means."""
    old = {tuple(row[k] for k in key): row for row in before}
    new = {tuple(row[k] for k in key): row for row in after}
    columns: Counter[str] = Counter()
    changed = 0
    for at in old.keys() & new.keys():
        names = [n for n in old[at] if canonical(old[at][n]) != canonical(new[at][n])]
        columns.update(names)
        changed += bool(names)
    added, removed = len(new.keys() - old.keys()), len(old.keys() - new.keys())
    return {"added": added, "removed": removed, "changed": changed, "columns": dict(columns)}


def naive_skipped(before: Sequence[Row], after: Sequence[Row]) -> dict[str, Any]:
    sides = []
    for rows in (before, after):
        held: dict[Any, Counter[str]] = defaultdict(Counter)
        for row in rows:
            held[row["video_id"], row["clip_index"]][canonical(row)] += 1
        sides.append(held)
    counts = Counter(added=0, removed=0, changed=0)
    for at in {*sides[0], *sides[1]}:
        left = (sides[0][at] - sides[1][at]).total()
        right = (sides[1][at] - sides[0][at]).total()
        changed = min(left, right)
        counts += Counter(added=right - changed, removed=left - changed, changed=changed)
    return {"columns": None} | {how: counts[how] for how in ("added", "removed", "changed")}


def random_rows(chance: random.Random) -> tuple[list[Row], list[Row], list[Row]]:
    """Clips, frames and skipped rows with few distinct values, so that many are shared."""
    texts = ["", "a", "a b", "é", "\U0001f600", "b\na", "a\x00"]
    clips, frames, skipped = [], [], []
    for video in range(5):
        for index in range(4):
            video_id = f"v{video}"
            if chance.random() < 0.3:
                reason = chance.choice(["truncated", "no_frames"])
                row = skipped_row(video_id, chance.choice([None, index]), reason=reason)
                skipped += [row] * chance.randint(1, 2)
            if chance.random() < 0.3:
                continue
            clip = clip_row(
                video_id,
                index,
                caption=chance.choice(texts),
                end_s=chance.choice([40.0, 40.0, 41.0]),
                mean_logprob=chance.choice([None, -0.5, -0.25, math.nan]),
                flags=chance.choice([[], ["x"], ["x", "y"], ["y", "x"], ["xy"]]),
                samples=chance.choice([None, [], ["a", "b"], ["ab", ""], ["", "ab"]]),
                cuts_s=chance.choice([None, [], [0.0], [1.5, 2.0]]),
                truncated=chance.choice([None, True, False]),
            )
            clips.append(clip)
            frames += [frame_row(clip, at) for at in range(chance.randint(1, 3))]
    for some in (clips, frames, skipped):
        chance.shuffle(some)
    return clips, frames, skipped


@pytest.mark.parametrize("seed", range(25))
def test_it_finds_what_a_plain_comparison_finds(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    sides, folders, placed = [], [], []
    for name in ("before", "after"):
        clips, frames, skipped = random_rows(chance)
        places = {f"v{i}": chance.choice(["train", "train", "validation"]) for i in range(5)}
        folder = write_release(
            tmp_path / name,
            clips,
            frames=frames,
            skipped=skipped,
            splits=HALVES,
            placed=places,
            rows_per_file=chance.choice([5, 11, 100]),
        )
        sides.append((clips, frames, skipped))
        folders.append(folder)
        placed.append(places)
    found = diff(*folders, examples=100)
    (old, old_frames, old_skipped), (new, new_frames, new_skipped) = sides
    expected = {
        "clips": naive(old, new, ["video_id", "clip_index"]),
        "frames": naive(old_frames, new_frames, ["video_id", "clip_index", "frame_index"]),
        "skipped": naive_skipped(old_skipped, new_skipped),
    }
    for config, counts in expected.items():
        told = found.to_dict()["rows"][config]
        assert {name: told[name] for name in counts} == counts, config
    check_examples(found, old, new)
    ids = [{row["video_id"] for some in side for row in some} for side in sides]
    moved = sorted(v for v in ids[0] & ids[1] if placed[0][v] != placed[1][v])
    assert [example.video_id for example in found.splits.moved_examples] == moved
    assert found.skipped_after == Counter(row["reason"] for row in new_skipped)


def check_examples(found: ReleaseDiff, before: Sequence[Row], after: Sequence[Row]) -> None:
    """Each clip that a plain comparison finds stands among the examples, in the order of ids."""
    old = {(row["video_id"], row["clip_index"]): row for row in before}
    new = {(row["video_id"], row["clip_index"]): row for row in after}
    clips = found.clips
    assert [(c.video_id, c.clip_index) for c in clips.added] == sorted(new.keys() - old.keys())
    assert [(c.video_id, c.clip_index) for c in clips.removed] == sorted(old.keys() - new.keys())
    assert [c.caption for c in clips.added] == [
        new[key]["caption"] for key in sorted(new.keys() - old.keys())
    ]
    shared = sorted(old.keys() & new.keys())
    spans = [key for key in shared if old[key]["end_s"] != new[key]["end_s"]]
    assert [(e.video_id, e.clip_index) for e in clips.span_examples] == spans
    captions = {key: (old[key]["caption"], new[key]["caption"]) for key in shared}
    other = [key for key in shared if key not in spans and len({*captions[key]}) == 2]
    assert [(e.video_id, e.clip_index) for e in clips.recaptioned_examples] == other
    assert [(e.before, e.after) for e in clips.recaptioned_examples] == [captions[k] for k in other]
    videos = [{row["video_id"] for row in rows} for rows in (before, after)]
    assert clips.videos_added_examples == tuple(sorted(videos[1] - videos[0]))
    assert clips.videos_removed_examples == tuple(sorted(videos[0] - videos[1]))
