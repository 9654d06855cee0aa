"""Examples to learn from, by key: pixels and one text. What is broken is replaced, and told."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, TypedDict

import numpy as np

from pseudolabel.training.data.images import BrokenPictureError
from pseudolabel.training.data.options import KINDS
from pseudolabel.training.data.order import Pick
from pseudolabel.training.data.pictures import draw_change, fitted
from pseudolabel.videos.signals import VideoSkippedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pseudolabel.training.data.clips import Clips
    from pseudolabel.training.data.footage import Footage
    from pseudolabel.training.data.images import Images
    from pseudolabel.training.data.options import DataOptions, Kind

TRIES = 16  # a batch is full unless so many examples in a row, drawn at random, are broken


class Broken(NamedTuple):
    """An example that could not be had."""

    id: str
    why: str


class Example(TypedDict):
    """What one key gives."""

    pixels: NDArray[np.uint8] | None  # RGB (T, S, S, 3); None: no example could be had
    text: str
    id: str  # "VIDEO_ID#INDEX" of a clip, the file's name of an image
    replaced: list[Broken]  # those that it stands for


class Examples:
    """Clips and images, decoded when asked for: a map-style data set for torch's `DataLoader`.

    An example is a function of its key, the options and the files; not of the process that makes
    it, nor of what was made before.

    Args:
        options: How pictures are made, which text, and the seed.
        clips: Of videos, all with a text; None for images alone.
        footage: Their pixels.
        images: With captions; None for videos alone.
        is_training: Whether pictures are augmented, and texts drawn: without, it is always the
            whole picture and the first text.
    """

    def __init__(
        self,
        options: DataOptions,
        *,
        clips: Clips | None = None,
        footage: Footage | None = None,
        images: Images | None = None,
        is_training: bool = True,
    ) -> None:
        self.clips = clips
        self.footage = footage
        self.images = images
        self._options = options
        self._is_training = is_training

    def __len__(self) -> int:
        return sum(self.sizes.values())

    @property
    def sizes(self) -> dict[Kind, int]:
        """How many examples there are of each kind."""
        held = {"video": self.clips, "image": self.images}
        return {kind: len(held[kind] or ()) for kind in KINDS}

    def fingerprint(self) -> str:
        """SHA-256 over which examples there are: another one, and the order is another."""
        total = hashlib.sha256((self.clips.fingerprint() if self.clips else "").encode())
        for image in range(len(self.images or ())):
            assert self.images is not None
            total.update(self.images.files.name(image).encode("utf-8", "surrogateescape") + b"\0")
        return total.hexdigest()

    @property
    def bytes_each(self) -> int:
        """The pixels of one example, of the kind with the most."""
        frames = self._options.frames if self.clips is not None else 1
        return frames * self._options.side**2 * 3

    def __getitem__(self, key: Pick) -> Example:
        """The example of a key, or the one that stands for it where it is broken."""
        random = np.random.default_rng([self._options.seed, KINDS.index(key.kind), key.draw])
        broken: list[Broken] = []
        for row in _rows(key, self.sizes[key.kind], random):
            try:
                pixels = self._pixels(key.kind, row)
            except (VideoSkippedError, BrokenPictureError) as error:
                why = error.detail if isinstance(error, VideoSkippedError) else str(error)
                broken.append(Broken(self._id(key.kind, row), why))
                continue
            text = self._text(key.kind, row, random)
            return Example(
                pixels=self._fitted(pixels, random),
                text=text,
                id=self._id(key.kind, row),
                replaced=broken,
            )
        return Example(pixels=None, text="", id="", replaced=broken)

    def _pixels(self, kind: Kind, row: int) -> NDArray[np.uint8]:
        if kind == "image":
            assert self.images is not None
            return self.images.read(row, self._options.picture_size)
        assert self.clips is not None
        assert self.footage is not None
        return self.footage.read(self.clips, row)

    def _text(self, kind: Kind, row: int, random: np.random.Generator) -> str:
        holder = self.clips if kind == "video" else self.images
        assert holder is not None
        texts = holder.texts_of(row)
        return texts[random.integers(len(texts)) if self._is_training else 0].strip()

    def _fitted(self, pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        options = self._options
        change = draw_change(options.augmentation, random) if self._is_training else None
        return fitted(pixels, options.side, fit=options.fit, change=change)

    def _id(self, kind: Kind, row: int) -> str:
        if kind == "video":
            assert self.clips is not None
            return self.clips.key(row)
        assert self.images is not None
        return self.images.files.name(row)


def _rows(key: Pick, size: int, random: np.random.Generator) -> Iterator[int]:
    """The row that is due, then others at random."""
    yield key.row
    for _ in range(TRIES - 1):
        yield int(random.integers(size))
