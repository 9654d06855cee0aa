"""Which clips are learned from, and with which texts: of releases, versions, splits and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from footage_factory import (
    VIDEOS,
    all_of,
    batches_of,
    data_options,
    footage_rows,
    frame_numbers,
    video_id,
)
from loopback_hub import UPLOAD_WARNING, LoopbackHub
from pseudolabel.errors import HubError, InputError, OptionError, ReleaseError, RunError
from pseudolabel.release.export import export
from pseudolabel.release.options import ReleaseOptions
from pseudolabel.release.push import push
from pseudolabel.training.data.clips import read_clips
from pseudolabel.training.data.opening import open_examples
from pseudolabel.training.data.options import DataOptions
from release_factory import clip_row, write_release
from run_factory import video_rows, write_run
from video_factory import make_video


def test_samples_are_drawn_by_seed_and_step(root: Path, tmp_path: Path) -> None:
    said = ["one", "two", " ", "three"]
    rows = footage_rows(VIDEOS, samples=said)
    rows[0]["samples"] = None
    data = str(write_release(tmp_path / "r", rows))
    examples, _ = open_examples(data_options(data, root, text="samples", frames=1))
    texts = [text for batch in batches_of(examples, count=10) for text in batch["text"]]
    assert set(texts) == {"one", "two", "three", "clip 0 of world-00.mp4"}
    again = [text for batch in batches_of(examples, count=10, workers=2) for text in batch["text"]]
    assert texts == again
    others, _ = open_examples(data_options(data, root, text="samples", frames=1, seed=1))
    assert texts != [text for batch in batches_of(others, count=10) for text in batch["text"]]
    evaluated, _ = open_examples(
        data_options(data, root, text="samples", frames=1), is_training=False
    )
    assert {e["text"] for e in all_of(evaluated).values()} == {"one", "clip 0 of world-00.mp4"}


def test_captions_of_a_run_and_all_it_said(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in ("a.mp4", "b.mp4"):
        make_video(videos / name, seconds=16, fps=5)
    run = write_run(
        tmp_path / "run",
        [video_rows("a.mp4", ["a cat", "a tomcat"])],
        [video_rows("b.mp4", [("a dog", "a hound")], frames=2)],
    )
    examples, found = open_examples(data_options(run, videos))
    made = all_of(examples)
    assert {key: e["text"] for key, e in made.items()} == {
        "a.mp4#0": "a cat",
        "a.mp4#1": "a tomcat",
        "b.mp4#0": "a dog",
    }
    assert frame_numbers(made["a.mp4#1"]["pixels"]) == [45, 55, 65, 75]
    assert found.source is not None
    assert len(found.source.run or "") == 16
    examples, _ = open_examples(data_options(run, videos, text="samples"))
    assert examples.clips is not None
    said = {examples.clips.key(clip): examples.clips.texts_of(clip) for clip in range(3)}
    assert said == {
        "a.mp4#0": ["a cat"],
        "a.mp4#1": ["a tomcat"],
        "b.mp4#0": ["a dog", "a hound"] * 2,
    }


def test_where_a_run_found_its_videos_is_known(root: Path, tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run", [video_rows(video_id(0), ["a cat"], source=str(root / video_id(0)))]
    )
    given = DataOptions(data=run, frames=1, frame_size=32, validation=0.0, workers=0)
    examples, _ = open_examples(given)
    assert len(examples) == 1
    release = write_release(tmp_path / "r", footage_rows(1))
    with pytest.raises(InputError, match="there is none of the 1 videos"):
        open_examples(DataOptions(data=str(release), validation=0.0))


def test_speech_of_the_clip_is_a_text_and_silence_is_left_out(
    release: str, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "world-00.vtt").write_text(
        "WEBVTT\n\n00:00.200 --> 00:01.000\nnow watch this\n\n00:02.500 --> 00:03.500\nand again\n",
    )
    (tmp_path / "world-01.srt").write_text("1\n00:00:02,100 --> 00:00:03,000\nbye\n")
    examples, found = open_examples(
        data_options(release, root, text="asr", transcripts=str(tmp_path))
    )
    assert {key: e["text"] for key, e in all_of(examples).items()} == {
        "world-00.mp4#0": "now watch this",
        "world-00.mp4#1": "and again",
        "world-01.mp4#1": "bye",
    }
    assert (found.clips_without_text, found.without_transcript) == (5, 2)
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="no transcript of any of the 4 videos"):
        open_examples(data_options(release, root, text="asr", transcripts=str(tmp_path / "none")))


def test_clips_without_a_caption_are_left_out(root: Path, tmp_path: Path) -> None:
    rows = footage_rows(VIDEOS)
    rows[0]["caption"] = ""
    data = str(write_release(tmp_path / "r", rows))
    examples, found = open_examples(data_options(data, root))
    assert (len(examples), found.clips_without_text) == (7, 1)


def test_videos_are_held_out_whole(release: str, root: Path) -> None:
    sides = [
        {
            key.partition("#")[0]
            for key in all_of(open_examples(data_options(release, root, validation=0.5), split)[0])
        }
        for split in ("train", "validation")
    ]
    assert sides[0] | sides[1] == {video_id(video) for video in range(VIDEOS)}
    assert not sides[0] & sides[1]
    with pytest.raises(InputError, match="no clip in the split 'validation'"):
        open_examples(data_options(release, root), "validation")
    with pytest.raises(ReleaseError, match="has no split 'test'"):
        open_examples(data_options(release, root), "test")


def test_splits_of_a_release_are_its_own(root: Path, tmp_path: Path) -> None:
    placed = {video_id(0): "train", video_id(1): "train", video_id(2): "train", video_id(3): "test"}
    shares = {"train": 0.5, "test": 0.5}
    data = str(write_release(tmp_path / "r", footage_rows(VIDEOS), splits=shares, placed=placed))
    assert len(open_examples(data_options(data, root))[0]) == 6
    assert len(open_examples(data_options(data, root), "test")[0]) == 2
    # It has no "validation", so that is taken from its "train".
    sides = [
        open_examples(data_options(data, root, validation=0.5), split)[0]
        for split in ("train", "validation")
    ]
    assert sum(map(len, sides)) == 6
    assert all(map(len, sides))
    with pytest.raises(ReleaseError, match="has no split 'dev'") as error:
        open_examples(data_options(data, root), "dev")
    assert error.value.hint == "it has: train, test"


def test_what_is_held_out_is_drawn_anew_from_a_release_that_was_split(tmp_path: Path) -> None:
    rows = [clip_row(f"{number:03d}.mp4") for number in range(400)]
    data = str(write_release(tmp_path / "r", rows, splits={"train": 0.5, "test": 0.5}))
    held_out = read_clips(DataOptions(data=data, validation=0.2), "validation")
    assert 20 < len(held_out) < 60
    assert len(held_out) + len(read_clips(DataOptions(data=data, validation=0.2))) == len(
        read_clips(DataOptions(data=data, validation=0))
    )


def test_a_split_validation_is_taken_as_it_is(root: Path, tmp_path: Path) -> None:
    placed = {video_id(video): "train" if video else "validation" for video in range(VIDEOS)}
    shares = {"train": 0.5, "validation": 0.5}
    data = str(write_release(tmp_path / "r", footage_rows(VIDEOS), splits=shares, placed=placed))
    assert len(open_examples(data_options(data, root, validation=0.5))[0]) == 6
    assert len(open_examples(data_options(data, root, validation=0.5), "validation")[0]) == 2


def test_other_examples_have_another_fingerprint(root: Path, tmp_path: Path) -> None:
    made = []
    for videos in (2, 3):
        data = str(write_release(tmp_path / str(videos), footage_rows(videos)))
        made += [open_examples(data_options(data, root))[0].fingerprint() for _ in range(2)]
    assert made[0] == made[1] != made[2] == made[3]


@pytest.mark.filterwarnings(UPLOAD_WARNING)
def test_the_version_that_is_asked_for_is_taken(
    hub: LoopbackHub, waits: list[float], root: Path, tmp_path: Path
) -> None:
    for version, videos in (("1.0.0", 1), ("1.1.0", 2)):
        rows = [video_rows(video_id(video), ["a cat", "a dog"]) for video in range(videos)]
        run = write_run(tmp_path / f"run-{version}", rows)
        release = ReleaseOptions(version=version, license="cc-by-4.0", name="captions")
        export([run], str(tmp_path / version), release)
        push(str(tmp_path / version), "tester/captions")
    for name, version, clips in (
        ("tester/captions@1.0.0", "1.0.0", 2),
        ("tester/captions@v1.0.0", "1.0.0", 2),
        ("tester/captions@1.1.0", "1.1.0", 4),
        ("tester/captions", "1.1.0", 4),
        (f"{tmp_path / '1.0.0'}@1.0.0", "1.0.0", 2),
    ):
        examples, found = open_examples(data_options(name, root))
        assert found.source is not None
        assert (found.source.version, len(examples)) == (version, clips)
        assert (found.source.commit is None) == name.startswith("/")
    with pytest.raises(HubError, match=r"v2\.0\.0: no such revision"):
        open_examples(data_options("tester/captions@2.0.0", root))
    with pytest.raises(ReleaseError, match=r"holds version 1\.0\.0, not 1\.1\.0"):
        open_examples(data_options(f"{tmp_path / '1.0.0'}@1.1.0", root))
    with pytest.raises(OptionError, match="a run has no versions"):
        open_examples(data_options(f"{tmp_path / 'run-1.0.0'}@1.0.0", root))


def test_what_is_no_data_is_one_line(root: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no such folder"):
        open_examples(data_options(str(tmp_path / "nothing"), root))
    with pytest.raises(RunError, match="not a run folder"):
        open_examples(data_options(str(tmp_path), root))
    data = write_release(tmp_path / "r", footage_rows(1))
    next((data / "data" / "clips").iterdir()).write_bytes(b"PAR1")
    with pytest.raises(ReleaseError, match="cannot be read"):
        open_examples(data_options(str(data), root))


@pytest.mark.parametrize(
    "wrong",
    [
        {"data": None},
        {"text": "asr"},
        {"text": "shouts"},
        {"transcripts": "t"},
        {"frames": 0},
        {"frame_size": 1},
        {"workers": -1},
        {"seed": -1},
        {"validation": 1.0},
        {"clip_timeout_s": 0.0},
        {"fit": "pad"},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        DataOptions(**{"data": "release", **wrong})
