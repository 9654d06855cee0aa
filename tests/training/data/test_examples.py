"""Clips of releases and runs as examples: the right pixels, the right texts, nothing lost."""

from __future__ import annotations

import os
import pickle
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from footage_factory import (
    CLIPS,
    FRAMES,
    VIDEOS,
    all_of,
    batches_of,
    data_options,
    expected_numbers,
    frame_numbers,
    make_footage,
    order_of,
    video_id,
)
from pseudolabel.errors import InputError
from pseudolabel.training.data.clips import Clips
from pseudolabel.training.data.examples import TRIES
from pseudolabel.training.data.footage import Footage
from pseudolabel.training.data.found import Named
from pseudolabel.training.data.loading import (
    Batch,
    Tally,
    checked,
    everything,
    fitting_workers,
    make_loader,
)
from pseudolabel.training.data.opening import open_examples
from pseudolabel.training.data.options import Augmentation, DataOptions
from pseudolabel.training.data.order import BatchSampler, Order


def same(some: Batch, other: Batch) -> bool:
    return (some["id"], some["text"]) == (other["id"], other["text"]) and torch.equal(
        some["pixels"], other["pixels"]
    )


def test_every_clip_has_its_frames_and_its_caption(release: str, root: Path) -> None:
    examples, found = open_examples(data_options(release, root))
    made = all_of(examples)
    assert len(made) == len(examples) == VIDEOS * CLIPS
    for key, example in made.items():
        assert example["pixels"].shape == (FRAMES, 32, 32, 3)
        assert example["pixels"].dtype == np.uint8
        assert frame_numbers(example["pixels"]) == expected_numbers(key, FRAMES)
        name, _, index = key.partition("#")
        assert example["text"] == f"clip {index} of {name}"
        assert example["replaced"] == []
    assert (found.clips, found.clips_used, found.videos) == (8, 8, 4)
    assert len(found.lines()) == 1
    assert found.source is not None
    assert (found.source.version, found.source.commit) == ("1.0.0", None)


def test_batches_are_full_and_the_same_with_any_number_of_workers(release: str, root: Path) -> None:
    examples, _ = open_examples(data_options(release, root))
    alone = batches_of(examples)
    assert [batch["pixels"].shape for batch in alone] == [(4, FRAMES, 32, 32, 3)] * 6
    assert alone[0]["pixels"].dtype is torch.uint8
    for workers in (1, 2):
        assert all(map(same, alone, batches_of(examples, workers=workers)))
    assert all(map(same, alone[4:], batches_of(examples, first=4, count=2)))


def test_going_on_decodes_nothing_of_what_came_before(release: str, root: Path) -> None:
    examples, _ = open_examples(data_options(release, root))
    asked: list[int] = []
    assert examples.footage is not None
    footage: Footage = examples.footage

    class Watched:
        def has(self, clips: Clips) -> NDArray[np.bool_]:
            return footage.has(clips)

        def read(self, clips: Clips, clip: int) -> NDArray[np.uint8]:
            asked.append(clip)
            return footage.read(clips, clip)

    examples.footage = Watched()
    batches_of(examples, first=1000, count=1)
    assert len(asked) == 4


def test_missing_and_broken_videos_are_counted_and_replaced(
    release: str, root: Path, tmp_path: Path
) -> None:
    videos = make_footage(tmp_path / "videos", VIDEOS)
    (videos / video_id(0)).unlink()
    whole = (videos / video_id(1)).read_bytes()
    (videos / video_id(1)).write_bytes(whole[: len(whole) // 2])
    examples, found = open_examples(data_options(release, videos))
    assert found.missing_videos == Named(1, (video_id(0),))
    assert (found.clips, found.clips_used) == (8, 6)
    assert "1 of 4 videos are missing: world-00.mp4" in found.lines()[1]
    tallies = []
    runs = []
    for workers in (0, 2):
        tally = Tally()
        sampler = BatchSampler(order_of(examples), count=6)
        runs.append(list(checked(make_loader(examples, sampler, workers=workers), tally)))
        tallies.append(tally)
    assert all(map(same, *runs))
    assert tallies[0] == tallies[1]
    assert set(tallies[0].broken) == {f"{video_id(1)}#0", f"{video_id(1)}#1"}
    assert tallies[0].lines()[0].startswith("2 examples are broken")
    for batch in runs[0]:
        assert batch["pixels"].shape[0] == 4
        for key, pixels in zip(batch["id"], batch["pixels"].numpy(), strict=True):
            assert not key.startswith(video_id(1))
            assert frame_numbers(pixels) == expected_numbers(key, FRAMES)


def test_if_nothing_can_be_read_it_stops(release: str, root: Path, tmp_path: Path) -> None:
    videos = make_footage(tmp_path / "videos", 1)
    (videos / video_id(0)).write_bytes(b"not a video")
    examples, _ = open_examples(data_options(release, videos))
    with pytest.raises(InputError, match=f"{TRIES} examples in a row cannot be read"):
        sampler = BatchSampler(
            Order(examples.sizes, examples._options.shares, batch_size=1, seed=0), count=1
        )
        list(checked(make_loader(examples, sampler, workers=1), Tally()))


def test_a_release_without_any_of_its_videos_is_an_error(release: str, tmp_path: Path) -> None:
    make_footage(tmp_path / "videos", 1)
    (tmp_path / "videos" / video_id(0)).rename(tmp_path / "videos" / "other.mp4")
    with pytest.raises(InputError, match=r"there is none of the 4 videos of .*world-00\.mp4"):
        open_examples(data_options(release, tmp_path / "videos"))


def test_files_match_by_path_then_by_name(release: str, tmp_path: Path) -> None:
    videos = make_footage(tmp_path / "videos", 3)
    (videos / "in" / "here").mkdir(parents=True)
    (videos / video_id(0)).rename(videos / "world-00.mkv")  # FFmpeg looks at the bytes
    (videos / video_id(1)).rename(videos / "in" / "here" / video_id(1))
    for copy in ("in", "in/here"):
        (videos / copy / video_id(2)).write_bytes((videos / video_id(2)).read_bytes())
    (videos / video_id(2)).unlink()
    examples, found = open_examples(data_options(release, videos))
    made = all_of(examples)
    assert {key.partition("#")[0] for key in made} == {video_id(0), video_id(1)}
    for key, example in made.items():
        assert frame_numbers(example["pixels"]) == expected_numbers(key, FRAMES)
    assert found.missing_videos == Named(2, (video_id(2), video_id(3)))
    assert found.unclear_videos == Named(1, (video_id(2),))


def test_pictures_are_changed_by_seed_and_step_alone(release: str, root: Path) -> None:
    changes = Augmentation(flip=True, crop=0.5, color=0.4)
    examples, _ = open_examples(data_options(release, root, augmentation=changes))
    alone = batches_of(examples)
    assert all(map(same, alone, batches_of(examples, workers=2)))
    assert alone[0]["pixels"].shape == (4, FRAMES, 32, 32, 3)
    plain = batches_of(open_examples(data_options(release, root))[0])
    assert [b["id"] for b in alone] == [b["id"] for b in plain]
    assert not any(map(same, alone, plain))


def test_batches_ahead_fit_in_shared_memory() -> None:
    assert fitting_workers(4, 10, 10_000) == (4, 4)
    assert fitting_workers(0, 10, 10_000)[0] == 0
    for free in range(0, 400, 10):
        workers, ahead = fitting_workers(4, 10, free)
        assert workers == 0 or (workers * (ahead + 1) + 1) * 10 <= 0.8 * free
        assert ahead >= 1
    assert fitting_workers(4, 38_000_000, 64_000_000)[0] == 0  # a container's usual
    assert fitting_workers(4, 5_000_000, 64_000_000) == (4, 1)


def test_processes_that_train_together_share_cores_and_memory(
    release: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples, _ = open_examples(data_options(release, root))
    sampler = BatchSampler(order_of(examples), count=1)
    batch = 4 * examples.bytes_each
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_bavail=10, f_frsize=batch))
    asked = [make_loader(examples, sampler, workers=2).num_workers]
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    asked.append(make_loader(examples, sampler, workers=2).num_workers)
    assert asked == [2, 0]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: range(16))
    assert DataOptions(data=release).workers == 4


def test_a_copy_for_a_spawned_process_gives_the_same(release: str, root: Path) -> None:
    examples, _ = open_examples(data_options(release, root))
    (first, *_), *_ = everything(examples, "video", 1)
    made = examples[first]  # starts a decode process, which the copy must not use
    copied = pickle.loads(pickle.dumps(examples))[first]
    assert made["pixels"] is not None
    assert np.array_equal(made["pixels"], copied["pixels"])


def test_a_signal_to_all_processes_leaves_the_workers_at_work(release: str, root: Path) -> None:
    examples, _ = open_examples(data_options(release, root))
    loader: Any = iter(make_loader(examples, BatchSampler(order_of(examples), count=20), workers=1))
    found = [next(loader)]
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(loader._workers[0].pid, number)
    found += loader
    assert len(found) == 20
