"""Images with captions: to a video captioner, videos of one frame."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

    from pseudolabel.records import FrameSize

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
_MOST_PIXELS = 100_000_000  # of a picture; a few bytes can claim to be billions


class BrokenPictureError(Exception):
    """A picture that is missing, or does not decode."""


class PictureFiles(Protocol):
    """Where the files of images are."""

    def read(self, image: int) -> bytes:
        """The bytes of an image's file.

        Raises:
            OSError: If they cannot be had.
        """
        ...

    def name(self, image: int) -> str:
        """What the image is called, for a person."""
        ...


@dataclass(frozen=True, slots=True)
class Images:
    """Images and their captions."""

    files: PictureFiles
    texts: pa.LargeListArray  # of strings: one or more for each image
    without_text: int = 0  # images that were left out
    unreadable: tuple[tuple[str, str], ...] = ()  # tars, and why
    commit: str | None = None  # of a dataset on the Hub

    def __len__(self) -> int:
        return len(self.texts)

    def texts_of(self, image: int) -> list[str]:
        """The captions of an image that say something."""
        return [text for text in self.texts[image].as_py() if text and text.strip()]

    def read(self, image: int, size: FrameSize) -> NDArray[np.uint8]:
        """An image as a clip of one frame: uint8 RGB `(1, H, W, 3)`.

        Raises:
            BrokenPictureError: If it cannot be had, or does not decode.
        """
        try:
            return decoded(self.files.read(image), size)
        except Exception as error:  # Pillow's readers raise whatever damage makes them stumble on
            raise BrokenPictureError(str(error) or type(error).__name__) from error


def decoded(data: bytes, size: FrameSize) -> NDArray[np.uint8]:
    """A picture as a clip of one frame, upright: uint8 RGB `(1, H, W, 3)`.

    Raises:
        Exception: Of any kind, if it is damaged, or no picture.
    """
    from PIL import Image, ImageOps

    with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as opened:
        if opened.width * opened.height > _MOST_PIXELS:
            raise ValueError(f"claims to be {opened.width}x{opened.height} pixels")
        opened.draft("RGB", (2 * size.width, 2 * size.height))  # JPEG: decodes no more than that
        upright = ImageOps.exif_transpose(opened)
        width, height = size.of(*upright.size)
        if width * height > _MOST_PIXELS:  # where its shorter side becomes that of the square
            raise ValueError(f"is too narrow: {upright.width}x{upright.height} pixels")
        scaled = upright.convert("RGB").resize(
            (width, height), Image.Resampling.BICUBIC, reducing_gap=3.0
        )
        return np.asarray(scaled, np.uint8)[None]


def text_lists(texts: Iterable[list[str]]) -> pa.LargeListArray:
    """Captions as a column: a list for each image."""
    import pyarrow as pa

    return pa.array(texts, pa.large_list(pa.large_string()))
