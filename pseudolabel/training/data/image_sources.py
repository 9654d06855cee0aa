"""Which images a user names, and in which layout they are."""

from __future__ import annotations

from pathlib import Path

from pseudolabel.errors import InputError
from pseudolabel.training.data.image_datasets import dataset_images
from pseudolabel.training.data.image_folders import folder_images, has_captions
from pseudolabel.training.data.image_tars import find_tars, tar_images
from pseudolabel.training.data.images import Images


def open_images(where: str) -> Images:
    """The images that a user names.

    Args:
        where: A folder with captions (see `image_folders`), one of tars, a tar or a glob of tars
            (see `image_tars`), or a Hugging Face dataset, here or on the Hub (see
            `image_datasets`): `NAME[@REVISION][:split]` or `PATH[:split]`, where `hf:` may stand
            in front.

    Raises:
        InputError: If there are no images with captions.
        HubError: If the Hub lacks the revision, or cannot be asked for it.
    """
    if where.startswith("hf:"):
        return _some(where, dataset_images(where.removeprefix("hf:")))
    tars = find_tars(where)
    if tars:
        return _some(where, tar_images(tars))
    if has_captions(Path(where)):
        return _some(where, folder_images(Path(where)))
    return _some(where, dataset_images(where))


def _some(where: str, images: Images) -> Images:
    if not len(images):
        without = f" ({images.without_text} have none)" if images.without_text else ""
        raise InputError(
            f"--images {where}: no image with a caption{without}",
            hint="a folder with captions.csv, .jsonl, .parquet or COCO's .json, or a .txt beside "
            "each picture; WebDataset tars; or a Hugging Face dataset",
        )
    return images
