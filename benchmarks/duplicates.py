"""Near-duplicates among a million clips: seconds and peak memory, for hashes of several kinds."""

from __future__ import annotations

import multiprocessing
import resource
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import warn_if_busy
from benchmarks.reporting import Report, Table, median
from pseudolabel.runs.findings.near_duplicates import DISTANCE, near_duplicates

CLIPS, CLIPS_A_VIDEO = 1_000_000, 20
Hashes = NDArray[np.uint64]


class Taken(NamedTuple):
    """What one search took, in a process of its own."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    dropped: int


def run(data: Path, *, quick: bool) -> Report:
    """Time the search alone; peak memory is that of the process, hashes and imports with it."""
    report = Report("duplicates", quick)
    warn_if_busy()
    clips, rounds = (CLIPS // 50, 1) if quick else (CLIPS, 3)
    table = Table(
        f"{clips:,} clips, {CLIPS_A_VIDEO} a video, distance {DISTANCE} bits",
        ("hashes", "median, s", "CPU s", "peak memory, MiB", "dropped"),
    )
    for name in KINDS:
        taken = [_alone(name, clips) for _ in range(rounds)]
        wall_s, cpu_s = median([t.wall_s for t in taken]), median([t.cpu_s for t in taken])
        peak_mib = max(t.peak_mib for t in taken)
        table.rows.append((name, wall_s, cpu_s, peak_mib, taken[0].dropped))
        report.results[name] = {"median_s": wall_s, "cpu_s": cpu_s, "peak_mib": peak_mib}
    slowest_s = max(found["median_s"] for found in report.results.values())
    table.notes = [f"the slowest takes **{slowest_s:.1f} s** (goal: a million under 30)"]
    report.add(table)
    return report


def _alone(name: str, clips: int) -> Taken:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_search, (name, clips))


def _search(name: str, clips: int) -> Taken:
    rng = np.random.default_rng(7)
    hashes = rng.integers(0, 2**64, clips, dtype=np.uint64)
    KINDS[name](hashes, rng)
    videos = np.arange(clips) // CLIPS_A_VIDEO
    wall, cpu = time.perf_counter(), time.process_time()
    dropped = int((near_duplicates(hashes, videos) >= 0).sum())
    wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Taken(wall_s, cpu_s, peak_mib, dropped)


def _random(hashes: Hashes, rng: np.random.Generator) -> None:
    """Nothing repeats."""


def _uploaded_again(hashes: Hashes, rng: np.random.Generator) -> None:
    some = rng.permutation(len(hashes))[: len(hashes) * 3 // 10]
    half = len(some) // 2
    hashes[some[:half]] = _flipped(hashes[some[half : 2 * half]], 3, rng)


def _skewed(hashes: Hashes, rng: np.random.Generator) -> None:
    """Three in ten are black frames, one in twenty shares 16 bits with others."""
    mixed = rng.permutation(len(hashes))
    black, shared = np.split(mixed, [len(hashes) * 3 // 10, len(hashes) * 7 // 20])[:2]
    hashes[black] = 0
    hashes[shared] = hashes[shared] & np.uint64((1 << 48) - 1) | np.uint64(0xBEEF << 48)


def _alike(hashes: Hashes, rng: np.random.Generator) -> None:
    """One in twenty shows much the same, such as a title card: each is close to most others."""
    some = rng.permutation(len(hashes))[: len(hashes) // 20]
    hashes[some] = _flipped(np.full(len(some), 0x5EED_0F_A_71713, np.uint64), 3, rng)


def _plain(hashes: Hashes, rng: np.random.Generator) -> None:
    """Plain pictures: of each bit, three in four are 0."""
    hashes &= rng.integers(0, 2**64, len(hashes), dtype=np.uint64)


def _flipped(hashes: Hashes, bits: int, rng: np.random.Generator) -> Hashes:
    for _ in range(bits):
        hashes = hashes ^ np.uint64(1) << rng.integers(0, 64, len(hashes)).astype(np.uint64)
    return hashes


KINDS = {
    "random": _random,
    "three in ten uploaded again": _uploaded_again,
    "three in ten equal, one in twenty share 16 bits": _skewed,
    "one in twenty alike": _alike,
    "plain pictures": _plain,
}
