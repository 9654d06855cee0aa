"""SIGKILL at 50 random moments of one run, on this machine and on Ray: are the rows the same?"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any, Literal

from benchmarks.footage import Footage, splice
from benchmarks.kills_victims import Driver, Head, ray_head
from benchmarks.reporting import Report, Table
from pseudolabel import find_rows
from pseudolabel.runs.storage.folder import RunFolder

PICTURES = Footage("128x96-gop10", 128, 96, gop=10, seconds=120, fps=10)
VIDEOS, QUICK_VIDEOS = 2_000, 200
CLIPS = 3  # of a video, a second each
BAD_EVERY = 50  # one is no video, so that commits have rows of both kinds
KILLS, QUICK_KILLS = 50, 4
AFTER_S = 2.0  # a moment lies between a start, or the kill before, and so long after first captions
POLL_S = 0.01
SEED = 0
# In all: a process that is killed before it has loaded what it needs ends the start, in one line.
MOST_FAILED_STARTS = 30
# Of one start with Ray, an actor and a decode worker are killed before the driver, at most: a video
# that dies with every process it is given to is skipped, and that is how it should be.
VICTIMS = {
    "local": ("group", "driver"),
    "ray": ("actor", "worker", "driver", "driver", "worker", "actor", "driver"),
}
COST_S = {"local": 0.01, "ray": 0.02}  # of a frame
# The run must outlast its kills, on a slow machine as well: so many frames at most between two of
# them, in even shares of all frames. With Ray half of them are lost.
MOST_SHARES = {"local": 1.6, "ray": 2.4}


@dataclass(slots=True)
class Killed:
    """What was done to a run."""

    victims: Counter[str] = field(default_factory=Counter)
    before_captions: int = 0  # kills before a start's first caption
    half_written: set[str] = field(default_factory=set)  # files that a kill left
    starts: int = 0
    failed_starts: int = 0  # that ended by themselves, with an error
    seconds: float = 0.0


def run(data: Path, *, quick: bool) -> Report:
    """Kill a run until it is enough, let it finish, and compare; exits 1 if rows differ."""
    report = Report("kills", quick)
    kills = QUICK_KILLS if quick else KILLS
    given = _videos(data, QUICK_VIDEOS if quick else VIDEOS)
    room = data / "kills"
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(parents=True)
    with Trial("undisturbed", room, given) as undisturbed:
        undisturbed.finish()
    table = Table(
        f"{kills} kills of one run of {QUICK_VIDEOS if quick else VIDEOS:,} videos",
        (
            *("engine", "kills", "before a start's first caption", "starts", "failed starts"),
            *("parts", "files half-written", "clips", "captioned again", "replaced"),
            *("doubled", "lost", "rows equal", "s"),
        ),
    )
    for engine in VICTIMS:
        if engine == "ray" and find_spec("ray") is None:
            table.notes.append("Ray is not installed: pip install 'pseudolabel[ray]'")
            continue
        with (
            ray_head() if engine == "ray" else nullcontext() as head,
            Trial(engine, room, given, cost_s=COST_S[engine], head=head) as trial,
        ):
            trial.kill(kills, undisturbed.captioned())
        found = _compared(trial, undisturbed)
        report.results[engine] = found
        table.rows.append((engine, *(cell for name, cell in found.items() if name != "victims")))
        table.notes.append(f"{engine}, killed: {dict(trial.killed.victims)}")
    table.notes += [
        f"moments are drawn evenly (seed {SEED}) from a start, or the kill before it, to "
        f"{AFTER_S:g} s after the time that first captions take, and over some even shares of the "
        f"frames ({MOST_SHARES}): what comes first; of actors and decode workers one that is "
        "there is killed, at another moment if there is none",
        "failed starts: ended by themselves, with an error in one line, since the process that was "
        "killed had not loaded what it needs; the next start goes on",
        "rows equal: all columns of all rows, captioned and skipped, to those of a run that "
        "nothing disturbed; captioned again: frames that captioners were given beyond one a clip; "
        "replaced: rows that stand in a newer part as well, which is the one that is read",
    ]
    report.add(table)
    if not all(found["equal"] and found["kills"] == kills for found in report.results.values()):
        report.end()
        raise SystemExit("rows differ, or the run ended before all kills")
    return report


class Trial:
    """A run folder, and starts of its run; a context manager that leaves none running.

    Args:
        engine: Of `VICTIMS`, where some are to be killed.
        room: Where the run and what is noted of it lie.
        given: The videos.
        cost_s: Of a frame.
        head: The Ray to work on.
    """

    def __init__(
        self, engine: str, room: Path, given: Path, *, cost_s: float = 0, head: Head | None = None
    ) -> None:
        self.out, self._log, self._said = (room / f"{engine}{end}" for end in ("", ".log", ".said"))
        self.killed = Killed()
        self._engine, self._head, self._random = engine, head, Random(SEED)
        self._driver: Driver | None = None
        self._captioned_before = 0  # the driver was started
        self._arguments = [str(given), str(self.out), str(self._log), str(cost_s)]
        self._arguments += [head.address] if head else []

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        if self._driver is not None and self._driver.status is None:
            self._driver.kill("group", self._random)

    def finish(self) -> None:
        """Let the run come to its end."""
        driver = self._running()
        driver.wait()
        if driver.status:
            raise SystemExit(f"the run ends with status {driver.status}; see {self._said}")

    def kill(self, kills: int, frames: int) -> None:
        """Kill so many times, or until the run is at its end; then let it finish.

        Args:
            kills: How many times.
            frames: That there are to caption.
        """
        began_s = time.perf_counter()
        first = self._running()
        while not self.captioned():
            if first.status is not None:
                raise SystemExit(f"it ended before its first caption; see {self._said}")
            time.sleep(POLL_S)
        within = (
            time.perf_counter() - began_s + AFTER_S,
            MOST_SHARES[self._engine] * frames / kills,
        )
        for victim in itertools.islice(itertools.cycle(VICTIMS[self._engine]), kills):
            if not self._kill(victim, *within):
                break
        self.finish()
        self.killed.seconds = time.perf_counter() - began_s

    def captioned(self) -> int:
        """Frames that captioners were given, in all starts."""
        return self._log.read_bytes().count(b"\n") if self._log.exists() else 0

    def _kill(self, victim: str, within_s: float, within_frames: float) -> bool:
        """Kill once; False if there is nothing left of the run."""
        while True:
            driver = self._running()
            until_s = time.perf_counter() + self._random.uniform(0, within_s)
            until = self.captioned() + self._random.uniform(0, within_frames)
            while time.perf_counter() < until_s and self.captioned() < until:
                if driver.wait(POLL_S):
                    break
            if driver.status == 0:
                return False
            if driver.status is not None:
                self._note_failure()
                continue
            has_captioned = self.captioned() > self._captioned_before
            if driver.kill(victim, self._random):
                break  # else there is none of that kind: another moment
        self.killed.victims[victim] += 1
        self.killed.before_captions += not has_captioned
        self.killed.half_written |= {path.name for path in self.out.glob("*.tmp")}
        return True

    def _note_failure(self) -> None:
        self.killed.failed_starts += 1
        if self.killed.failed_starts > MOST_FAILED_STARTS:
            raise SystemExit(f"starts fail by themselves; see {self._said}")

    def _running(self) -> Driver:
        """The driver; started again if there is none."""
        if self._driver is None or self._driver.status is not None:
            self.killed.starts += 1
            self._captioned_before = self.captioned()
            self._driver = Driver(self._arguments, self._said, self._head)
        return self._driver


def _compared(trial: Trial, undisturbed: Trial) -> dict[str, Any]:
    """What became of a run, in the order of the table's columns."""
    rows, expected = (
        {kind: _rows(one.out, kind) for kind in ("clips", "skipped")}
        for one in (trial, undisturbed)
    )
    clips = Counter((row["video_id"], row["clip_index"]) for row in rows["clips"])
    wanted = {(row["video_id"], row["clip_index"]) for row in expected["clips"]}
    killed, folder = trial.killed, RunFolder(str(trial.out))
    written = sum(folder.rows_of(part, "clips").num_rows for part in folder.parts())
    return {
        "kills": killed.victims.total(),
        "before_captions": killed.before_captions,
        "starts": killed.starts,
        "failed_starts": killed.failed_starts,
        "parts": len(folder.parts()),
        "half_written": len(killed.half_written),
        "clips": clips.total(),
        "captioned_again": trial.captioned() - len(wanted),
        "replaced": written - clips.total(),
        "doubled": sum(count - 1 for count in clips.values()),
        "lost": len(wanted - clips.keys()),
        "equal": rows == expected,
        "seconds": killed.seconds,
        "victims": dict(killed.victims),
    }


def _rows(out: Path, kind: Literal["clips", "skipped"]) -> list[dict[str, Any]]:
    found = find_rows(str(out), kind=kind)
    return sorted(found, key=lambda row: (row["video_id"], row["clip_index"] or 0))


def _videos(data: Path, videos: int) -> Path:
    """So many files of three clips, most of them links, and some that are no video."""
    folder = data / "collections" / f"{PICTURES.name}-kills-{videos}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source = PICTURES.encoded(data)
    distinct: list[Path] = []
    for index in range(videos):
        path = folder / f"video{index:04}.mp4"
        if index % BAD_EVERY == BAD_EVERY - 1:
            path.write_text("no video")
        elif len(distinct) < PICTURES.gops // CLIPS:
            splice(source, path, [len(distinct) * CLIPS + i for i in range(CLIPS)])
            distinct.append(path)
        else:
            os.link(distinct[index % len(distinct)], path)
    return folder
