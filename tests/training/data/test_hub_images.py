"""Images in datasets on the Hub, at the version that is asked for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import datasets
import pytest
from huggingface_hub import HfApi
from PIL import Image

from loopback_hub import UPLOAD_WARNING, LoopbackHub
from pseudolabel.errors import HubError, InputError
from pseudolabel.records import FrameSize
from pseudolabel.training.data.image_sources import open_images
from pseudolabel.training.data.images import Images
from video_factory import numbered_picture, read_number

NAME = "tester/pictures"
SIZE = FrameSize(32, 32)
pytestmark = pytest.mark.filterwarnings(UPLOAD_WARNING)


@pytest.fixture(autouse=True)
def quiet() -> None:
    datasets.disable_progress_bars()


def pixels(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(numbered_picture(number, (64, 48))).save(buffer, "PNG")
    return buffer.getvalue()


def upload(folder: Path, said: dict[str, list[Any]], *, pictures: bool = True) -> str:
    """Put a dataset on the Hub in place of what is there; gives its commit."""
    count = len(next(iter(said.values())))
    made = datasets.Dataset.from_dict(said)
    if pictures:
        column = [{"bytes": pixels(number), "path": None} for number in range(count)]
        made = made.add_column("picture", column).cast_column("picture", datasets.Image())
    made.to_parquet(str(folder / "rows.parquet"))
    api = HfApi()
    api.create_repo(NAME, repo_type="dataset", exist_ok=True)
    where = "data/train-00000-of-00001.parquet"
    added = api.upload_file(
        path_or_fileobj=folder / "rows.parquet",
        path_in_repo=where,
        repo_id=NAME,
        repo_type="dataset",
    )
    return str(added.oid)


def said_of(images: Images) -> dict[int, list[str]]:
    """By the number that the picture shows."""
    return {
        read_number(images.read(image, SIZE)[0]): images.texts_of(image)
        for image in range(len(images))
    }


def test_a_version_is_pinned_and_known(hub: LoopbackHub, tmp_path: Path) -> None:
    first = upload(tmp_path, {"caption": ["a cat", "a dog"]})
    HfApi().create_tag(NAME, tag="v1", revision=first, repo_type="dataset")
    second = upload(tmp_path, {"caption": ["a cat", None, "a cow"]})
    for name, commit, said in (
        (NAME, second, {0: ["a cat"], 2: ["a cow"]}),
        (f"hf:{NAME}@main:train", second, {0: ["a cat"], 2: ["a cow"]}),
        (f"{NAME}@v1", first, {0: ["a cat"], 1: ["a dog"]}),
        (f"{NAME}@{first}:train", first, {0: ["a cat"], 1: ["a dog"]}),
    ):
        images = open_images(name)
        assert (images.commit, said_of(images)) == (commit, said)
    assert open_images(NAME).without_text == 1


def test_captions_may_be_lists_as_cocos_are(hub: LoopbackHub, tmp_path: Path) -> None:
    upload(tmp_path, {"captions": [["a cat", "a tomcat"], [], ["a dog"]]})
    images = open_images(NAME)
    assert said_of(images) == {0: ["a cat", "a tomcat"], 2: ["a dog"]}
    assert images.without_text == 1


def test_a_folder_of_pictures_on_the_hub(hub: LoopbackHub, tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(pixels(number))
    (tmp_path / "metadata.jsonl").write_text(
        '{"file_name": "0.png", "text": "a cat"}\n{"file_name": "1.png", "text": "a dog"}\n'
    )
    HfApi().create_repo(NAME, repo_type="dataset")
    HfApi().upload_folder(folder_path=tmp_path, repo_id=NAME, repo_type="dataset")
    assert said_of(open_images(NAME)) == {0: ["a cat"], 1: ["a dog"]}


def test_pictures_stay_on_disk(hub: LoopbackHub, tmp_path: Path) -> None:
    upload(tmp_path, {"caption": ["a cat"]})
    held: Any = open_images(NAME).files
    (file,) = held._dataset.cache_files
    assert Path(file["filename"]).is_relative_to(tmp_path / "home")


@pytest.mark.parametrize(
    ("said", "pictures", "missing"),
    [
        ({"caption": ["a cat"]}, False, "no column of images among caption"),
        ({"label": ["a cat"]}, True, "no column of captions among label, picture"),
        ({"caption": [7]}, True, "no column of captions among caption, picture"),
        ({"sentences": [[{"raw": "a cat"}]]}, True, "no column of captions among sentences"),
    ],
)
def test_columns_that_are_missing_are_named(
    hub: LoopbackHub, tmp_path: Path, said: dict[str, list[Any]], pictures: bool, missing: str
) -> None:
    upload(tmp_path, said, pictures=pictures)
    with pytest.raises(InputError, match=f"--images {NAME}: {missing}"):
        open_images(NAME)


def test_what_is_not_there_is_one_line(hub: LoopbackHub, tmp_path: Path) -> None:
    upload(tmp_path, {"caption": ["a cat"]})
    with pytest.raises(HubError, match=f"--images {NAME}@v9: no such revision"):
        open_images(f"{NAME}@v9")
    with pytest.raises(InputError, match=f"--images {NAME}:dev: .*dev.*train"):
        open_images(f"{NAME}:dev")
    with pytest.raises(InputError, match=r"--images tester/none: .*doesn't exist"):
        open_images("tester/none")
    with pytest.raises(HubError, match="no such repository"):
        open_images("tester/none@v1")
    (tmp_path / "here").mkdir()
    with pytest.raises(InputError, match="a folder has no revisions"):
        open_images(f"{tmp_path / 'here'}@v1")


def test_away_from_the_hub_the_cache_gives_no_other_version(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (upload(tmp_path, {"caption": texts}) for texts in (["a cat"], ["a dog"]))
    for name in (f"{NAME}@{first}", NAME):
        open_images(name)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    assert open_images(f"{NAME}@{second}").commit == open_images(NAME).commit == second
    with pytest.raises(InputError, match="the cache has another version") as caught:
        open_images(f"{NAME}@{first}")
    assert f"{NAME}@{second} is there" in str(caught.value.hint)
