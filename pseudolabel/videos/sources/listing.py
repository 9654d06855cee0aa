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
    for entry in itertools.chain.from_iterable(streams):
        if isinstance(entry, Skipped):
            first_skipped = first_skipped or entry
            yield entry
            continue
        key, identity = _hash(entry.video.video_id), _hash(f"{entry.identity} {entry.video.spans}")
        before = identities.get(key)
        if before is None:
            identities[key] = identity
        elif before == identity:
            continue
        else:
            _refuse_clash(inputs, entry)
        yield entry.video
    if not identities:
        raise _no_video(inputs, first_skipped)


def _hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _refuse_clash(inputs: Sequence[str], second: Found) -> None:
    """Two videos claim an id. The first is found by listing again: it was not kept.

    Raises:
        InputError: Unless only the 64-bit hashes are the same.
    """
    video_id = second.video.video_id
    for entry in itertools.chain.from_iterable(map(_entries, inputs)):
        if isinstance(entry, Found) and entry.video.video_id == video_id:
            break
    else:
        return
    if entry.identity == second.identity:
        if entry.video.spans == second.video.spans:
            return
        raise InputError(
            f"{second.video.source}: listed twice as {video_id!r}, with different clips",
            hint="give it once, with all its spans in one table",
        )
    raise InputError(
        f"two videos have the id {video_id!r}: {entry.video.source} and {second.video.source}",
        hint="give the folder above both, or one quoted glob, so that their paths tell them "
        "apart; or a table with a column video_id",
    )


def _no_video(inputs: Sequence[str], skipped: Skipped | None) -> InputError:
    shown = ", ".join(inputs[:5]) + (", ..." if len(inputs) > 5 else "")
    why = f" (could not be listed: {skipped.source}: {skipped.detail})" if skipped else ""
    suffixes = " ".join(VIDEO_SUFFIXES)
    return InputError(
        f"no video found in {shown}{why}",
        hint=f"name a file itself whatever its suffix; in folders these count: {suffixes}",
    )
