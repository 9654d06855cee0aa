"""What a release is to be: frozen options, checked before anything is read."""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass
from typing import Literal

from pseudolabel.errors import OptionError
from pseudolabel.release.card.vocabulary import check_license, is_language
from pseudolabel.release.filters import Filter
from pseudolabel.release.splits import parse_splits
from pseudolabel.release.version import Version
from pseudolabel.release.writing.shards import parse_size


@dataclass(frozen=True, slots=True)
class ReleaseOptions:
    """How runs become a release.

    Raises:
        OptionError: If a value is not allowed.
    """

    version: str  # MAJOR.MINOR.PATCH
    license: str  # of the captions, as the Hub spells it
    name: str | None = None  # such as USER/REPO; None: the folder's
    split: str = "train=1"  # shares of the videos
    where: tuple[str, ...] = ()  # a clip stays where all hold; see `filters`
    dedup: bool = False  # leave out clips that look like one of another video
    prefer: Literal["newest"] | None = None  # for videos that several runs captioned
    previous: str | None = None  # the release that this one follows
    language: tuple[str, ...] = ("en",)  # of the captions
    max_shard_size: str = "500MB"
    with_frames: bool = False  # an `image` column
    web_dataset: bool = False  # tars of .json beside .jpg
    card_template: str | None = None  # a Jinja template for the card's text
    date: str | None = None  # YYYY-MM-DD; None: SOURCE_DATE_EPOCH, or today
    workers: int = 2  # decode workers, for frames

    def __post_init__(self) -> None:
        Version.parse(self.version)
        check_license(self.license)
        for code in self.language:
            if not is_language(code):
                raise OptionError(
                    f"--language {code}: not a language code", hint="ISO 639, such as en"
                )
        parse_splits(self.split)
        parse_size(self.max_shard_size)
        for where in self.where:
            Filter(where)
        if self.name and not _can_name(self.name):
            raise OptionError(f"--name {self.name!r}: names no dataset", hint="--name USER/REPO")
        if self.prefer not in (None, "newest"):
            raise OptionError(f"--prefer {self.prefer}: unknown", hint="--prefer newest")
        self.created_at()

    def created_at(self) -> str:
        """The release's date, YYYY-MM-DD."""
        if self.date is None:
            epoch = os.environ.get("SOURCE_DATE_EPOCH")  # reproducible-builds.org
            now = datetime.datetime.now(datetime.UTC)
            return (_time_of(epoch) if epoch else now).date().isoformat()
        try:
            return datetime.date.fromisoformat(self.date).isoformat()
        except ValueError:
            raise OptionError(
                f"--date {self.date}: not a date", hint="YYYY-MM-DD, such as 2026-01-31"
            ) from None


def _can_name(name: str) -> bool:
    """Whether the card can show it, and its last piece is a name."""
    try:
        name.encode()
    except UnicodeEncodeError:  # of bytes that are not UTF-8
        return False
    return bool(name.rpartition("/")[2].strip())


def _time_of(epoch: str) -> datetime.datetime:
    try:
        return datetime.datetime.fromtimestamp(int(epoch), datetime.UTC)
    except (ValueError, OverflowError, OSError):
        raise OptionError(
            f"SOURCE_DATE_EPOCH={epoch}: not a time",
            hint="seconds since 1970; or unset it, or give --date",
        ) from None
