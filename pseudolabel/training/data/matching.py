"""Which file under `--videos` is which video of a release, by their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pseudolabel.records import Video
from pseudolabel.speech.names import stem_of


@dataclass(frozen=True, slots=True)
class Matched:
    """The files of some videos."""

    sources: tuple[str | None, ...]  # a path or URL for each video; None: there is none
    unclear: tuple[str, ...]  # ids of videos without one because several files may be it


def match_videos(video_ids: Sequence[str], listed: Iterable[Video]) -> Matched:
    """Find the file of each video.

    It is the file whose path below the folder is the video's id; else the one whose path less its
    suffix is the id less its suffix (`a/b.webm` for `a/b.mp4`); else the one whose name alone,
    less its suffix, is that of the id. Where several files are equally good, there is no telling.
    A name alone says nothing either where several videos have it.

    Args:
        video_ids: Each once.
        listed: The files there are, with ids made from their paths.
    """
    by_id: dict[str, str] = {}
    by_stem: dict[str, list[str]] = {}
    by_name: dict[str, list[str]] = {}
    wanted_stems = {stem_of(video_id) for video_id in video_ids}
    wanted_names = _counted(_name(video_id) for video_id in video_ids)
    for video in listed:
        by_id[video.video_id] = video.source
        stem, name = stem_of(video.video_id), _name(video.video_id)
        if stem in wanted_stems:
            by_stem.setdefault(stem, []).append(video.source)
        if wanted_names.get(name) == 1:
            by_name.setdefault(name, []).append(video.source)
    sources: list[str | None] = []
    unclear: list[str] = []
    for video_id in video_ids:
        found = _candidates(video_id, by_id, by_stem, by_name)
        sources.append(found[0] if len(found) == 1 else None)
        if len(found) > 1:
            unclear.append(video_id)
    return Matched(tuple(sources), tuple(unclear))


def _candidates(
    video_id: str,
    by_id: Mapping[str, str],
    by_stem: Mapping[str, list[str]],
    by_name: Mapping[str, list[str]],
) -> list[str]:
    """The best files for a video, equally good ones."""
    if video_id in by_id:
        return [by_id[video_id]]
    return by_stem.get(stem_of(video_id)) or by_name.get(_name(video_id)) or []


def _name(video_id: str) -> str:
    return stem_of(video_id.rpartition("/")[2])


def _counted(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts
