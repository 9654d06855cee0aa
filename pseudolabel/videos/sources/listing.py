"""From what the user typed to videos with ids that are unique in a run."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence

from pseudolabel.errors import InputError
from pseudolabel.records import Skipped, Video
from pseudolabel.videos.sources.entries import (
    VIDEO_SUFFIXES,
    Entry,
    Found,
    is_url,
    local_entry,
    local_path,
)
from pseudolabel.videos.sources.folders import glob_entries, walk
from pseudolabel.videos.sources.hf_datasets import dataset_entries
from pseudolabel.videos.sources.lists import list_entries
from pseudolabel.videos.sources.patterns import is_glob
from pseudolabel.videos.sources.remote import remote_entries
from pseudolabel.videos.sources.tables import is_table, table_entries

_KINDS = (
    "an input is a file, a folder, a quoted glob, @list.txt, a table (.csv .tsv .jsonl .parquet), "
    "hf:NAME_OR_PATH[:split], or a URL"
)


def list_videos(inputs: Sequence[str]) -> Iterator[Video | Skipped]:
    """List the videos that inputs name, without opening one.

    An input is a file (taken whatever its suffix), a folder (walked; files with a video's
    suffix), a glob, `@list.txt`, a table, `hf:NAME_OR_PATH[:split]`, or any fsspec URL; `./@x` is
    a file of that name. `entries` says how ids are made, `row_entries` what tables cost.

    Each input is looked at when this is called, so that one that cannot be read stops a run
    before it starts; the rest is listed as the iterator is consumed. Around 110 bytes a video
    stay in memory, to tell a video listed twice (given once) from two that claim one id.

    Args:
        inputs: What the user typed, in order.

    Yields:
        Videos, and a `Skipped` of stage "list" for each file or folder that cannot be listed.

    Raises:
        InputError: If an input does not exist, cannot be read or is not what its name says; while
            iterating also if two videos claim one id, or there is no video at all.
    """
    if not inputs:
        raise InputError("no input given", hint=_KINDS)
    return _unique(inputs, [_started(_entries(text)) for text in inputs])


def _started(entries: Iterator[Entry]) -> Iterator[Entry]:
    """The same entries, with the first already fetched."""
    return itertools.chain(list(itertools.islice(entries, 1)), entries)


def _entries(text: str) -> Iterator[Entry]:
    """The entries of one input."""
    text = local_path(text)
    if is_url(text):
        return table_entries(text) if is_table(text) else remote_entries(text)
    if text.startswith("hf:"):
        return dataset_entries(text.removeprefix("hf:"))
    if text.startswith("@"):
        return list_entries(text.removeprefix("@"))
    if os.path.isdir(text):  # noqa: PTH112  # Path would drop the user's own spelling
        return walk(text)
    if os.path.lexists(text):
        if is_table(text):
            return table_entries(text)
        return iter([local_entry(text, os.path.basename(text))])  # noqa: PTH119
    if is_glob(text):
        return glob_entries(text)
    raise InputError(f"{text or 'an empty input'}: no such file or folder", hint=_KINDS)


def _unique(inputs: Sequence[str], streams: Sequence[Iterator[Entry]]) -> Iterator[Video | Skipped]:
    identities: dict[int, int] = {}  # hash of the id -> hash of what it stands for
    first_skipped: Skipped | None = None
    has_video = False
    for entry in itertools.chain.from_iterable(streams):
        key, identity = map(_hash, _claim(entry))
        before = identities.get(key)
        if before is None:
            identities[key] = identity
        elif before == identity:
            continue
        else:
            _refuse_clash(inputs, entry)
        if isinstance(entry, Skipped):
            first_skipped = first_skipped or entry
            yield entry
        else:
            has_video = True
            yield entry.video
    if not has_video:
        raise _no_video(inputs, first_skipped)


def _claim(entry: Entry) -> tuple[str, str]:
    """The id that an entry has, and what tells it from others of that id."""
    if isinstance(entry, Skipped):  # there may be no file: its place must do
        return entry.video_id, _place(entry)
    return entry.video.video_id, f"{entry.identity} {entry.video.spans}"


def _place(entry: Entry) -> str:
    source = entry.source if isinstance(entry, Skipped) else entry.video.source
    return source if is_url(source) else os.path.abspath(source)  # noqa: PTH100  # as they are


def _hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _refuse_clash(inputs: Sequence[str], second: Entry) -> None:
    """Two videos claim an id. The first is found by listing again: it was not kept.

    Raises:
        InputError: Unless only the 64-bit hashes are the same, or a file came or went meanwhile.
    """
    video_id, _ = _claim(second)
    for first in itertools.chain.from_iterable(map(_entries, inputs)):
        if _claim(first)[0] == video_id:
            break
    else:
        return
    if isinstance(first, Found) and isinstance(second, Found) and first.identity == second.identity:
        if first.video.spans == second.video.spans:
            return
        raise InputError(
            f"{second.video.source}: listed twice as {video_id!r}, with different clips",
            hint="give it once, with all its spans in one table",
        )
    if _place(first) == _place(second):
        return
    raise InputError(
        f"two videos have the id {video_id!r}: {_shown(first)} and {_shown(second)}",
        hint="give the folder above both, or one quoted glob, so that their paths tell them "
        "apart; or a table with a column video_id",
    )


def _shown(entry: Entry) -> str:
    if isinstance(entry, Skipped):
        return f"{entry.source} ({entry.detail})"
    return entry.video.source


def _no_video(inputs: Sequence[str], skipped: Skipped | None) -> InputError:
    shown = ", ".join(inputs[:5]) + (", ..." if len(inputs) > 5 else "")
    why = f" (could not be listed: {skipped.source}: {skipped.detail})" if skipped else ""
    suffixes = " ".join(VIDEO_SUFFIXES)
    return InputError(
        f"no video found in {shown}{why}",
        hint=f"name a file itself whatever its suffix; in folders these count: {suffixes}",
    )
