"""Frames taken out of videos before: the same pictures, in tars that are whole or not there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from footage_factory import expected_numbers, footage_rows, frame_numbers, make_footage, video_id
from pseudolabel.errors import InputError, OptionError, RunError
from pseudolabel.training.data.examples import Examples
from pseudolabel.training.data.frames import FramesOptions, FramesTally, extract_frames
from pseudolabel.training.data.loading import Tally, checked, everything, make_loader
from pseudolabel.training.data.opening import open_examples
from pseudolabel.training.data.options import DataOptions
from pseudolabel.training.data.tars import members
from release_factory import write_release

VIDEOS = 3
FRAMES = 4


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_footage(tmp_path_factory.mktemp("footage") / "videos", VIDEOS)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_release(tmp_path_factory.mktemp("release") / "r", footage_rows(VIDEOS)))


def extract(release: str, root: Path | None, out: Path, **changes: Any) -> FramesTally:
    given: dict[str, Any] = {"frames": FRAMES, "size": 48, "clips_per_tar": 4, "workers": 2}
    options = FramesOptions(**{**given, **changes})
    return extract_frames(release, str(out), options, videos=str(root) if root else None)


def examples_of(release: str, videos: Path, **changes: Any) -> Examples:
    given: dict[str, Any] = {"frames": FRAMES, "frame_size": 32, "validation": 0.0, "workers": 0}
    options = DataOptions(data=release, videos=str(videos), **{**given, **changes})
    return open_examples(options)[0]


def all_of(examples: Examples, workers: int = 0) -> dict[str, Any]:
    batches = make_loader(examples, everything(examples, "video", 2), workers=workers)
    tally = Tally()
    found = {
        key: (text, pixels)
        for batch in checked(batches, tally)
        for key, text, pixels in zip(
            batch["id"], batch["text"], batch["pixels"].numpy(), strict=True
        )
    }
    assert not tally.broken
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.name.startswith("frames-")
    }


def test_frames_take_the_place_of_videos(release: str, root: Path, tmp_path: Path) -> None:
    tally = extract(release, root, tmp_path / "frames")
    assert (tally.clips, tally.done, tally.tars, tally.already_done) == (6, 6, 2, 0)
    assert not tally.skipped
    by_frames = all_of(examples_of(release, tmp_path / "frames"), workers=2)
    by_video = all_of(examples_of(release, root))
    assert by_frames.keys() == by_video.keys()
    for key, (text, pixels) in by_frames.items():
        assert text == by_video[key][0]
        assert frame_numbers(pixels) == expected_numbers(key, FRAMES)
        assert pixels.shape == by_video[key][1].shape
        # As JPEGs, and in pictures of another size before.
        difference = np.abs(pixels.astype(int) - by_video[key][1])
        assert difference.mean() < 12


def test_tars_are_as_webdataset_has_them(release: str, root: Path, tmp_path: Path) -> None:
    extract(release, root, tmp_path)
    with tarfile.open(tmp_path / "frames-000000.tar") as tar:
        names = tar.getnames()
        said = json.load(tar.extractfile(names[4]) or pytest.fail())
    assert names[:5] == [*(f"000000000.{n}.jpg" for n in range(FRAMES)), "000000000.json"]
    assert said == {
        "video_id": "world-00.mp4",
        "clip_index": 0,
        "start_s": 0.0,
        "end_s": 2.0,
        "caption": "clip 0 of world-00.mp4",
    }
    found = list(members(tmp_path / "frames-000000.tar"))
    assert [member.suffix for member in found[:5]] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "json"]
    assert len({member.key for member in found}) == 4
    manifest = json.loads((tmp_path / "frames.json").read_text())
    assert manifest["data"]["version"] == "1.0.0"
    assert manifest["clips"] == 6


def test_it_goes_on_where_it_stopped(release: str, root: Path, tmp_path: Path) -> None:
    extract(release, root, tmp_path / "whole")
    extract(release, root, tmp_path / "part")
    (tmp_path / "part" / "frames-000001.parquet").unlink()  # the tar alone does not count
    (tmp_path / "part" / "frames-000001.tar").write_bytes(b"half")
    (tmp_path / "part" / "frames-000000.tar.tmp").write_bytes(b"left by a killed one")
    assert len(all_of(examples_of(release, tmp_path / "part"))) == 4
    tally = extract(release, root, tmp_path / "part")
    assert (tally.already_done, tally.tars, tally.done) == (4, 1, 6)
    (tmp_path / "part" / "frames-000000.tar.tmp").unlink()
    assert files(tmp_path / "part") == files(tmp_path / "whole")


def test_a_killed_process_leaves_whole_tars(release: str, root: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pseudolabel.training.data.frames import *; "
        "extract_frames(sys.argv[1], sys.argv[2], FramesOptions(frames=4, size=48, "
        "clips_per_tar=1, workers=1), videos=sys.argv[3])"
    )
    out = tmp_path / "frames"
    arguments = [sys.executable, "-c", program, release, str(out), str(root)]
    process = subprocess.Popen(arguments)
    while not list(out.glob("*.parquet")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(list(out.glob("*.parquet")))
    for path in out.glob("*.parquet"):
        assert len(list(members(path.with_suffix(".tar")))) == FRAMES + 1
    tally = extract(release, root, out, clips_per_tar=1)
    assert tally.already_done == done
    assert len(all_of(examples_of(release, out))) == 6


def test_clips_that_do_not_decode_have_a_reason(release: str, root: Path, tmp_path: Path) -> None:
    videos = Path(shutil.copytree(root, tmp_path / "videos"))
    (videos / video_id(0)).unlink()
    (videos / video_id(1)).write_bytes(b"not a video")
    tally = extract(release, videos, tmp_path / "frames")
    assert tally.skipped == {"not_found": 2, "not_a_video": 2}
    rows = pq.read_table(tmp_path / "frames" / "frames-000000.parquet").to_pylist()
    assert [row["reason"] for row in rows] == ["not_found"] * 2 + ["not_a_video"] * 2
    examples, found = open_examples(
        DataOptions(
            data=release, videos=str(tmp_path / "frames"), frames=FRAMES, validation=0, workers=0
        )
    )
    assert len(examples) == 2
    assert found.missing_videos.first == (video_id(0), video_id(1))


def test_frames_of_other_times_are_not_taken(root: Path, tmp_path: Path) -> None:
    one = str(write_release(tmp_path / "one", footage_rows(VIDEOS)))
    rows = footage_rows(VIDEOS)
    rows[0]["end_s"] = 1.5
    other = str(write_release(tmp_path / "other", rows))
    extract(one, root, tmp_path / "frames")
    options = DataOptions(
        data=other, videos=str(tmp_path / "frames"), frames=FRAMES, validation=0, workers=0
    )
    examples, found = open_examples(options)
    assert (len(examples), found.clips_without_frames) == (5, 1)
    assert any("1 clips have no frames" in line for line in found.lines())


def test_other_options_or_clips_are_refused(release: str, root: Path, tmp_path: Path) -> None:
    extract(release, root, tmp_path / "frames")
    with pytest.raises(RunError, match="was begun with --size 48, not 64"):
        extract(release, root, tmp_path / "frames", size=64)
    fewer = str(write_release(tmp_path / "fewer", footage_rows(2)))
    with pytest.raises(RunError, match="these are others"):
        extract(fewer, root, tmp_path / "frames")
    with pytest.raises(OptionError, match="was made with --frames 4"):
        examples_of(release, tmp_path / "frames", frames=8)
    with pytest.raises(OptionError, match="was made with --fit stretch"):
        examples_of(release, tmp_path / "frames", fit="crop")
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "other.mp4").write_bytes(b"another video")
    with pytest.raises(InputError, match="there is none of the 3 videos"):
        extract(release, tmp_path / "others", tmp_path / "more")


def test_a_folder_that_is_in_use_is_refused(release: str, root: Path, tmp_path: Path) -> None:
    refused: list[RunError] = []

    def again(_tally: FramesTally) -> None:
        with pytest.raises(RunError, match="another process writes to it") as error:
            extract(release, root, tmp_path)
        refused.append(error.value)

    options = FramesOptions(frames=FRAMES, size=48, workers=1)
    extract_frames(release, str(tmp_path), options, videos=str(root), on_progress=again)
    assert len(refused) == 6


def test_a_tar_that_changed_is_a_broken_clip(release: str, root: Path, tmp_path: Path) -> None:
    extract(release, root, tmp_path)
    os.truncate(tmp_path / "frames-000001.tar", 2000)
    examples = examples_of(release, tmp_path)
    tally = Tally()
    batches = make_loader(examples, everything(examples, "video", 6), workers=0)
    (batch,) = checked(batches, tally)
    assert len(batch["text"]) == 6
    assert {key.partition("#")[0] for key in tally.broken} == {video_id(2)}


def test_a_picture_that_is_damaged_is_a_broken_clip(
    release: str, root: Path, tmp_path: Path
) -> None:
    """Here, by its header, one of four billion pixels."""
    extract(release, root, tmp_path)
    tar = tmp_path / "frames-000000.tar"
    whole = tar.read_bytes()
    size = whole.index(b"\xff\xc0") + 5  # of a baseline JPEG: two bytes each way
    tar.write_bytes(whole[:size] + b"\xff" * 4 + whole[size + 4 :])
    examples = examples_of(release, tmp_path)
    tally = Tally()
    list(checked(make_loader(examples, everything(examples, "video", 6), workers=0), tally))
    assert set(tally.broken) == {f"{video_id(0)}#0"}


@pytest.mark.parametrize(
    "wrong", [{"frames": 0}, {"size": 1}, {"quality": 101}, {"clips_per_tar": 0}, {"workers": 0}]
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="must be"):
        FramesOptions(**wrong)
