from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from pseudolabel.demo.files import TRUTH_NAME, read_truth, write_demo_video, write_world
from pseudolabel.demo.world import DemoVideo
from pseudolabel.errors import InputError, RunError

World = tuple[DemoVideo, ...]


def test_files_hold_every_frame_at_its_time(world: World, world_folder: Path) -> None:
    for video in world:
        with av.open(str(world_folder / video.video_id)) as container:
            assert container.streams.video[0].average_rate == video.fps
            times = [frame.time for frame in container.decode(video=0)]
        expected = [index / video.fps for index in range(video.scenes[-1].end_frame)]
        assert times == pytest.approx(expected, abs=1e-5)


def test_files_show_what_was_drawn(world: World, world_folder: Path) -> None:
    video = world[0]
    with av.open(str(world_folder / video.video_id)) as container:
        for frame, drawn in zip(container.decode(video=0), video.render(), strict=True):
            shown = frame.to_ndarray(format="rgb24").astype(np.int16)
            assert np.abs(shown - drawn).mean() < 6  # of 255: H.264 loses a little


def test_keyframes_are_at_every_cut_and_between(world: World, world_folder: Path) -> None:
    for video in world:
        with av.open(str(world_folder / video.video_id)) as container:
            keys = [n for n, frame in enumerate(container.decode(video=0)) if frame.key_frame]
        cuts = {scene.start_frame for scene in video.scenes}
        assert cuts < set(keys)
        assert max(np.diff(keys)) <= 2 * video.fps


def test_truth_reads_back_as_it_was(world: World, world_folder: Path) -> None:
    assert read_truth(world_folder) == {video.video_id: video.truth for video in world}
    rows = [json.loads(line) for line in (world_folder / TRUTH_NAME).read_text().splitlines()]
    assert rows[0] == {
        "video_id": "world-00.mp4",
        "start_s": 0.0,
        "end_s": world[0].scenes[0].end_s,
        "caption": world[0].scenes[0].caption,
    }


def test_the_folder_holds_the_videos_and_the_truth_and_nothing_else(
    world: World, world_folder: Path
) -> None:
    names = sorted(path.name for path in world_folder.iterdir())
    assert names == [TRUTH_NAME, *(video.video_id for video in world)]


def test_the_same_video_is_the_same_bytes(world: World, world_folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.mp4"
    write_demo_video(again, world[1])
    assert again.read_bytes() == (world_folder / world[1].video_id).read_bytes()


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"cannot write the demo's videos to .*file") as caught:
        write_world(tmp_path / "file" / "world", count=1)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "not json\n",
        '{"video_id": "a.mp4"}\n',
        "[1]\n",
        '{"video_id": "a.mp4", "start_s": 1, "end_s": 2, "caption": "a red star"}\n',
        '{"video_id": "a.mp4", "start_s": 0, "end_s": 0, "caption": "a red star"}\n',
    ],
    ids=["missing", "nothing", "text", "half", "list", "late", "empty"],
)
def test_what_is_no_truth_is_one_error(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / TRUTH_NAME).write_text(text)
    with pytest.raises(InputError, match=r"truth\.jsonl is not the truth"):
        read_truth(tmp_path)
