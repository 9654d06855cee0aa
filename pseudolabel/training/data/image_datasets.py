"""Images in Hugging Face datasets: a column of images, and one of captions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pseudolabel.errors import InputError, without_addresses
from pseudolabel.training.data.images import Images
from pseudolabel.training.data.texts import has_text

_TEXTS = ("caption", "captions", "text", "sentences", "raw")


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
    """The images of `NAME_OR_PATH[:split]`; the split is `train` unless said otherwise.

    Captions are in the column `caption`, `captions`, `text`, `sentences` or `raw`: a text, or a
    list of them.

    Raises:
        InputError: If the dataset cannot be loaded, or lacks a column of images or of captions.
    """
    import datasets
    import pyarrow as pa

    dataset = _load(name)
    features = dataset.features
    image = next((n for n, f in features.items() if isinstance(f, datasets.Image)), None)
    text = next((n for n in _TEXTS if n in features), None)
    if image is None or text is None:
        missing = "images" if image is None else "captions"
        raise InputError(
            f"--images {name}: no column of {missing} among {', '.join(features)}",
            hint=f"an Image column, and one of: {', '.join(_TEXTS)}",
        )
    said = dataset.select_columns([text]).with_format("arrow")[:][text].combine_chunks()
    if not pa.types.is_list(said.type):
        said = pa.ListArray.from_arrays(list(range(len(said) + 1)), said)
    texts = said.cast(pa.large_list(pa.large_string()))
    keep = has_text(texts)
    pictures = dataset.select_columns([image]).cast_column(image, datasets.Image(decode=False))
    if not keep.all():
        pictures = pictures.select(keep.nonzero()[0])
    kept = texts.filter(pa.array(keep))
    return Images(DatasetPictures(pictures, image), kept, without_text=int((~keep).sum()))


def _load(name: str) -> Any:
    import datasets

    head, _, split = name.rpartition(":")
    if not head or Path(name).exists():
        head, split = name, "train"
    try:
        if (Path(head) / "state.json").is_file():
            return datasets.load_from_disk(head)
        if (Path(head) / "dataset_dict.json").is_file():
            return datasets.load_from_disk(head)[split]
        return datasets.load_dataset(head, split=split)
    except Exception as error:  # those of many libraries; each is the input's
        lines = without_addresses(str(error)).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"--images {name}: {lines[0]}",
            hint="a Hugging Face dataset NAME_OR_PATH[:split], a folder with captions, or tars",
        ) from error
