"""Finding rows of a run."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from pseudolabel.errors import OptionError
from pseudolabel.records import Flag
from pseudolabel.runs.storage.folder import RunFolder

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_ONCE = 500


def find_rows(
    run: str,
    *,
    kind: Literal["clips", "skipped"] = "clips",
    video: str | None = None,
    text: str | None = None,
    flag: str | None = None,
) -> Iterator[dict[str, Any]]:
    """The current rows of a run that match, part by part.

    The newest part comes first, so that no other is waited for; with a flag the oldest.

    Args:
        run: The run folder.
        kind: Captioned clips, or what was skipped.
        video: A part of the video id, or a pattern with `*` and `?` for the whole of it.
        text: A part of the caption (of the detail, for skipped rows), in any case.
        flag: Only clips with this flag, such as "loop". Of "repeated", "low_similarity" and
            "near_duplicate", which only the whole run can tell, nothing is known without it.

    Yields:
        Rows with the columns of `contract.clip_schema()` or `contract.skipped_schema()`; with a
        flag also those that `Reading.add_to` adds.

    Raises:
        OptionError: If there is no such flag.
        RunError: If this is no run folder, or a part cannot be read.
    """
    folder = RunFolder(run)
    folder.manifest()  # says so if this is no run
    searched = "caption" if kind == "clips" else "detail"
    tables = folder.rows(kind, newest_first=True) if flag is None else _flagged(folder, flag)
    for table in tables:
        found = table
        if video is not None:
            found = found.filter(_matches(found["video_id"], video))
        if text is not None:
            found = found.filter(_contains(found[searched], text))
        yield from _in_order(found)


def _in_order(rows: pa.Table) -> Iterator[dict[str, Any]]:
    """Rows by video and clip, a few at a time: of a large part mostly the first ones are wanted."""
    import pyarrow.compute as pc

    keys = [("video_id", "ascending"), ("clip_index", "ascending")]
    order = pc.sort_indices(rows, sort_keys=keys)
    for start in range(0, len(order), ROWS_AT_ONCE):
        yield from rows.take(order.slice(start, ROWS_AT_ONCE)).to_pylist()


def _flagged(folder: RunFolder, flag: str) -> Iterator[pa.Table]:
    import pyarrow as pa

    from pseudolabel.runs.findings.findings import find_in_run, has_any

    if flag not in [known.value for known in Flag]:
        raise OptionError(
            f"--flag {flag}: there is no such flag",
            hint=f"one of: {', '.join(known.value for known in Flag)}",
        )
    findings, floor = find_in_run(folder)
    reading = findings.reading()
    for table in folder.rows():
        found = reading.add_to(table, floor)
        yield found.filter(pa.array(has_any(found["flags"], [flag])))


def _matches(ids: pa.ChunkedArray, wanted: str) -> pa.Array:
    import pyarrow as pa

    is_pattern = any(c in wanted for c in "*?")
    pattern = wanted.replace("[", "[[]")  # no set of characters: many names have an id in brackets
    return pa.array(
        [fnmatchcase(i, pattern) if is_pattern else wanted in i for i in ids.to_pylist()],
        pa.bool_(),
    )


def _contains(texts: pa.ChunkedArray, wanted: str) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.match_substring(texts, wanted, ignore_case=True)
