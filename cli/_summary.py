"""What a run ends with, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._health import merge_lines

if TYPE_CHECKING:
    from pseudolabel.runs.tally import Tally


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


def _rate(tally: Tally) -> float:
    return round(tally.frames / tally.wall_s, 3) if tally.wall_s else 0.0


def _overhead(tally: Tally) -> float | None:
    return round(tally.wall_s / tally.captioning_s, 3) if tally.captioning_s else None
