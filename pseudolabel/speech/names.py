"""Which transcript is of which video, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pseudolabel.speech.transcript_files import transcript_name

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]+)*")
_SUFFIX = re.compile(r"(?<=[^/])\.[A-Za-z0-9]{1,5}$")
_BRACKETED = re.compile(r"\[([^\[\]]+)\]$")  # yt-dlp's "title [id]"

# How a name fits a video, the lower the better. The last two look at the name alone, wherever
# the video and its transcript lie.
BY_ID, BY_ID_STEM, BY_LAST_PART, BY_LAST_STEM = range(4)
_MOST_NAMESAKES = 8


def names_of(stem: str) -> dict[str, int]:
    """What a transcript whose file name is `stem` less its suffix can be called, best first.

    Gives each name with how far-fetched it is: 0 the stem itself, 1 less a language as in
    `talk.en`, 2 what stands in brackets at its end, as in `A talk [id].en`.
    """
    head, dot, tail = stem.rpartition(".")
    bare = head if dot and head and _LANGUAGE.fullmatch(tail) else stem
    names = {stem: 0}
    names.setdefault(bare, 1)
    for text in (stem, bare):
        if bracketed := _BRACKETED.search(text):
            names.setdefault(bracketed[1], 2)
    return names


def stem_of(video_id: str) -> str:
    """An id less what looks like a file's suffix."""
    return _SUFFIX.sub("", video_id)


class VideoNames:
    """The names that transcripts of some videos may have.

    Args:
        videos: Their ids, each once.
    """

    def __init__(self, videos: Sequence[str]) -> None:
        # From name to 4 x position + how; of the few names that more than one video has, the
        # others' stand apart. So a million videos fit in memory.
        self._first: dict[str, int] = {}
        self._more: dict[str, list[int]] = {}
        for position, video_id in enumerate(videos):
            last = video_id.rpartition("/")[2]
            names = {
                stem_of(last): BY_LAST_STEM,
                last: BY_LAST_PART,
                stem_of(video_id): BY_ID_STEM,
                transcript_name(video_id): BY_ID,
                video_id: BY_ID,
            }
            for name, how in names.items():
                self._add(name, 4 * position + how)

    def _add(self, name: str, code: int) -> None:
        if self._first.setdefault(name, code) == code:
            return
        # A folder a video, "1/video.mp4", makes one name that of all: a few of them say as much.
        more = self._more.setdefault(name, [])
        if code % 4 < BY_LAST_PART or len(more) < _MOST_NAMESAKES:
            more.append(code)

    def fit(self, path_stem: str) -> dict[int, tuple[int, int]]:
        """The videos that a transcript may be of: those its path fits, else those its name fits.

        Args:
            path_stem: Its path below the folder of transcripts, less its suffix.

        Returns:
            By the position of the video: how it fits, and how far-fetched its name is.
        """
        folder, slash, last = path_stem.rpartition("/")
        by_path: dict[int, tuple[int, int]] = {}
        by_name: dict[int, tuple[int, int]] = {}
        for name, distance in names_of(last).items():
            for position, how in self._fits(folder + slash + name):
                found = by_path if how < BY_LAST_PART else by_name
                found[position] = min((how, distance), found.get(position, (how, distance)))
            for position, how in self._fits(name) if folder else ():
                fit = (how | BY_LAST_PART, distance)  # an id without a folder is a last part
                by_name[position] = min(fit, by_name.get(position, fit))
        return by_path or by_name

    def called(self, name: str) -> list[int]:
        """Positions of the videos that a name fits best, as a file of many videos has it."""
        fits = list(self._fits(name))
        best = min((how for _, how in fits), default=BY_ID)
        return [position for position, how in fits if how == best]

    def _fits(self, name: str) -> Iterator[tuple[int, int]]:
        """Position and how, of each video with the name."""
        if name in self._first:
            yield divmod(self._first[name], 4)
            yield from (divmod(code, 4) for code in self._more.get(name, ()))
