"""Which files below a folder are taken: globs, and "every video" for a plain folder."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pseudolabel.videos.sources.entries import has_video_suffix

_MAGIC = re.compile(r"[*?\[]")


def is_glob(text: str) -> bool:
    """Whether a path holds wildcards."""
    return _MAGIC.search(text) is not None


@dataclass(frozen=True, slots=True)
class Pattern:
    """Parts of a path below a folder; `**` stands for any number of folders.

    Hidden names match only a part that begins with a dot, as in a shell. A file needs a video's
    suffix, unless the pattern spells the suffix out: `clips/*` passes over `clips/notes.txt`,
    `clips/*.bin` takes what it says. A folder that matches is walked.
    """

    parts: tuple[str, ...] = ("**",)

    @classmethod
    def split(cls, path: str) -> tuple[str, Pattern]:
        """The folder before the first wildcard ("" for the current one), and the pattern below."""
        parts = path.split("/")
        first = next(i for i, part in enumerate(parts) if is_glob(part))
        root = "/".join(parts[:first]) or ("/" if first else "")
        return root, cls(tuple(part for part in parts[first:] if part not in ("", ".")))

    def takes(self, names: Sequence[str]) -> bool:
        """Whether the file at `names`, its path below the folder in parts, is wanted."""
        if has_video_suffix(names[-1]):
            return _matches(names, self._walked(), above=False)
        suffix = posixpath.splitext(self.parts[-1])[1]
        return bool(suffix) and not is_glob(suffix) and _matches(names, self.parts, above=False)

    def enters(self, names: Sequence[str]) -> bool:
        """Whether the folder at `names` can hold files that are wanted."""
        return _matches(names, self._walked(), above=True)

    def _walked(self) -> tuple[str, ...]:
        return self.parts if "**" in self.parts else (*self.parts, "**")


def _matches(names: Sequence[str], parts: Sequence[str], *, above: bool) -> bool:
    """Whether names fit parts: all of them, or, for a folder above files, the first of them."""
    if not names:
        return above or all(part == "**" for part in parts)
    if not parts:
        return False
    hidden = names[0].startswith(".")
    if parts[0] == "**":
        swallowed = not hidden and _matches(names[1:], parts, above=above)
        return swallowed or _matches(names, parts[1:], above=above)
    fits = fnmatchcase(names[0], parts[0]) and (not hidden or parts[0].startswith("."))
    return fits and _matches(names[1:], parts[1:], above=above)
