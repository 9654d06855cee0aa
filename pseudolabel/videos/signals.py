"""What reading a video says besides pictures: that it is alive, or that it cannot go on."""

from __future__ import annotations

from dataclasses import dataclass

from pseudolabel.records import SkipReason, Stage


@dataclass(frozen=True, slots=True)
class Progress:
    """A sign of life during a long scan."""


class VideoSkippedError(Exception):
    """A whole video cannot be captioned; becomes a `Skipped` record.

    Args:
        stage: Where it stopped.
        reason: Why, from the vocabulary.
        detail: What failed, in one line, for a person.
    """

    def __init__(self, stage: Stage, reason: SkipReason, detail: str) -> None:
        super().__init__(f"{stage}: {reason}: {detail}")
        self.stage: Stage = stage
        self.reason = reason
        self.detail = detail


def one_line(error: BaseException) -> str:
    """An exception's text on one line, in valid Unicode, without FFmpeg's repetition."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).encode("utf-8", "replace").decode().split())[:300]
