"""Captions a damaged world, consolidates and flags, and holds all of it against what is true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.captions_damage import DamagingCaptioner
from benchmarks.captions_judging import FlagScore, Judge, Row, Share, Verdict
from benchmarks.captions_world import DamagedVideo, damaged_world, write_videos
from pseudolabel import CaptionOptions, FrameOptions, caption_videos, find_rows
from pseudolabel.captioners.load import load_captioner
from pseudolabel.captions.options import ConsolidateOptions, StrategyName
from pseudolabel.records import Flag
from pseudolabel.runs.consolidate import consolidate
from pseudolabel.runs.findings.findings import find_in_run
from pseudolabel.runs.storage.folder import RunFolder

FRAMES, SAMPLES = 8, 5
STRATEGIES: tuple[StrategyName, ...] = ("center", "medoid", "best", "timeline")
SINGLE = STRATEGIES[:3]  # those whose caption is one of the texts

Rows = dict[StrategyName, list[Row]]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Of a strategy that picks one text."""

    of_most: Share
    of_some: Share


@dataclass(frozen=True, slots=True)
class Timelines:
    """Of the clips of one kind."""

    clips: int
    exact: Share
    all_true: Share
    none_missing: Share


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured."""

    videos: int
    clips: int
    damaged: dict[StrategyName, Accuracy]
    undamaged: dict[StrategyName, Accuracy]
    timelines: dict[str, Timelines]
    flags: dict[Flag, FlagScore]  # of the damaged captions by center
    copies_of_one_moment: Share  # that were found


def measure(folder: Path, videos: int, copies: int, workers: int) -> Outcome:
    """Everything from nothing, into a new folder: some videos, and copies of the first of them."""
    world = damaged_world(videos, copies)
    write_videos(folder / "videos", world, workers)
    captioner = _captioner(world)
    undamaged = _rows(folder, "undamaged", captioner)
    captioner.is_damaging = True
    damaged = _rows(folder, "damaged", captioner)
    captioner.close()
    judge = Judge(world, captioner.damaged, captioner.misseen)
    flagged = _with_findings(folder / "damaged-center")
    return Outcome(
        videos=len(world),
        clips=len(flagged),
        damaged={name: _accuracy(judge, damaged[name]) for name in SINGLE},
        undamaged={name: _accuracy(judge, undamaged[name]) for name in SINGLE},
        timelines=_judged_timelines(judge, undamaged, damaged),
        flags=judge.score_flags(flagged),
        copies_of_one_moment=judge.copies_of_one_moment(flagged),
    )


def _captioner(world: dict[str, DamagedVideo]) -> DamagingCaptioner:
    captions = {stretch.scene.caption for video in world.values() for stretch in video.stretches}
    options = CaptionOptions(model="demo", samples=SAMPLES, device="cpu")
    return DamagingCaptioner(load_captioner(options), sorted(captions), is_damaging=False)


def _rows(folder: Path, name: str, captioner: DamagingCaptioner) -> Rows:
    """Caption the world once, and consolidate by each strategy."""
    first = str(folder / f"{name}-{STRATEGIES[0]}")
    caption_videos(
        [str(folder / "videos")],
        first,
        frames=FrameOptions(count=FRAMES),
        captioner=captioner,
        scorer="demo",
    )
    rows: Rows = {STRATEGIES[0]: list(find_rows(first))}
    for strategy in STRATEGIES[1:]:
        out = str(folder / f"{name}-{strategy}")
        consolidate(first, out, ConsolidateOptions(strategy=strategy))
        rows[strategy] = list(find_rows(out))
    return rows


def _with_findings(run: Path) -> list[Row]:
    folder = RunFolder(str(run))
    findings, floor = find_in_run(folder)
    reading = findings.reading()
    return [row for table in folder.rows() for row in reading.add_to(table, floor).to_pylist()]


def _accuracy(judge: Judge, rows: list[Row]) -> Accuracy:
    def share(verdict: Callable[[Row], Verdict]) -> Share:
        return Share.of_verdicts(map(verdict, rows))

    return Accuracy(share(judge.true_of_most), share(judge.true_of_some))


def _judged_timelines(judge: Judge, undamaged: Rows, damaged: Rows) -> dict[str, Timelines]:
    made = {}
    for name, rows in (("undamaged", undamaged["timeline"]), ("damaged", damaged["timeline"])):
        for shows, what in ((True, "things on all frames"), (False, "frames without a thing")):
            verdicts = [judge.timeline(row) for row in rows if judge.shows_things(row) is shows]
            shares = [Share.of_verdicts(column) for column in zip(*verdicts, strict=True)]
            made[f"{name}, {what}"] = Timelines(len(verdicts), *shares)
    return made
