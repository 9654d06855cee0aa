"""Releases with the captioned frames: decoded once more, the very same ones."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

from pseudolabel.release.export import export
from pseudolabel.release.manifest import Manifest, read_manifest
from pseudolabel.release.options import ReleaseOptions
from pseudolabel.release.validate import validate_folder
from pseudolabel.runs.caption import caption_videos
from pseudolabel.runs.options import RunOptions
from pseudolabel.videos.options import ClipOptions, FrameOptions
from reading_captioner import ReadingCaptioner
from video_factory import make_video, read_number

CLIPS = ClipOptions(length_s=0.4, min_clip_s=0.0)
OPTIONS = {"version": "1.0.0", "license": "cc-by-4.0", "date": "2026-02-03", "name": "x"}


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4"):
        make_video(folder / name, seconds=2)
    return folder


@pytest.fixture
def run(videos: Path, tmp_path: Path) -> str:
    """Captions that say which frame they are of."""
    frames = FrameOptions(snap="exact")
    captioner = ReadingCaptioner()
    out = str(tmp_path / "run")
    options = RunOptions(workers=1)
    caption_videos([str(videos)], out, clips=CLIPS, frames=frames, captioner=captioner, run=options)
    return out


def make(run: str, out: Path, *, split: str = "train=1", **kinds: bool) -> Manifest:
    return export([run], str(out), ReleaseOptions(**OPTIONS, split=split, **kinds))  # type: ignore[arg-type]


def shown(image: Image.Image) -> str:
    return f"frame {read_number(np.asarray(image.convert('RGB')))}"


def test_the_image_column_holds_the_frame_that_was_captioned(run: str, tmp_path: Path) -> None:
    datasets.disable_progress_bars()
    manifest = make(run, tmp_path / "release", with_frames=True)
    assert manifest.statistics.images_missing == 0
    loaded = datasets.load_dataset(
        str(tmp_path / "release"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert len(loaded) == 10
    assert [shown(row["image"]) for row in loaded] == loaded["caption"][:]
    assert validate_folder(tmp_path / "release") == []


def test_tars_hold_a_json_beside_each_jpg(run: str, tmp_path: Path) -> None:
    release = tmp_path / "release"
    make(run, release, web_dataset=True, split="train=0.5,validation=0.5")
    found = {}
    for path in sorted((release / "webdataset").iterdir()):
        with tarfile.open(path) as tar:
            members = {member.name: tar.extractfile(member) for member in tar}
            for name in (name for name in members if name.endswith(".json")):
                row = json.load(members[name])  # type: ignore[arg-type]
                image = members[name.replace(".json", ".jpg")]
                found[row["video_id"], row["clip_index"]] = row["caption"]
                video = hashlib.sha256(row["video_id"].encode()).hexdigest()[:16]
                assert name == f"{video}-{row['clip_index']:06d}.json"
                assert shown(Image.open(io.BytesIO(image.read()))) == row["caption"]  # type: ignore[union-attr]
    assert len(found) == 10
    assert "image" not in datasets.load_dataset_builder(str(release)).info.features
    assert validate_folder(release) == []


def test_pictures_too_come_to_the_same_bytes(run: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        make(run, tmp_path / name, with_frames=True, web_dataset=True)
    one, two = (
        {f.path: f.sha256 for f in read_manifest(tmp_path / n).files} for n in ("one", "two")
    )
    assert one == two


def test_a_video_that_is_gone_or_another_has_no_picture(
    run: str, videos: Path, tmp_path: Path
) -> None:
    (videos / "a.mp4").unlink()
    other = tmp_path / "other.mp4"
    make_video(other, seconds=3)
    shutil.copy(other, videos / "b.mp4")
    manifest = make(run, tmp_path / "release", with_frames=True, web_dataset=True)
    assert manifest.statistics.images_missing == 10
    assert manifest.clips == 10
    loaded = datasets.load_dataset(
        str(tmp_path / "release"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert [row["image"] for row in loaded] == [None] * 10
    assert not list((tmp_path / "release" / "webdataset").iterdir())
    assert validate_folder(tmp_path / "release") == []
