"""Images in Hugging Face datasets: a column of images, and one of captions."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pseudolabel.errors import HubError, InputError, without_addresses
from pseudolabel.release.hub import HubRepo
from pseudolabel.training.data.images import Images
from pseudolabel.training.data.texts import caption_texts, has_text

if TYPE_CHECKING:
    import pyarrow as pa

_TEXTS = ("caption", "captions", "text", "txt", "sentences", "raw")
_HINT = "a Hugging Face dataset NAME[@REVISION][:split], a folder with captions, or tars"
_COMMIT = re.compile(r"[0-9a-f]{40}")


class DatasetPictures:
    """The files of images in a dataset.

    Args:
        dataset: A `datasets.Dataset` whose only column holds images that are not decoded.
        column: Its name.
    """

    def __init__(self, dataset: Any, column: str) -> None:
        self._dataset = dataset
        self._column = column

    def read(self, image: int) -> bytes:
        """See `PictureFiles`."""
        cell = self._dataset[image][self._column]
        if not cell:
            raise OSError("there is no picture in this row")
        data = cell["bytes"]
        return bytes(data) if data is not None else Path(cell["path"]).read_bytes()

    def name(self, image: int) -> str:
        """See `PictureFiles`."""
        return f"row {image}"


def dataset_images(name: str) -> Images:
    """The images of `NAME[@REVISION][:split]` on the Hub, or of `PATH[:split]`.

    The split is `train` unless said otherwise. A revision is a branch, a tag or a commit. Captions
    are in the column `caption`, `captions`, `text`, `txt`, `sentences` or `raw`: a text, or a list
    of them. Pictures stay on disk, in the cache of `datasets`; captions are held in memory.

    Raises:
        InputError: If the dataset cannot be loaded, or lacks a column of images or of captions.
        HubError: If the Hub does not have that revision, or cannot be asked for it.
    """
    import datasets
    import pyarrow as pa

    dataset, commit = _load(_Asked.parse(name))
    features = dataset.features
    kinds = {field.name: field.type for field in features.arrow_schema}
    image = next((n for n, f in features.items() if isinstance(f, datasets.Image)), None)
    text = next((n for n in _TEXTS if n in kinds and _holds_texts(kinds[n])), None)
    if image is None or text is None:
        missing = "images" if image is None else "captions"
        raise InputError(
            f"--images {name}: no column of {missing} among {', '.join(features)}",
            hint=f"an Image column, and texts or lists of them in one of: {', '.join(_TEXTS)}",
        )
    texts = _texts(dataset.select_columns([text]).with_format("arrow")[:][text])
    keep = has_text(texts)
    pictures = dataset.select_columns([image]).cast_column(image, datasets.Image(decode=False))
    if not keep.all():
        pictures = pictures.select(keep.nonzero()[0])
    return Images(
        DatasetPictures(pictures, image),
        texts.filter(pa.array(keep)),
        without_text=int((~keep).sum()),
        commit=commit,
    )


class _Asked(NamedTuple):
    """What a user asks for."""

    typed: str
    name: str  # a path, or USER/REPO
    revision: str | None
    split: str

    @classmethod
    def parse(cls, typed: str) -> _Asked:
        """Read `NAME[@REVISION][:split]`; what is there as a path is one, whatever is in it.

        Raises:
            InputError: If a path comes with a revision.
        """
        head, _, split = typed.rpartition(":")
        if not head or Path(typed).exists():
            head, split = typed, "train"
        name, at, revision = head.rpartition("@")
        if not at or Path(head).exists():
            return cls(typed, head, None, split)
        if Path(name).exists():
            raise InputError(
                f"--images {typed}: a folder has no revisions", hint=f"--images {name}:{split}"
            )
        return cls(typed, name, revision, split)


def _load(asked: _Asked) -> tuple[Any, str | None]:
    """A dataset, and its commit where it is from the Hub."""
    import datasets

    folder = Path(asked.name)
    commit = None if asked.revision is None else _commit_of(asked.name, asked.revision)
    try:
        if (folder / "state.json").is_file():
            return datasets.load_from_disk(asked.name), None
        if (folder / "dataset_dict.json").is_file():
            return datasets.load_from_disk(asked.name)[asked.split], None
        with _bars_on_terminals():
            dataset = datasets.load_dataset(asked.name, split=asked.split, revision=commit)
    except Exception as error:  # those of many libraries; each is the input's
        lines = without_addresses(str(error)).strip().splitlines() or [type(error).__name__]
        raise InputError(f"--images {asked.typed}: {lines[0]}", hint=_HINT) from error
    found = _commit_in(dataset)
    if commit is not None and found not in (commit, None):
        # Where the Hub does not answer, `datasets` takes the newest version in its cache.
        raise InputError(
            f"--images {asked.typed}: the Hub cannot be reached, and the cache has another version",
            hint=f"try again in a while; {asked.name}@{found} is there",
        )
    return dataset, found or commit


def _commit_of(name: str, revision: str) -> str:
    if _COMMIT.fullmatch(revision):
        return revision
    repo = HubRepo(name)
    commit = repo.commit_of(revision)
    if commit is None:
        raise HubError(f"--images {name}@{revision}: no such revision", hint=f"see {repo.url}")
    return commit


def _commit_in(dataset: Any) -> str | None:
    """The commit that a dataset from the Hub is of: `datasets` calls its cache's folder so."""
    folders = (Path(file["filename"]).parent.name for file in dataset.cache_files)
    return next((name for name in folders if _COMMIT.fullmatch(name)), None)


@contextmanager
def _bars_on_terminals() -> Iterator[None]:
    """Keeps bars out of logs."""
    import datasets

    if sys.stderr.isatty() or datasets.are_progress_bars_disabled():
        yield
        return
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()


def _holds_texts(kind: pa.DataType) -> bool:
    import pyarrow as pa

    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    value = kind.value_type if is_list else kind
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value))


def _texts(column: pa.ChunkedArray) -> pa.LargeListArray:
    """Texts or lists of them as lists, whose bytes may be more than 2 GB."""
    import pyarrow as pa

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return caption_texts(column.cast(pa.large_string()))
    return column.cast(pa.large_list(pa.large_string())).combine_chunks()
