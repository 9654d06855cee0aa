"""Comparison of 100,000 captions with the speech of their clips: seconds, and peak memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.big_run import CLIPS_A_VIDEO, WORDS, big_run
from benchmarks.machine import warn_if_busy
from benchmarks.release import timed
from benchmarks.reporting import Report, Table, median

CLIPS = 100_000
WORDS_A_CLIP = 18  # some 2.3 a second
VOCABULARY = 8_000


def run(data: Path, *, quick: bool) -> Report:
    """Time the whole command, in a process of its own."""
    report = Report("compare", quick)
    warn_if_busy()
    clips = CLIPS // 50 if quick else CLIPS
    run_folder = big_run(data, clips)
    transcripts = _transcripts(data, clips)
    taken = [timed("compare", run_folder, "--transcripts", transcripts) for _ in range(3)]
    wall_s, peak_mib = median([t.wall_s for t in taken]), max(t.peak_mib for t in taken)
    report.add(
        Table(
            f"{clips:,} clips, {clips // CLIPS_A_VIDEO:,} videos, speech in one file of "
            f"{transcripts.stat().st_size / 1e6:.0f} MB (HowTo100M's form)",
            ("command", "median, s", "clips/s", "CPU s", "peak memory, MiB"),
            [("compare", wall_s, clips / wall_s, median([t.cpu_s for t in taken]), peak_mib)],
            [f"compare without models: **{wall_s:.1f} s** (goal under 60)"],
        )
    )
    report.results = {"median_s": wall_s, "peak_mib": peak_mib}
    return report


def _transcripts(data: Path, clips: int) -> Path:
    """Speech in segments of 4 s: mostly of something else, now and then a word of the captions."""
    path = data / "runs" / f"raw_caption-{clips}.json"
    if path.exists():
        return path
    random = np.random.default_rng(0)
    segments = CLIPS_A_VIDEO * 2
    starts = [4.0 * i for i in range(segments)]
    words = [f"word{i}" for i in range(VOCABULARY)]
    words[50 : 50 + len(WORDS)] = WORDS
    partial = path.with_name(f".partial-{path.name}")
    with partial.open("w") as out:
        for video in range(clips // CLIPS_A_VIDEO):
            drawn = random.zipf(1.2, (segments, WORDS_A_CLIP // 2)) % VOCABULARY
            speech = {
                "start": starts,
                "end": [start + 4.0 for start in starts],
                "text": [" ".join(words[w] for w in row) for row in drawn],
            }
            name = f"videos/{video // 1000:05d}/{video:09d}.mp4"
            out.write(("{" if not video else ",\n") + f"{json.dumps(name)}: {json.dumps(speech)}")
        out.write("}\n")
    partial.rename(path)
    return path
