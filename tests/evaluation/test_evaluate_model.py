"""From a captioner and references to scores; the captioner is tiny, or the demo's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.errors import (
    CaptionerError,
    EvaluationError,
    InputError,
    OptionError,
    RunError,
)
from pseudolabel.evaluation.evaluate import Evaluation, evaluate
from pseudolabel.evaluation.evaluate_model import ModelUnderTest, evaluate_model
from pseudolabel.runs.options import RunOptions
from pseudolabel.runs.show import find_rows
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.videos.options import ClipOptions
from tiny_video_captioner import write_checkpoint
from video_factory import make_video, moving_picture


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    (folder / "more").mkdir()
    for number, name in enumerate(("a.mp4", "b.mp4", "more/c.mp4"), 1):
        pictures = [moving_picture(number * at) for at in range(80)]
        make_video(folder / name, pictures=pictures, seconds=16, fps=5)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "it", clip_frames=4)


def written(path: Path, references: Any) -> str:
    path.write_text(json.dumps(references))
    return str(path)


def score(
    model: object, videos: object, references: str, out: Path | None = None, **more: Any
) -> Evaluation:
    captioner = CaptionOptions(str(model), max_new_tokens=6, device="cpu", dtype="float32")
    where = None if out is None else str(out)
    run = RunOptions(workers=1)
    tested = ModelUnderTest(captioner, str(videos), where, more.pop("clips", None), run)
    return evaluate_model(tested, references, java=False, **more)


def spans(run: Path) -> list[tuple[str, float, float]]:
    rows = find_rows(str(run))
    return sorted((row["video_id"], row["start_s"], row["end_s"]) for row in rows)


@pytest.mark.parametrize("prefix", ["", "video:"])
def test_of_whole_videos(videos: Path, checkpoint: Path, tmp_path: Path, prefix: str) -> None:
    references = written(tmp_path / "r.json", {"a": ["a cat"], "c": ["a dog"], "gone": ["a cow"]})
    found = score(f"{prefix}{checkpoint}", videos, references, tmp_path / "run")
    assert spans(tmp_path / "run") == [("a.mp4", 0, 16), ("more/c.mp4", 0, 16)]
    assert RunFolder(str(tmp_path / "run")).manifest()["captioner"]["backend"] == "video"
    assert found.scores.ids == ("a", "c")
    assert found.scores.without_caption == ("gone",)
    assert found.captions == str(tmp_path / "run")
    assert found.to_dict()["skipped"] == {}
    again = evaluate(str(tmp_path / "run"), references, java=False)
    assert (again.texts, again.scores.corpus) == (found.texts, found.scores.corpus)


def test_of_stretches(videos: Path, checkpoint: Path, tmp_path: Path) -> None:
    stretches = {"timestamps": [[1, 4], [2.5, 9], [1, 4]], "sentences": ["one", "two", "three"]}
    references = written(tmp_path / "r.json", {"b": stretches})
    found = score(checkpoint, videos, references, tmp_path / "run")
    assert spans(tmp_path / "run") == [("b.mp4", 1, 4), ("b.mp4", 2.5, 9)]
    assert found.scores.ids == ("b#0", "b#1", "b#2")


def test_of_clips_by_number(videos: Path, checkpoint: Path, tmp_path: Path) -> None:
    references = written(tmp_path / "r.json", {"a.mp4#1": ["a cat"], "b.mp4#0": ["a dog"]})
    found = score(checkpoint, videos, references, tmp_path / "run")
    assert spans(tmp_path / "run") == [
        (name, start, start + 8) for name in ("a.mp4", "b.mp4") for start in (0, 8)
    ]
    assert found.scores.ids == ("a.mp4#1", "b.mp4#0")
    shorter = score(checkpoint, videos, references, clips=ClipOptions(length_s=4))
    assert shorter.scores.without_reference == tuple(
        f"{name}#{clip}"
        for name, clips in (("a.mp4", (0, 2, 3)), ("b.mp4", (1, 2, 3)))
        for clip in clips
    )


def test_it_goes_on_with_a_run(videos: Path, checkpoint: Path, tmp_path: Path) -> None:
    first = written(tmp_path / "r.json", {"a": ["a cat"]})
    score(checkpoint, videos, first, tmp_path / "run")
    both = written(tmp_path / "r.json", {"a": ["a cat"], "b": ["a dog"]})
    done: list[int] = []
    found = score(
        *(checkpoint, videos, both, tmp_path / "run"),
        on_progress=lambda tally: done.append(tally.already_done),
    )
    assert found.scores.ids == ("a", "b")
    assert done[-1] == 1
    with pytest.raises(RunError, match="--model was"):
        score("demo", videos, both, tmp_path / "run")


def test_without_a_folder_nothing_stays(
    videos: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    references = written(tmp_path / "r.json", {"a": ["a cat"], "bad": ["a dog"]})
    home, mine = tmp_path / "tmp", tmp_path / "mine"
    home.mkdir()
    mine.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(home))
    (mine / "bad.mp4").write_text("no video")
    (mine / "a.mp4").symlink_to(videos / "a.mp4")
    found = score(checkpoint, mine, references)
    assert list(home.iterdir()) == []
    assert found.captions == f"video:{checkpoint}"
    assert found.to_dict()["skipped"] == {"not_a_video": 1}
    assert found.scores.without_caption == ("bad",)


def test_videos_that_are_not_there_or_not_clear(
    videos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    nothing = written(tmp_path / "n.json", {"x": ["a cat"], "y": ["a dog"]})
    with pytest.raises(InputError, match=r"none of the videos .*n\.json .* such as 'x', 'y'"):
        score(checkpoint, videos, nothing)
    (tmp_path / "two" / "more").mkdir(parents=True)
    for name in ("a.mp4", "more/a.mkv"):
        (tmp_path / "two" / name).symlink_to(videos / "a.mp4")
    references = written(tmp_path / "r.json", {"a": ["a cat"]})
    with pytest.raises(InputError, match=r"'a\.mp4' and 'more/a\.mkv' .* both mean 'a'"):
        score(checkpoint, tmp_path / "two", references)


def test_videos_of_which_nothing_is_captioned(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    references = written(tmp_path / "r.json", {"a": ["a cat"]})
    with pytest.raises(
        InputError, match=r"no clip of 1 videos .* captioned: 1 not_a_video$"
    ) as told:
        score(checkpoint, tmp_path, references)
    assert "--out RUN" in str(told.value.hint)


def test_what_cannot_be_is_told_before_captioning(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    references = written(tmp_path / "r.json", {"a": ["a cat"]})
    with pytest.raises(CaptionerError, match="not a folder"):
        score("./nothing", videos, references)
    with pytest.raises(OptionError, match="--per-id"):
        score("./nothing", videos, references, per_id="scores.txt")
    with pytest.raises(OptionError, match="--of frame"):
        score("./nothing", videos, references, of="frame")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EvaluationError, match="no java"):
        evaluate_model(ModelUnderTest(CaptionOptions("./nothing"), str(videos)), references)


def test_the_command(
    invoke: Callable[..., Result], videos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    references = written(tmp_path / "r.json", {"a": ["a cat"], "b": ["a dog"]})
    arguments = ["--model", checkpoint, "--videos", videos, references, "--no-java"]
    result = invoke(
        *("evaluate", *arguments, "--json", "--beams", 2, "--max-new-tokens", 5, "--workers", 1),
        *("--out", tmp_path / "run", "--clips", "whole", "--dtype", "float32", "--device", "cpu"),
        *("--batch-size", 1),
    )
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["ids"] == 2
    options = RunFolder(str(tmp_path / "run")).manifest()["options"]
    told = [options[name] for name in ("decoding", "--max-new-tokens", "--dtype", "--clips")]
    assert told == ["beams=2", 5, "float32", "whole"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["r.json"], 2, "CAPTIONS and REFERENCES"),
        (["run", "r.json", "--model", "m", "--videos", "v"], 2, "only REFERENCES"),
        (["r.json", "--model", "m"], 1, "--model m without --videos"),
        (["run", "r.json", "--beams", 3], 1, "--beams 3 without --model"),
    ],
)
def test_what_does_not_go_together(
    invoke: Callable[..., Result], arguments: list[str], code: int, message: str
) -> None:
    result = invoke("evaluate", *arguments)
    assert result.exit_code == code
    assert message in result.stderr
