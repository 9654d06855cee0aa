"""Images in a folder with captions, in the layouts that are about.

- `captions.csv`, `.tsv`, `.jsonl` or `.parquet` (or `metadata.*`, as Hugging Face's image folders
  have it): a column with the file's path below the folder (`file_name`, `image` or `path`) and one
  with the text (`caption` or `text`). Several rows may be of one image.
- COCO's JSON: `{"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}`.
- `NAME.txt` beside `NAME.jpg`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from pseudolabel.errors import InputError
from pseudolabel.training.data.images import PICTURE_SUFFIXES, Images, text_lists

_TABLES = tuple(
    f"{stem}.{suffix}"
    for stem in ("captions", "metadata")
    for suffix in ("csv", "tsv", "jsonl", "parquet")
)
_FILES, _TEXTS = ("file_name", "image", "path"), ("caption", "text")
Pair = tuple[str, str]  # a path below the folder, and a caption


class FolderPictures:
    """The files of images in a folder.

    Args:
        root: The folder.
        paths: Of the images, below it.
    """

    def __init__(self, root: Path, paths: list[str]) -> None:
        self._root = root
        self._paths = paths

    def read(self, image: int) -> bytes:
        """See `PictureFiles`."""
        return (self._root / self._paths[image]).read_bytes()

    def name(self, image: int) -> str:
        """See `PictureFiles`."""
        return self._paths[image]


def has_captions(folder: Path) -> bool:
    """Whether this is a folder with captions in one of the layouts."""
    return folder.is_dir() and (
        _table(folder) is not None
        or _coco(folder) is not None
        or next(_beside(folder), None) is not None
    )


def folder_images(folder: Path) -> Images:
    """The images of a folder that `has_captions`.

    Raises:
        InputError: If the captions cannot be read.
    """
    table, coco = _table(folder), _coco(folder)
    try:
        if table is not None:
            pairs: Iterable[Pair] = _pairs(table)
        else:
            pairs = _beside(folder) if coco is None else _coco_pairs(folder, coco)
        captions: dict[str, list[str]] = {}
        for path, text in pairs:
            captions.setdefault(path, []).extend([text.strip()] if text.strip() else [])
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise InputError(
            f"{table or coco or folder}: captions cannot be read: {error!r}",
            hint=f"columns {' or '.join(_FILES)}, and {' or '.join(_TEXTS)}; or COCO's JSON",
        ) from None
    kept = {path: texts for path, texts in captions.items() if texts}
    return Images(
        FolderPictures(folder, list(kept)),
        text_lists(kept.values()),
        without_text=len(captions) - len(kept),
    )


def _table(folder: Path) -> Path | None:
    return next((folder / name for name in _TABLES if (folder / name).is_file()), None)


def _pairs(table: Path) -> Iterator[Pair]:
    rows = _rows(table)
    first = next(rows, None)
    if first is None:
        return
    file = next((name for name in _FILES if name in first), None)
    text = next((name for name in _TEXTS if name in first), None)
    if file is None or text is None:
        raise ValueError(f"columns {', '.join(map(str, first))}")
    for row in chain([first], rows):
        yield str(row[file]), str(row[text] or "")


def _rows(table: Path) -> Iterator[dict[str, Any]]:
    if table.suffix == ".parquet":
        import pyarrow.parquet as pq

        with pq.ParquetFile(table) as file:
            for batch in file.iter_batches():
                yield from batch.to_pylist()
        return
    with table.open(encoding="utf-8-sig", newline="") as lines:
        if table.suffix == ".jsonl":
            yield from (json.loads(line) for line in lines if line.strip())
        else:
            yield from csv.DictReader(lines, delimiter="\t" if table.suffix == ".tsv" else ",")


def _coco(folder: Path) -> Path | None:
    """The JSON file in a folder that is about captions, if there is one.

    Raises:
        InputError: If there are several: which of them is to be learned from is not ours to say.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        with path.open("rb") as file:
            head = file.read(1 << 20)
        if b'"images"' in head or b'"annotations"' in head:
            found.append(path)
    # COCO's other files, of instances and keypoints, look alike.
    found = [path for path in found if path.name.startswith("captions")] or found
    if len(found) > 1:
        raise InputError(
            f"{folder}: several files of captions: {', '.join(path.name for path in found)}",
            hint="leave the one there that is to be learned from",
        )
    return found[0] if found else None


def _coco_pairs(folder: Path, coco: Path) -> Iterator[Pair]:
    said = json.loads(coco.read_bytes())
    names = {image["id"]: image["file_name"] for image in said["images"]}
    inside = _folder_of_pictures(folder, next(iter(names.values()), ""))
    for annotation in said["annotations"]:
        yield inside + names[annotation["image_id"]], annotation["caption"]


def _folder_of_pictures(folder: Path, name: str) -> str:
    """What stands before the names of COCO's files: its pictures are in `train2017/` and so on."""
    for path in ("", *(f"{p.name}/" for p in sorted(folder.iterdir()) if p.is_dir())):
        if name and (folder / (path + name)).is_file():
            return path
    return ""


def _beside(folder: Path) -> Iterator[Pair]:
    """Pictures with a .txt of the same name, folders within included, in order."""
    for text in sorted(folder.rglob("*.txt")):
        picture = next((p for s in PICTURE_SUFFIXES if (p := text.with_suffix(s)).is_file()), None)
        if picture is not None:
            said = text.read_text(encoding="utf-8", errors="replace")
            yield picture.relative_to(folder).as_posix(), said
