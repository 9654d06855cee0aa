"""What a run ends with, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._health import merge_lines

if TYPE_CHECKING:
    from pseudolabel.runs.pipeline.profile import Timings
    from pseudolabel.runs.pipeline.tally import Tally


def summary_object(tally: Tally, out: str) -> dict[str, Any]:
    """The summary as one JSON object."""
    return {
        "run": out,
        "clips": tally.clips,
        "videos": tally.videos,
        "already_done": tally.already_done,
        "skipped": dict(sorted(tally.skipped.items())),
        "skipped_videos": tally.skipped_videos,
        "video_hours": round(tally.video_s / 3600, 6),
        "frames": tally.frames,
        "frames_per_s": _rate(tally),
        "wall_s": round(tally.wall_s, 3),
        "captioning_s": round(tally.captioning_s, 3),
        "merges_refused": tally.flags["merge_rejected"],
        "merges": tally.rewritten + tally.flags["merge_rejected"],
        "scoring_s": round(tally.scoring_s, 3),
        "wall_over_captioning": _overhead(tally),
        "decode_cpu_s": round(tally.decode_cpu_s, 3),
        "profile": profile_object(tally),
    }


def summary_lines(tally: Tally, out: str) -> list[str]:
    """The summary as lines for a terminal."""
    lines = [f"{out}: {tally.clips} clips of {tally.videos} videos"]
    if tally.already_done:
        lines[0] += f" ({tally.already_done} videos were done before)"
    if tally.skipped:
        reasons = ", ".join(f"{count} {why}" for why, count in tally.skipped.most_common())
        lines.append(f"  skipped        {reasons}")
    if tally.frames:
        lines.append(f"  video          {tally.video_s / 3600:.2f} h")
        lines.append(f"  speed          {_rate(tally):.1f} frames/s over {tally.wall_s:.1f} s")
        if tally.scoring_s:
            share = tally.scoring_s / tally.captioning_s
            lines.append(f"  scoring        {tally.scoring_s:.1f} s, {share:.0%} of captioning")
        lines.append(
            f"  wall over captioning time {_overhead(tally):.2f}"
            f"  (decoding took {tally.decode_cpu_s:.1f} s of CPU)"
        )
    return lines + merge_lines(tally.rewritten, tally.flags["merge_rejected"])


def profile_object(timings: Timings) -> dict[str, Any]:
    """Where the time went, as one JSON object: seconds, and the share that is `generate`."""
    seconds = {name: round(value, 3) for _, name, value in _spent(timings)}
    beside = {name: round(value, 3) for _, name, value in _beside(timings)}
    share = timings.generating_share
    return {
        **seconds,
        "beside": beside,
        "generating_share": None if share is None else round(share, 4),
    }


def profile_lines(timings: Timings) -> list[str]:
    """Where the time went, as lines for a terminal; the steps add up to the wall time."""
    all_s = timings.all_walls_s or 1.0
    among = f" in {timings.processes} processes" if timings.processes > 1 else ""
    lines = [f"  where {timings.wall_s:.1f} s went{among}"]
    for label, _, spent_s in _spent(timings):
        lines.append(f"    {label:<22}{spent_s:>9.2f} s {spent_s / all_s:>7.1%}")
    lines.append("  in other threads and processes meanwhile")
    lines += [f"    {label:<22}{spent_s:>9.2f} s" for label, _, spent_s in _beside(timings)]
    if timings.generating_share is not None:
        share = timings.generating_share
        lines.append(f"  at most {share:.1%} of the speed of light, which is generate alone")
    return lines


def _spent(timings: Timings) -> list[tuple[str, str, float]]:
    """Labels, names and seconds of the steps that the wall time consists of."""
    inside = timings.preparing_s + timings.generating_s + timings.reading_s
    return [
        ("wait for frames", "waiting_s", timings.waiting_s),
        ("copy, preprocess", "preparing_s", timings.preparing_s),
        ("generate", "generating_s", timings.generating_s),
        ("read texts", "reading_s", timings.reading_s),
        ("rest of the captioner", "captioner_rest_s", max(0.0, timings.captioning_s - inside)),
        ("score", "scoring_s", timings.scoring_s),
        ("wait for rows", "finishing_s", timings.finishing_s),
        ("other", "other_s", timings.other_s),
    ]


def _beside(timings: Timings) -> list[tuple[str, str, float]]:
    """The same of what goes on at the same time."""
    return [
        ("decode (CPU)", "decode_cpu_s", timings.decode_cpu_s),
        ("copy ahead", "ahead_s", timings.ahead_s),
        ("consolidate", "consolidating_s", timings.consolidating_s),
        ("write", "committing_s", timings.committing_s),
    ]


def _rate(tally: Tally) -> float:
    return round(tally.frames / tally.wall_s, 3) if tally.wall_s else 0.0


def _overhead(tally: Tally) -> float | None:
    return round(tally.all_walls_s / tally.captioning_s, 3) if tally.captioning_s else None
