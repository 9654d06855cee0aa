"""Images with captions, in every layout: the right picture has the right text."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from footage_factory import expected_numbers, footage_rows, frame_numbers, make_footage
from pseudolabel.errors import InputError, OptionError
from pseudolabel.records import FrameSize
from pseudolabel.training.data.image_sources import open_images
from pseudolabel.training.data.images import BrokenPictureError, Images
from pseudolabel.training.data.loading import Tally, checked, make_loader
from pseudolabel.training.data.opening import open_examples
from pseudolabel.training.data.options import DataOptions, Mix
from pseudolabel.training.data.order import BatchSampler, Order
from release_factory import write_release
from video_factory import numbered_picture, read_number

COUNT = 6
SIZE = FrameSize(32, 32)


def picture(number: int, kind: str = "PNG", size: tuple[int, int] = (64, 48)) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(numbered_picture(number, size)).save(buffer, kind)
    return buffer.getvalue()


def text(number: int) -> str:
    return f"picture {number}"


def write_pictures(folder: Path) -> None:
    (folder / "in").mkdir(parents=True)
    for number in range(COUNT):
        (folder / name(number)).write_bytes(picture(number))


def name(number: int) -> str:
    return f"in/{number}.png" if number % 2 else f"{number}.png"


def write_table(folder: Path, file: str) -> None:
    rows = [{"file_name": name(n), "caption": text(n)} for n in range(COUNT)]
    table = pa.Table.from_pylist(rows)
    if file.endswith(".parquet"):
        pq.write_table(table, folder / file)
    elif file.endswith(".jsonl"):
        (folder / file).write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        table.to_pandas().to_csv(folder / file, index=False, sep="\t" if "tsv" in file else ",")


def folder_of(file: str) -> Callable[[Path], str]:
    def write(path: Path) -> str:
        write_pictures(path)
        write_table(path, file)
        return str(path)

    return write


def write_texts(path: Path) -> str:
    write_pictures(path)
    for number in range(COUNT):
        (path / name(number)).with_suffix(".txt").write_text(text(number) + "\n")
    return str(path)


def write_coco(path: Path) -> str:
    write_pictures(path / "val2017")
    said = {
        "images": [{"id": 100 + n, "file_name": name(n)} for n in range(COUNT)],
        "annotations": [{"image_id": 100 + n, "caption": text(n), "id": n} for n in range(COUNT)],
    }
    (path / "captions_val2017.json").write_text(json.dumps(said))
    return str(path)


def write_tars(path: Path) -> str:
    path.mkdir()
    for shard in range(2):
        with tarfile.open(path / f"{shard:05d}.tar", "w") as tar:
            for number in range(shard * 3, shard * 3 + 3):
                add(tar, f"{number:09d}.png", picture(number))
                said = {"caption": text(number), "url": "http://example.org"}
                if number % 2:
                    add(tar, f"{number:09d}.txt", text(number).encode())
                add(tar, f"{number:09d}.json", json.dumps(said).encode())
    return str(path)


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def write_dataset(path: Path) -> str:
    rows = {
        "image": [{"bytes": picture(n), "path": None} for n in range(COUNT)],
        "captions": [[text(n)] for n in range(COUNT)],
    }
    features = datasets.Features(
        {"image": datasets.Image(), "captions": datasets.List(datasets.Value("string"))}
    )
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict(rows, features).save_to_disk(str(path))
    return f"hf:{path}"


def write_parquet_dataset(path: Path) -> str:
    write_dataset(path / "saved")
    (path / "data").mkdir()
    datasets.load_from_disk(str(path / "saved")).to_parquet(str(path / "data" / "train.parquet"))
    return f"{path / 'data'}:train"


LAYOUTS: dict[str, Callable[[Path], str]] = {
    **{
        f"{stem}.{suffix}": folder_of(f"{stem}.{suffix}")
        for stem, suffix in (
            ("captions", "csv"),
            ("captions", "tsv"),
            ("captions", "parquet"),
            ("metadata", "jsonl"),
        )
    },
    "txt": write_texts,
    "coco": write_coco,
    "tars": write_tars,
    "saved dataset": write_dataset,
    "parquet dataset": write_parquet_dataset,
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))


def said_of(images: Images) -> dict[int, list[str]]:
    return {
        read_number(images.read(image, SIZE)[0]): images.texts_of(image)
        for image in range(len(images))
    }


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_picture_has_its_text(layout: str, tmp_path: Path) -> None:
    images = open_images(LAYOUTS[layout](tmp_path / "images"))
    assert said_of(images) == {number: [text(number)] for number in range(COUNT)}
    assert images.read(0, SIZE).shape == (1, 32, 32, 3)
    # A spawned worker gets a copy.
    assert said_of(pickle.loads(pickle.dumps(images))) == said_of(images)


def test_of_cocos_files_one_is_learned_from(tmp_path: Path) -> None:
    folder = Path(write_coco(tmp_path / "images"))
    captions = folder / "captions_val2017.json"
    (folder / "instances_val2017.json").write_text('{"images": [], "annotations": []}')
    assert len(open_images(str(folder))) == COUNT
    (folder / "captions_train2017.json").write_bytes(captions.read_bytes())
    with pytest.raises(InputError, match=r"several .*captions_train2017.json, captions_val2017.j"):
        open_images(str(folder))


def test_one_tar_and_a_glob_of_tars(tmp_path: Path) -> None:
    folder = write_tars(tmp_path / "images")
    assert len(open_images(f"{folder}/00000.tar")) == 3
    assert len(open_images(f"{folder}/*.tar")) == 6


def test_an_image_may_have_several_captions_or_none(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    (tmp_path / "captions.csv").write_text(
        'image,text\n0.png,"a cat, sleeping"\n0.png,a tomcat\nin/1.png,\n2.png,a dog\n'
    )
    images = open_images(str(tmp_path))
    assert said_of(images) == {0: ["a cat, sleeping", "a tomcat"], 2: ["a dog"]}
    assert images.without_text == 1


def test_pictures_are_upright_and_without_alpha(tmp_path: Path) -> None:
    turned = Image.fromarray(np.rot90(numbered_picture(77, (64, 48))))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it clockwise
    turned.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    Image.fromarray(numbered_picture(78, (64, 48))).convert("RGBA").save(tmp_path / "alpha.png")
    Image.fromarray(numbered_picture(79, (64, 48))).convert("P").save(tmp_path / "few.gif")
    for path in [*tmp_path.iterdir()]:
        path.with_suffix(".txt").write_text(path.stem)
    said = said_of(open_images(str(tmp_path)))
    assert said == {77: ["turned"], 78: ["alpha"], 79: ["few"]}


@pytest.mark.parametrize("data", [b"", b"not a picture", picture(1)[:100], None])
def test_a_broken_picture_is_told(data: bytes | None, tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text("image,text\n0.png,a cat\n")
    if data is not None:
        (tmp_path / "0.png").write_bytes(data)
    with pytest.raises(BrokenPictureError):
        open_images(str(tmp_path)).read(0, SIZE)


def test_a_picture_that_claims_to_be_huge_is_not_decoded(tmp_path: Path) -> None:
    (tmp_path / "0.txt").write_text("a cat")
    for side in (20_000, 9_999):
        header = b"IHDR" + side.to_bytes(4, "big") * 2 + picture(1)[24:29]
        crc = zlib.crc32(header).to_bytes(4, "big")
        (tmp_path / "0.png").write_bytes(picture(1)[:12] + header + crc + picture(1)[33:])
        with pytest.raises(BrokenPictureError):
            open_images(str(tmp_path)).read(0, SIZE)


def test_a_picture_like_a_line_does_not_become_huge(tmp_path: Path) -> None:
    """With --fit crop its one pixel of width would be scaled to that of the square."""
    Image.new("RGB", (1, 100_000)).save(tmp_path / "0.png")
    (tmp_path / "0.txt").write_text("a line")
    with pytest.raises(BrokenPictureError, match="too narrow: 1x100000 pixels"):
        open_images(str(tmp_path)).read(0, FrameSize(64, 64, "cover"))
    assert open_images(str(tmp_path)).read(0, SIZE).shape == (1, 32, 32, 3)


def test_a_tar_that_is_cut_short_gives_what_is_before(tmp_path: Path) -> None:
    folder = Path(write_tars(tmp_path / "images"))
    whole = (folder / "00000.tar").read_bytes()
    (folder / "00000.tar").write_bytes(whole[:5000])
    examples, found = open_examples(DataOptions(images=str(folder), frame_size=32))
    assert found.images == len(examples) == 5
    assert found.unreadable_images.count == 1
    assert found.unreadable_images.first[0].startswith(f"{folder / '00000.tar'}: ")
    assert "1 tars of images cannot be read to the end" in "".join(found.lines())


def test_what_is_no_images_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="captions cannot be read"):
        open_images(str(tmp_path))
    (tmp_path / "0.tar").write_bytes(b"no tar")
    with pytest.raises(InputError, match="no image with a caption"):
        open_images(str(tmp_path / "0.tar"))
    with pytest.raises(InputError, match="--images"):
        open_images(str(tmp_path / "nothing"))


def mixed(tmp_path: Path, **changes: Any) -> DataOptions:
    make_footage(tmp_path / "videos", 2)
    write_release(tmp_path / "release", footage_rows(2))
    given: dict[str, Any] = {
        "data": str(tmp_path / "release"),
        "videos": str(tmp_path / "videos"),
        "images": write_tars(tmp_path / "images"),
        "frames": 4,
        "frame_size": 32,
        "validation": 0.0,
    }
    return DataOptions(**{**given, **changes})


def test_videos_and_images_take_turns(tmp_path: Path) -> None:
    options = mixed(tmp_path)
    examples, found = open_examples(options)
    assert found.images == COUNT
    order = Order(examples.sizes, options.shares, batch_size=2, seed=0)
    seen = set()
    for workers in (0, 2):
        tally = Tally()
        loader = make_loader(examples, BatchSampler(order, count=12), workers=workers)
        kinds = []
        for batch in checked(loader, tally):
            frames = batch["pixels"].shape[1]
            kinds.append(frames)
            for key, said, pixels in zip(
                batch["id"], batch["text"], batch["pixels"].numpy(), strict=True
            ):
                if frames == 1:
                    assert said == text(read_number(pixels[0]))
                else:
                    assert frame_numbers(pixels) == expected_numbers(key, 4)
                seen.add(said)
        assert kinds == [4, 1] * 6
        assert not tally.broken
    assert len(seen) == 4 + COUNT


def test_images_are_for_training_alone(tmp_path: Path) -> None:
    options = mixed(tmp_path, validation=0.5)
    examples, _ = open_examples(options, "validation")
    assert examples.sizes["image"] == 0
    images = DataOptions(images=options.images, frame_size=32)
    assert len(open_examples(images)[0]) == COUNT


def test_a_broken_image_is_replaced(tmp_path: Path) -> None:
    write_texts(tmp_path / "images")
    (tmp_path / "images" / name(0)).write_bytes(b"broken")
    options = DataOptions(images=str(tmp_path / "images"), frame_size=32)
    examples, _ = open_examples(options)
    order = Order(examples.sizes, options.shares, batch_size=COUNT, seed=0)
    tally = Tally()
    (batch,) = checked(make_loader(examples, BatchSampler(order, count=1), workers=0), tally)
    assert len(batch["text"]) == COUNT
    assert [*tally.broken] == [name(0)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"mix": Mix.parse("video=1,image=1")},
        {"images": "i", "mix": Mix.parse("video=1")},
        {"data": None, "images": "i", "mix": Mix.parse("video=1,image=1")},
    ],
)
def test_a_mix_of_what_is_not_there_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="--mix"):
        DataOptions(**{"data": "release", **wrong})
