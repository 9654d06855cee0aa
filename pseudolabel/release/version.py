"""Semantic versions of releases (semver.org 2.0.0, without pre-releases)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from pseudolabel.errors import OptionError

_NUMBER = r"(0|[1-9][0-9]{0,17})"
_FORM = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}")


class Bump(IntEnum):
    """What a change to a release calls for; a larger one covers the smaller."""

    NONE = 0
    PATCH = 1  # rows corrected or taken out
    MINOR = 2  # rows, columns or configs added; captions made another way
    MAJOR = 3  # columns gone or of another type, or videos in other splits


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """`MAJOR.MINOR.PATCH`."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """A version from its text.

        Raises:
            OptionError: If it is not three numbers.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise OptionError(
                f"--version {text!r} is not a version",
                hint="three numbers, MAJOR.MINOR.PATCH, such as 1.0.0",
            )
        return cls(*(int(number) for number in match.groups()))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def tag(self) -> str:
        """The tag it has on the Hub, such as `v1.0.0`."""
        return f"v{self}"

    def after(self, bump: Bump) -> Version:
        """The lowest version that says so much has changed."""
        if bump is Bump.MAJOR:
            return Version(self.major + 1, 0, 0)
        if bump is Bump.MINOR:
            return Version(self.major, self.minor + 1, 0)
        return Version(self.major, self.minor, self.patch + 1)
