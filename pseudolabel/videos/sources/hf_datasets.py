"""Hugging Face datasets that name videos: streamed, nothing decoded."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pseudolabel.errors import InputError
from pseudolabel.videos.sources.entries import Entry, has_video_suffix, is_url
from pseudolabel.videos.sources.rows import COLUMNS, Row, check_columns, read_row, row_entries
from pseudolabel.videos.sources.tables import is_table

_PEEKED_ROWS = 20


def dataset_entries(name: str) -> Iterator[Entry]:
    """The videos of `NAME_OR_PATH[:split]`: a dataset on the Hub, a local folder, a table file.

    The videos are in the column `video`, else in the first column whose values look like paths
    of videos or like URLs; the other columns are those of a table. Paths are from the dataset's
    folder. The split is `train` unless said otherwise.

    Raises:
        InputError: If the dataset cannot be loaded, names no videos, or holds them as bytes.
    """
    name, split = _name_and_split(name)
    table = f"hf:{name}"
    with_errors = _Errors(table)
    dataset = with_errors.run(lambda: _load(name, split))
    columns, video = with_errors.run(lambda: _columns(dataset, table))
    wanted = [video, *(column for column in columns if column in COLUMNS and column != "video")]
    dataset = with_errors.run(lambda: dataset.select_columns(wanted))
    cells = with_errors.iterate(dataset)
    rows = (_row(table, number, row, video) for number, row in enumerate(cells, 1))
    yield from row_entries(rows, table=table, folder=_folder(name), has_spans="start_s" in columns)


def _name_and_split(name: str) -> tuple[str, str]:
    """A colon in an existing path is no split."""
    head, colon, split = name.rpartition(":")
    if not colon or os.path.exists(name):  # noqa: PTH110
        return name, "train"
    return head, split


def _folder(name: str) -> str:
    if os.path.isdir(name):  # noqa: PTH112
        return name
    return posixpath.dirname(name) if os.path.exists(name) else f"hf://datasets/{name}"  # noqa: PTH110


def _load(name: str, split: str) -> Any:
    import datasets

    if os.path.isfile(name) and is_table(name):  # noqa: PTH113
        kind = {"csv": "csv", "tsv": "csv", "jsonl": "json", "parquet": "parquet"}[
            name.rpartition(".")[2].lower()
        ]
        options = {"sep": "\t"} if name.lower().endswith(".tsv") else {}
        files = {split: name}
        dataset = datasets.load_dataset(
            kind, data_files=files, split=split, streaming=True, **options
        )
    else:
        dataset = datasets.load_dataset(name, split=split, streaming=True)
    for column, feature in (dataset.features or {}).items():
        if isinstance(feature, datasets.Video):
            dataset = dataset.cast_column(column, datasets.Video(decode=False))
    return dataset


def _columns(dataset: Any, table: str) -> tuple[list[str], str]:
    """The names of all columns, and the one of videos."""
    features: Mapping[str, Any] | None = dataset.features
    if features is None:  # text files: known only when read
        rows = list(dataset.take(_PEEKED_ROWS))
        names = list(rows[0]) if rows else []
    else:
        names = list(features)
        rows = []
    video = "video" if "video" in names else None
    if video is None:
        texts = names if features is None else [n for n in names if _may_name(features[n])]
        if features is not None and texts:
            rows = list(dataset.select_columns(texts).take(_PEEKED_ROWS))
        video = next((name for name in texts if _names_videos([row[name] for row in rows])), None)
    check_columns(table, names, video or "video")
    return names, video or "video"


def _may_name(feature: Any) -> bool:
    return type(feature).__name__ == "Video" or getattr(feature, "dtype", "") in (
        "string",
        "large_string",
    )


def _names_videos(values: Sequence[object]) -> bool:
    texts = [value.get("path") if isinstance(value, dict) else value for value in values]
    given = [text for text in texts if isinstance(text, str) and text]
    return bool(given) and all(is_url(text) or has_video_suffix(text) for text in given)


def _row(table: str, number: int, cells: Mapping[str, Any], video: str) -> Row:
    cell = cells[video]
    if isinstance(cell, dict) and cell.get("bytes") is not None:
        raise InputError(
            f"{table}: row {number}: column {video!r} holds the video's bytes, not its path",
            hint="write the videos to files, and give their folder or a table of their paths",
        )
    return read_row(table, number, {**cells, "video": cell})


class _Errors:
    """Loading a dataset fails with the errors of many libraries; each is the input's."""

    def __init__(self, table: str) -> None:
        self._table = table

    def run(self, action: Any) -> Any:
        try:
            return action()
        except InputError:
            raise
        except Exception as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise InputError(
                f"{self._table}: {lines[0]}",
                hint="hf:NAME_OR_PATH[:split] names a dataset on the Hub, a local folder of one, "
                "or a .parquet, .csv, .tsv or .jsonl file",
            ) from error

    def iterate(self, dataset: Any) -> Iterator[Mapping[str, Any]]:
        stream = iter(dataset)
        while (row := self.run(lambda: next(stream, None))) is not None:
            yield row
