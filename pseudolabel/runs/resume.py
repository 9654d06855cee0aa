"""Going on where a run stopped: which videos are done, and whether the options are the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pseudolabel.errors import RunError
from pseudolabel.records import Skipped, Video
from pseudolabel.runs.folder import RunFolder
from pseudolabel.videos.opening import VideoSkippedError, hash_content

if TYPE_CHECKING:
    import pyarrow as pa


class DoneVideos:
    """The videos whose rows are in committed parts.

    A video is done if its content, as it was listed, is what it was then. Where size and
    modification time (or the ETag) say otherwise, a hash of the file's ends decides: a file that
    was copied or touched is still the same video.

    Args:
        folder: The run.
        retry_skipped: Whether videos that only have skipped rows count as not done.
    """

    def __init__(self, folder: RunFolder, *, retry_skipped: bool = False) -> None:
        self._listed: dict[str, str] = {}
        self._content_hash: dict[str, str] = {}
        for part in folder.parts():
            if not retry_skipped:
                skipped = folder.rows_of(part, "skipped", columns=["video_id", "listed"])
                self._listed.update(_pairs(skipped, "listed"))
            clips = folder.rows_of(part, "clips", columns=["video_id", "listed", "content_hash"])
            self._listed.update(_pairs(clips, "listed"))
            self._content_hash.update(_pairs(clips, "content_hash"))

    def __contains__(self, video: Video | Skipped) -> bool:
        listed = self._listed.get(video.video_id)
        if listed is None:
            return False
        if listed == video.listed:
            return True
        known = self._content_hash.get(video.video_id)
        return bool(known) and known == _content_hash(video.source)


def _pairs(rows: pa.Table, column: str) -> zip[tuple[str, str]]:
    return zip(rows["video_id"].to_pylist(), rows[column].to_pylist(), strict=True)


def _content_hash(source: str) -> str:
    try:
        return hash_content(source)
    except VideoSkippedError:
        return ""  # decoding it will say what is wrong


def check_same_options(path: str, made_with: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse to go on with other options than the run was made with.

    Raises:
        RunError: Naming every option that differs, with both values.
    """
    names = [*made_with, *(name for name in asked if name not in made_with)]
    differing = [
        f"{name} was {made_with.get(name)!r}, now {asked.get(name)!r}"
        for name in names
        if made_with.get(name) != asked.get(name)
    ]
    if differing:
        raise RunError(
            f"{path}: this run was made with other options: {'; '.join(differing)}",
            hint="repeat the options it was made with, or choose another --out",
        )
