"""Images in WebDataset tars, as img2dataset writes CC3M: `0001.jpg`, `0001.txt`, `0001.json`."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from glob import glob
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from tarfile import TarError

import numpy as np
from numpy.typing import NDArray

from pseudolabel.training.data.images import PICTURE_SUFFIXES, Images, text_lists
from pseudolabel.training.data.tars import Member, TarBytes, members


class TarPictures:
    """The files of images in tars.

    Args:
        tars: Paths.
        places: `(images, 3)` int64: the tar, the offset and the size of each.
    """

    def __init__(self, tars: Sequence[Path], places: NDArray[np.int64]) -> None:
        self._tars = tars
        self._places = places
        self._bytes = TarBytes(list(tars))

    def read(self, image: int) -> bytes:
        """See `PictureFiles`."""
        return self._bytes.read(*map(int, self._places[image]))

    def name(self, image: int) -> str:
        """See `PictureFiles`."""
        tar, offset, _ = self._places[image]
        return f"{self._tars[tar].name}@{offset}"


def find_tars(where: str) -> list[Path]:
    """The tars that a path, a folder or a glob names, in order; none if it names others."""
    path = Path(where)
    if path.is_dir():
        return sorted(path.glob("*.tar"))
    if path.is_file():
        return [path] if path.suffix == ".tar" else []
    return sorted(Path(found) for found in glob(where) if found.endswith(".tar"))  # noqa: PTH207


def tar_images(tars: Sequence[Path]) -> Images:
    """The images of tars with the text in `.txt`, else the `caption` in `.json`.

    Of a tar that is cut short, those before the end of it.
    """
    places, texts = array("q"), list[str]()
    unreadable: list[tuple[str, str]] = []
    without = 0
    data = TarBytes(list(tars))
    for number, tar in enumerate(tars):
        for _, sample in groupby(_readable(tar, unreadable), attrgetter("key")):
            files = {member.suffix: member for member in sample}
            picture = _picture(files)
            if picture is None:
                continue
            text = _text(number, files, data)
            without += not text
            if text:
                places.extend((number, picture.offset, picture.size))
                texts.append(text)
    return Images(
        TarPictures(tars, np.array(places, np.int64).reshape(-1, 3)),
        text_lists([text] for text in texts),
        without_text=without,
        unreadable=tuple(unreadable),
    )


def _readable(tar: Path, unreadable: list[tuple[str, str]]) -> Iterator[Member]:
    """The members of a tar as far as they can be read; why it ends there is noted."""
    try:
        yield from members(tar)
    except TarError as error:
        unreadable.append((str(tar), str(error)))


def _picture(files: dict[str, Member]) -> Member | None:
    return next((m for suffix, m in files.items() if f".{suffix}" in PICTURE_SUFFIXES), None)


def _text(tar: int, files: dict[str, Member], data: TarBytes) -> str:
    """The caption of a sample; "" if there is none."""
    if "txt" in files:
        plain = data.read(tar, files["txt"].offset, files["txt"].size)
        return plain.decode("utf-8", "replace").strip()
    if "json" not in files:
        return ""
    try:
        said = json.loads(data.read(tar, files["json"].offset, files["json"].size))
    except ValueError:
        return ""
    text = said.get("caption") if isinstance(said, dict) else None
    return text.strip() if isinstance(text, str) else ""
