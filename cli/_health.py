"""What there is to know of the captions of a finished run, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pseudolabel.runs.findings.findings import HealthSummary

LONGEST = 60  # characters of a caption in a summary


def health_object(run: str) -> dict[str, Any]:
    """The health of a run as one JSON object."""
    summary = _summary(run)
    return {
        "clips": summary.clips,
        "without_flags": summary.without_flags,
        "flags": dict(summary.flags),
        "rules": _rules(run),
        "most_repeated": [
            {"caption": caption, "clips": count} for caption, count in summary.most_repeated
        ],
    }


def health_lines(run: str) -> list[str]:
    """The health of a run as lines for a terminal."""
    summary = _summary(run)
    if not summary.clips:
        return []
    flags = sorted(((n, flag) for flag, n in summary.flags.items() if n), reverse=True)
    told = ", ".join(f"{count} {flag}" for count, flag in flags) or "none"
    share = summary.without_flags / summary.clips
    lines = [f"  flags          {told} ({share:.0%} of the clips have none)"]
    if summary.most_repeated:
        caption, count = summary.most_repeated[0]
        short = caption if len(caption) <= LONGEST else caption[: LONGEST - 1] + "\u2026"
        lines.append(f"  most repeated  {count} clips: {short}")
    return lines


def merge_lines(rewritten: int, refused: int) -> list[str]:
    """How many sentences of a language model were refused; nothing, where none was asked."""
    asked = rewritten + refused
    return (
        [f"  merges         {refused} of {asked} refused ({refused / asked:.0%})"] if asked else []
    )


def _rules(run: str) -> dict[str, str]:
    from pseudolabel.runs.findings.findings import WHOLE_RUN_RULES
    from pseudolabel.runs.storage.folder import RunFolder

    own: dict[str, str] = RunFolder(run).manifest().get("health", {})
    return own | {flag.value: rule for flag, rule in WHOLE_RUN_RULES.items()}


def _summary(run: str) -> HealthSummary:
    from pseudolabel.runs.findings.findings import find_in_run
    from pseudolabel.runs.storage.folder import RunFolder

    return find_in_run(RunFolder(run))[0].summary
