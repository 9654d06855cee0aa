"""Every failure that `pseudolabel` raises on purpose.

    PseudolabelError          base: a message for the user, and a hint
    ├── InputError            an input names no video, or two inputs claim one id
    ├── OptionError           an option's value, or a pair of options, is not allowed
    ├── CaptionerError        a captioner cannot be found, loaded or reached
    ├── RunError              a run folder cannot be read, written or continued
    ├── ReleaseError          a release cannot be made, read or trusted
    ├── HubError              the Hub cannot be reached, refuses, or holds something else
    ├── EvaluationError       captions cannot be scored: a judge is missing, or fails
    ├── TrainingError         a captioner cannot be trained, or its training cannot go on
    └── MissingExtraError     a feature needs a package that an extra installs

What goes wrong with a single video is no exception here: it becomes a `Skipped` record.
"""

from __future__ import annotations

import re


class PseudolabelError(Exception):
    """A failure that the user can do something about.

    Args:
        message: What failed, and which value.
        hint: What is allowed, or what to do next.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class InputError(PseudolabelError):
    """An input names no video, cannot be listed, or claims an id that another one has."""


class OptionError(PseudolabelError):
    """An option's value, or a pair of options, is not allowed."""


class CaptionerError(PseudolabelError):
    """A captioner cannot be found, loaded or reached."""


class RunError(PseudolabelError):
    """A run folder cannot be read, written, or continued with these options."""


class ReleaseError(PseudolabelError):
    """A release cannot be made, read or trusted."""


class HubError(PseudolabelError):
    """The Hub cannot be reached, refuses a request, or holds something else than was sent."""


class EvaluationError(PseudolabelError):
    """Captions cannot be scored: nothing to score them against, or a judge is missing or fails."""


class TrainingError(PseudolabelError):
    """A captioner cannot be trained, or its training cannot go on."""


class MissingExtraError(PseudolabelError):
    """A feature needs a package that one of the extras installs.

    Args:
        package: The package that could not be imported.
        extra: The extra of `pseudolabel` that installs it.
        needed_for: The option that asked for it, as the user typed it.
    """

    def __init__(self, package: str, *, extra: str, needed_for: str) -> None:
        super().__init__(
            f"{needed_for} needs the package {package!r}, which is not installed",
            hint=f"pip install 'pseudolabel[{extra}]'",
        )


def without_addresses(message: str) -> str:
    """What another program said, fit to be passed on: web addresses in it may be signed."""
    return re.sub(r"https?://\S+", "(an address)", message)
