"""What stands beside the weights, and whose folder it is."""

from __future__ import annotations

import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from loopback_hub import UPLOAD_WARNING, LoopbackHub
from pseudolabel.errors import HubError, TrainingError
from pseudolabel.training.data.options import DataOptions
from pseudolabel.training.record import CONFIG, LOCK, PROVENANCE
from pseudolabel.training.train import TrainStep, train
from pseudolabel.training.train_options import ModelOptions
from training_factory import QUICK

ONE = replace(QUICK, steps=1)


def test_a_folder_in_which_another_process_trains_is_refused(
    data: DataOptions, model: ModelOptions, tmp_path: Path
) -> None:
    out = str(tmp_path / "captioner")
    refused: list[str] = []

    def meanwhile(_now: TrainStep) -> None:
        with pytest.raises(TrainingError) as caught:
            train(data, out, model=model, options=ONE)
        refused.append(str(caught.value))

    assert train(data, out, model=model, options=ONE, on_step=meanwhile).is_ended
    assert refused == [f"{out}: another process trains in it"]
    assert train(data, out, model=model, options=ONE).is_ended  # the lock was given back


def test_one_that_was_killed_before_it_wrote_its_options_begins_anew(
    data: DataOptions, model: ModelOptions, tmp_path: Path
) -> None:
    for name in (LOCK, PROVENANCE, f"{CONFIG}.tmp"):
        (tmp_path / name).touch()
    assert train(data, str(tmp_path), model=model, options=ONE).is_ended
    assert json.loads((tmp_path / PROVENANCE).read_text())["clips"] > 0


def test_a_path_may_have_any_character(
    data: DataOptions, model: ModelOptions, root: Path, tmp_path: Path
) -> None:
    (tmp_path / 'film "🎬"').symlink_to(root)
    data = replace(data, videos=str(tmp_path / 'film "🎬"'))
    out = tmp_path / "captioner"
    assert train(data, str(out), model=model, options=ONE).is_ended
    assert tomllib.loads((out / CONFIG).read_text())["videos"] == data.videos
    assert train(data, str(out), model=model, options=ONE).first_step == 1


def test_another_number_of_processes_is_refused(
    data: DataOptions, model: ModelOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their batches would be others: some examples would come twice, and some never."""
    out = str(tmp_path / "captioner")
    train(data, out, model=model, options=ONE)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TrainingError, match="processes was 1, now 2"):
        train(data, out, model=model, options=ONE)


def test_a_video_that_is_gone_is_said_in_words(
    data: DataOptions, model: ModelOptions, root: Path, tmp_path: Path
) -> None:
    videos = tmp_path / "videos"
    shutil.copytree(root, videos)
    data = replace(data, videos=str(videos), validation=0.0)
    train(data, str(tmp_path / "out"), model=model, options=ONE)
    next(videos.iterdir()).unlink()
    with pytest.raises(TrainingError, match=r"options: its clips and images were others; is a vid"):
        train(data, str(tmp_path / "out"), model=model, options=ONE)


def pictures(folder: Path, text: str) -> Path:
    from PIL import Image

    folder.mkdir()
    Image.new("RGB", (40, 40), text).save(folder / "0.png")
    (folder / "metadata.jsonl").write_text(json.dumps({"file_name": "0.png", "text": text}))
    return folder


@pytest.mark.filterwarnings(UPLOAD_WARNING)
def test_the_commit_of_images_is_written_down_and_kept(
    hub: LoopbackHub, model: ModelOptions, tmp_path: Path
) -> None:
    import datasets

    datasets.disable_progress_bars()
    api = HfApi()
    api.create_repo("tester/pictures", repo_type="dataset")

    def upload(text: str) -> str:
        where = pictures(tmp_path / text, text)
        commit = api.upload_folder(
            folder_path=where, repo_id="tester/pictures", repo_type="dataset"
        )
        return str(commit.oid)

    first = upload("red")
    data = DataOptions(images="tester/pictures", frame_size=32, workers=0)
    out = tmp_path / "captioner"
    train(data, str(out), model=model, options=ONE)
    assert tomllib.loads((out / CONFIG).read_text())["images_commit"] == first
    assert json.loads((out / PROVENANCE).read_text())["images_commit"] == first
    card = (out / "README.md").read_text()
    assert f"from 1 images of tester/pictures, commit {first}; text" in card
    second = upload("blue")
    with pytest.raises(TrainingError, match=f"images_commit was '{first}', now '{second}'"):
        train(data, str(out), model=model, options=replace(ONE, device="cpu"))


@pytest.mark.filterwarnings(UPLOAD_WARNING)
def test_the_version_of_a_release_on_the_hub_is_written_down(
    hub: LoopbackHub, data: DataOptions, model: ModelOptions, release: str, tmp_path: Path
) -> None:
    api = HfApi()
    api.create_repo("tester/captions", repo_type="dataset")
    api.upload_folder(folder_path=release, repo_id="tester/captions", repo_type="dataset")
    api.create_tag("tester/captions", tag="v1.0.0", repo_type="dataset")
    assert data.data == release
    pinned = replace(data, data="tester/captions@1.0.0")
    train(pinned, str(tmp_path / "captioner"), model=model, options=ONE)
    source = json.loads((tmp_path / "captioner" / PROVENANCE).read_text())["data"]
    assert (source["name"], source["version"]) == ("tester/captions@1.0.0", "1.0.0")
    assert len(source["commit"]) == 40
    for wanted in ("2.0.0", "v2.0.0"):
        other = replace(data, data=f"tester/captions@{wanted}")
        with pytest.raises(HubError, match=r"v2\.0\.0: no such revision"):
            train(other, str(tmp_path / "other"), model=model, options=ONE)
    assert not (tmp_path / "other").exists()
