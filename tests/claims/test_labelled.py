"""Human captions become a run through the ordinary pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pseudolabel.claims.labelled import Labelled, label_videos
from pseudolabel.errors import InputError, OptionError
from pseudolabel.training.data.opening import open_examples
from pseudolabel.training.data.options import DataOptions
from video_factory import make_video


@pytest.fixture(name="videos", scope="module")
def two_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("msr-vtt")
    for name in ("video0.mp4", "video1.mp4"):
        make_video(root / name, fps=10, seconds=3.0, size=(64, 48), gop=10)
    return root


def msr_vtt(path: Path, captions: dict[str, list[str]]) -> str:
    """The layout of MSR-VTT's videodatainfo.json."""
    sentences = [
        {"sen_id": number, "video_id": video_id, "caption": text}
        for number, (video_id, text) in enumerate(
            (video_id, text) for video_id, texts in captions.items() for text in texts
        )
    ]
    path.write_text(json.dumps({"videos": [], "sentences": sentences}))
    return str(path)


def test_all_captions_of_a_video_are_there_to_learn_from(videos: Path, tmp_path: Path) -> None:
    captions = {"video0": ["a cat", "the cat"], "video1": ["a dog"], "video9": ["not there"]}
    labelled = Labelled(msr_vtt(tmp_path / "info.json", captions), str(videos))
    run = str(tmp_path / "run")
    assert label_videos(labelled, run).clips == 2
    assert label_videos(labelled, run).already_done == 2
    data = DataOptions(
        data=run, videos=str(videos), text="samples", frames=2, frame_size=32, validation=0.0
    )
    examples, _ = open_examples(data)
    assert examples.clips is not None
    texts = {examples.clips.key(row): examples.clips.texts_of(row) for row in range(2)}
    assert texts == {"video0.mp4#0": ["a cat", "the cat"], "video1.mp4#0": ["a dog"]}
    assert examples.clips.end_s.tolist() == [3.0, 3.0]


def test_references_of_clips_find_their_clips(videos: Path, tmp_path: Path) -> None:
    rows = [
        {"video_id": "video0.mp4", "clip_index": index, "caption": text}
        for index, text in enumerate(["one", "two", "three"])
    ]
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    tally = label_videos(Labelled(str(path), str(videos), "fixed:1"), str(tmp_path / "run"))
    assert tally.clips == 3
    assert sum(tally.skipped.values()) == 3  # those of the video that nothing was said of


def test_references_of_other_videos_are_refused(videos: Path, tmp_path: Path) -> None:
    labelled = Labelled(msr_vtt(tmp_path / "info.json", {"other": ["a cat"]}), str(videos))
    with pytest.raises(InputError, match="says nothing of the videos"):
        label_videos(labelled, str(tmp_path / "run"))


def test_scenes_have_no_references(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="whole videos"):
        Labelled("info.json", "videos", "scenes")
