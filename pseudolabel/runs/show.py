"""Finding rows of a run."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from pseudolabel.runs.folder import RunFolder

if TYPE_CHECKING:
    import pyarrow as pa


def find_rows(
    run: str,
    *,
    kind: Literal["clips", "skipped"] = "clips",
    video: str | None = None,
    text: str | None = None,
) -> Iterator[dict[str, Any]]:
    """The current rows of a run that match, part by part; nothing else is held in memory.

    Args:
        run: The run folder.
        kind: Captioned clips, or what was skipped.
        video: A part of the video id, or a pattern with `*` and `?` for the whole of it.
        text: A part of the caption (of the detail, for skipped rows), in any case.

    Yields:
        Rows with the columns of `contract.clip_schema()` or `contract.skipped_schema()`.

    Raises:
        RunError: If this is no run folder, or a part cannot be read.
    """
    folder = RunFolder(run)
    folder.manifest()  # says so if this is no run
    searched = "caption" if kind == "clips" else "detail"
    for table in folder.rows(kind):
        found = table
        if video is not None:
            found = found.filter(_matches(found["video_id"], video))
        if text is not None:
            found = found.filter(_contains(found[searched], text))
        order = [("video_id", "ascending"), ("clip_index", "ascending")]
        yield from found.sort_by(order).to_pylist()


def _matches(ids: pa.ChunkedArray, wanted: str) -> pa.Array:
    import pyarrow as pa

    is_pattern = any(c in wanted for c in "*?")
    return pa.array(
        [fnmatchcase(i, wanted) if is_pattern else wanted in i for i in ids.to_pylist()], pa.bool_()
    )


def _contains(texts: pa.ChunkedArray, wanted: str) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.match_substring(texts, wanted, ignore_case=True)
