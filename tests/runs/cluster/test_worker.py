"""What runs inside a Ray actor, here without one."""

from __future__ import annotations

import shutil
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.errors import CaptionerError, MissingExtraError, OptionError, RunError
from pseudolabel.records import Skipped, SkipReason, Video
from pseudolabel.runs.cluster.engine import RayEngine
from pseudolabel.runs.cluster.worker import Described, ShardWorker, Stopped
from pseudolabel.runs.options import RayOptions, RunOptions
from pseudolabel.runs.pipeline.engine import Recipe
from pseudolabel.runs.pipeline.tally import Tally
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.videos.options import ClipOptions, FrameOptions
from reading_captioner import ReadingCaptioner
from video_factory import make_video

CLIPS = ClipOptions(length_s=0.4, min_clip_s=0.0)  # five a video


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> list[Video]:
    folder = tmp_path_factory.mktemp("listed")
    make_video(folder / "00.mp4", seconds=2)
    names = [f"{number:02}.mp4" for number in range(20)]
    for name in names[1:]:
        shutil.copy(folder / "00.mp4", folder / name)
    return [Video(name, str(folder / name)) for name in names]


def worker(captioner: ReadingCaptioner | CaptionOptions, out: Path) -> ShardWorker:
    recipe = Recipe(clips=CLIPS, frames=FrameOptions(snap="exact"), captioner=captioner)
    return ShardWorker(recipe, str(out), RunOptions(), 1, str(Path.cwd()))


def loaded(captioner: ReadingCaptioner, out: Path) -> ShardWorker:
    made = worker(captioner, out)
    described = made.describe()
    assert isinstance(described, Described)
    assert made.load(described.options, ()) is None
    return made


def test_batches_are_full_across_shards(listed: list[Video], tmp_path: Path) -> None:
    captioner = ReadingCaptioner(batch_size=7)
    made = loaded(captioner, tmp_path)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(made.caption, 3, listed[:10])
        second = threads.submit(made.caption, 8, listed[10:])
        tallies = [first.result(), second.result()]
    assert captioner.batches == [7] * 14 + [2], "one after the other they would be [7..., 1] twice"
    assert [RunFolder(str(tmp_path)).video_ids(part) for part in (3, 8)] == [
        [video.video_id for video in half] for half in (listed[:10], listed[10:])
    ]
    whole = Tally()
    for tally in tallies:
        assert isinstance(tally, Tally)
        assert tally.videos == 10
        whole.merge(tally)
    assert (whole.videos, whole.clips, whole.frames) == (20, 100, 100)
    assert whole.captioning_s > 0
    assert whole.wall_s == 0, "the driver's own"


def test_a_shard_comes_after_a_pause_as_well(listed: list[Video], tmp_path: Path) -> None:
    made = loaded(ReadingCaptioner(), tmp_path)
    for part in range(3):
        tally = made.caption(part, listed[part : part + 1])
        assert isinstance(tally, Tally)
        assert (tally.videos, tally.clips, tally.frames) == (1, 5, 5)


def test_inputs_that_share_an_id_do_not_hold_a_shard_up(tmp_path: Path) -> None:
    unreadable = Skipped("x", "/x", "list", SkipReason.UNREADABLE, "no permission")
    made = loaded(ReadingCaptioner(), tmp_path)
    tally = made.caption(0, [unreadable, replace(unreadable, source="/other/x")])
    assert isinstance(tally, Tally)
    assert tally.skipped["unreadable"] >= 1
    assert RunFolder(str(tmp_path)).video_ids(0) == ["x"]


def test_a_machine_that_would_write_something_else_is_refused(tmp_path: Path) -> None:
    made = worker(ReadingCaptioner(), tmp_path)
    described = made.describe()
    assert isinstance(described, Described)
    told = made.load({**described.options, "--dtype": "bfloat16"}, ())
    assert isinstance(told, Stopped)
    assert "--dtype is 'bfloat16' or 'float32'" in str(told.error())


def test_a_machine_without_the_run_folder_is_refused(tmp_path: Path) -> None:
    made = worker(ReadingCaptioner(), tmp_path / "elsewhere")
    described = made.describe()
    assert isinstance(described, Described)
    told = made.load(described.options, ())
    assert isinstance(told, Stopped)
    assert "elsewhere: not there on" in str(told.error())


def test_errors_for_the_user_arrive_as_they_are(tmp_path: Path) -> None:
    told = worker(CaptionOptions(model="./none"), tmp_path).describe()
    assert isinstance(told, Stopped)
    assert isinstance(told.error(), CaptionerError)
    missing = MissingExtraError("faster_whisper", extra="asr", needed_for="--asr")
    error = Stopped.by(missing).error()
    assert isinstance(error, RunError)
    assert (str(error), error.hint) == (str(missing), missing.hint)


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match="--engine ray needs the package 'ray'") as raised:
        RayEngine(Recipe(captioner=ReadingCaptioner()), str(tmp_path), RunOptions(ray=RayOptions()))
    assert raised.value.hint == "pip install 'pseudolabel[ray]'"


def test_an_address_without_a_ray_is_refused(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"  # nobody listens
    run = RunOptions(ray=RayOptions(address))
    with pytest.raises(RunError, match=f"--ray-address {address}: no Ray cluster"):
        RayEngine(Recipe(captioner=ReadingCaptioner()), str(tmp_path), run)


def test_a_decoder_at_least() -> None:
    with pytest.raises(OptionError, match="--workers 0"):
        RayOptions(workers=0)
