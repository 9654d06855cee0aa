"""Captioning with Ray: real processes, which are killed, on a Ray of two cores."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.protocol import Captioner
from pseudolabel.errors import CaptionerError, RunError
from pseudolabel.runs.caption import caption_videos
from pseudolabel.runs.cluster.crew import Layout, plan_layout
from pseudolabel.runs.options import RayOptions, RunOptions
from pseudolabel.runs.pipeline.tally import Tally
from pseudolabel.runs.show import find_rows
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.videos.options import ClipOptions, FrameOptions
from reading_captioner import ReadingCaptioner
from runs.cluster.captioners import Broken, DecoderTrap, Failing, Poison, Stillborn, Trap
from video_factory import make_video

TESTS = Path(__file__).parent.parent.parent
VIDEOS = 12
LATE = 65  # the number of a frame that only the longest video has
RAY = RunOptions(ray=RayOptions(workers=1))


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    """A Ray of two cores for this module: what `caption_videos` finds, it uses."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(TESTS))  # its processes import the captioners
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=2**27,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        yield
        ray.shutdown()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve videos, one of them longer than the others, and two that are none."""
    folder = tmp_path_factory.mktemp("many")
    make_video(folder / "00.mp4", seconds=2)
    for number in range(1, VIDEOS - 1):
        shutil.copy(folder / "00.mp4", folder / f"{number:02}.mp4")
    make_video(folder / "long.mp4", seconds=3)
    (folder / "bad.mp4").write_text("no video")
    (folder / "empty.mp4").touch()
    return folder


@pytest.fixture(scope="module")
def local(many: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tally]:
    """The run without Ray."""
    out = tmp_path_factory.mktemp("local") / "run"
    return out, run(many, out, run=RunOptions(workers=1))


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """A folder with one token for a trap."""
    folder = tmp_path / "tokens"
    folder.mkdir()
    (folder / "token").touch()
    return folder


def run(videos: Path, out: Path, captioner: Any = None, **options: Any) -> Tally:
    defaults: dict[str, Any] = {"run": RAY, "captioner": captioner or ReadingCaptioner(3)}
    return caption_videos(
        [str(videos)],
        str(out),
        clips=ClipOptions(length_s=0.4, min_clip_s=0.0),
        frames=FrameOptions(snap="exact"),
        **(defaults | options),
    )


def rows(out: Path, kind: Any = "clips") -> list[dict[str, Any]]:
    found = find_rows(str(out), kind=kind)
    return sorted(found, key=lambda row: (row["video_id"], row["clip_index"] or 0))


def assert_same(out: Path, other: Path) -> None:
    assert rows(out) == rows(other)
    assert rows(out, "skipped") == rows(other, "skipped")


@pytest.mark.usefixtures("ray")
def test_the_rows_are_those_of_one_machine(
    many: Path, local: tuple[Path, Tally], tmp_path: Path
) -> None:
    seen: list[int] = []
    tally = run(many, tmp_path / "run", on_progress=lambda tally: seen.append(tally.clips))
    assert_same(tmp_path / "run", local[0])
    for name in ("total", "videos", "clips", "frames", "skipped", "skipped_videos", "video_s"):
        assert getattr(tally, name) == pytest.approx(getattr(local[1], name)), name
    assert seen == sorted(seen)
    assert seen[-1] == tally.clips
    assert tally.processes > 1
    assert tally.waiting_s + tally.captioning_s <= tally.all_walls_s
    assert len(RunFolder(str(tmp_path / "run")).parts()) > 1

    again = run(many, tmp_path / "run", run=RunOptions(workers=1))  # and without Ray it goes on
    assert (again.already_done, again.clips) == (VIDEOS + 2, 0)


@pytest.mark.usefixtures("ray")
@pytest.mark.parametrize("trap", [Trap, DecoderTrap])
def test_a_process_that_is_killed_once_costs_nothing(
    trap: type[Trap], many: Path, local: tuple[Path, Tally], tokens: Path, tmp_path: Path
) -> None:
    tally = run(many, tmp_path / "run", trap(35, tokens))
    assert not list(tokens.iterdir()), "it was killed"
    assert_same(tmp_path / "run", local[0])
    assert tally.videos == VIDEOS


@pytest.mark.usefixtures("ray")
def test_a_video_that_kills_its_process_is_skipped_alone(
    many: Path, local: tuple[Path, Tally], tmp_path: Path
) -> None:
    tally = run(many, tmp_path / "run", Poison(LATE))
    expected = [row for row in rows(local[0]) if row["video_id"] != "long.mp4"]
    assert rows(tmp_path / "run") == expected
    reasons = {row["video_id"]: row["reason"] for row in rows(tmp_path / "run", "skipped")}
    assert reasons.pop("long.mp4") == "worker_lost"
    assert reasons == {"bad.mp4": "not_a_video", "empty.mp4": "empty_file"}
    assert tally.skipped["worker_lost"] == 1


@pytest.mark.usefixtures("ray")
@pytest.mark.parametrize(
    ("captioner", "error", "message"),
    [
        (Failing(), CaptionerError, "the device failed"),
        (Broken(), ZeroDivisionError, "a bug"),
        (Stillborn(), RunError, "dies before it can work"),
        (CaptionOptions(model="./none"), CaptionerError, "./none"),
    ],
)
def test_what_fails_for_every_video_ends_the_run(
    captioner: Captioner | CaptionOptions,
    error: type[Exception],
    message: str,
    many: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=message):
        run(many, tmp_path / "run", captioner)
    parts = RunFolder(str(tmp_path / "run")).parts()
    assert parts == []


@pytest.mark.usefixtures("ray")
def test_a_driver_leaves_out_numbers_that_may_be_taken(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run(many / "00.mp4", out)
    assert RunFolder(str(out)).parts() == [0]
    run(many, out)
    first, *later = RunFolder(str(out)).parts()
    assert first == 0
    assert later == list(range(10_001, 10_001 + len(later)))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_driver_that_ends_is_started_again(
    number: int, many: Path, local: tuple[Path, Tally], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, Path(__file__).parent / "driver.py", many, out],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line):
            process.send_signal(number)
            break
    process.communicate()
    assert process.returncode == -number
    kept = rows(out)
    assert 0 < len(kept) < len(rows(local[0]))
    tally = run(many, out, run=RunOptions(workers=2))
    assert tally.already_done > 0
    assert_same(out, local[0])


@pytest.mark.parametrize(
    ("machines", "workers", "layout"),
    [
        ([{"CPU": 2.0}], None, Layout(processes=1, cores=2, gpus=0, workers=2)),
        ([{"CPU": 2.0}], 1, Layout(processes=2, cores=1, gpus=0, workers=1)),
        ([{"CPU": 2.0}], 5, Layout(processes=1, cores=2, gpus=0, workers=5)),
        ([{"CPU": 8.0}, {"CPU": 4.0}, {}], None, Layout(processes=3, cores=4, gpus=0, workers=4)),
        ([{"CPU": 16.0, "GPU": 1.0}], None, Layout(processes=1, cores=16, gpus=1, workers=16)),
        (
            [{"CPU": 96.0, "GPU": 8.0}, {"CPU": 16.0, "GPU": 2.0}, {"CPU": 4.0}],
            None,
            Layout(processes=10, cores=8, gpus=1, workers=8),
        ),
        ([{"CPU": 16.0, "GPU": 2.0}], 3, Layout(processes=2, cores=8, gpus=1, workers=3)),
        ([{"CPU": 2.0, "GPU": 4.0}], None, Layout(processes=4, cores=0, gpus=1, workers=1)),
    ],
)
def test_processes_share_what_machines_have(
    machines: list[dict[str, float]], workers: int | None, layout: Layout
) -> None:
    assert plan_layout(machines, workers=workers) == layout


def test_without_cores_there_is_nothing_to_work_on() -> None:
    with pytest.raises(RunError, match="no cores"):
        plan_layout([{}], workers=None)


def test_gpus_are_left_alone_where_none_is_asked_for() -> None:
    machines = [{"CPU": 16.0, "GPU": 2.0}]
    assert plan_layout(machines, workers=None, uses_gpus=False) == Layout(1, 16, 0, 16)
