"""From two paths to scores."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from pseudolabel.errors import EvaluationError, OptionError
from pseudolabel.evaluation.evaluate import evaluate
from run_factory import video_rows, write_run


@pytest.fixture
def run(tmp_path: Path) -> str:
    videos = [video_rows(f"video{n}.mp4", [f"a man plays song number {n}"]) for n in range(4)]
    return write_run(tmp_path / "run", videos)


@pytest.fixture
def human(tmp_path: Path) -> str:
    path = tmp_path / "human.json"
    sentences = [
        {"video_id": f"video{n}", "caption": text, "sen_id": n}
        for n in range(1, 6)
        for text in (f"a man plays song number {n}", "someone sings")
    ]
    path.write_text(json.dumps({"videos": [], "sentences": sentences}))
    return str(path)


def test_a_run_against_msr_vtt(run: str, human: str) -> None:
    found = evaluate(run, human, java=False)
    assert found.scores.ids == ("video1", "video2", "video3")
    assert found.scores.corpus["BLEU-4"] == pytest.approx(1)
    data = json.loads(json.dumps(found.to_dict()))
    assert data["reference_shape"] == "MSR-VTT"
    assert data["matched_by"] == "videos"
    assert (data["ids"], data["reference_captions"]) == (3, 6)
    assert data["without_reference"] == {"count": 1, "examples": ["video0.mp4"]}
    assert data["without_caption"] == {"count": 2, "examples": ["video4", "video5"]}
    assert "CIDEr over 3 ids" in data["warnings"][0]


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_scores_of_each_id(tmp_path: Path, run: str, human: str, suffix: str) -> None:
    path = tmp_path / f"scores.{suffix}"
    evaluate(run, human, java=False, per_id=str(path))
    with path.open(newline="") as file:
        lines = csv.DictReader(file) if suffix == "csv" else map(json.loads, file)
        rows = list(lines)
    assert [row["id"] for row in rows] == ["video1", "video2", "video3"]
    assert rows[0]["caption"] == "a man plays song number 1"
    assert float(rows[0]["ROUGE-L"]) == pytest.approx(1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["human.json", "run", path.name]


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_half_a_character_in_a_caption_is_written_as_its_escape(
    tmp_path: Path, suffix: str
) -> None:
    (tmp_path / "captions.json").write_text('{"v1": "a \\ud800 man"}')
    (tmp_path / "human.json").write_text('{"v1": ["a man"]}')
    path = tmp_path / f"scores.{suffix}"
    evaluate(
        *(str(tmp_path / "captions.json"), str(tmp_path / "human.json")),
        java=False,
        per_id=str(path),
    )
    text = path.read_text(encoding="utf-8")
    assert "a \\ud800 man" in text
    assert suffix == "csv" or json.loads(text)["caption"] == "a \ud800 man"


def test_a_file_that_cannot_be_written_is_told_before_scoring(run: str, tmp_path: Path) -> None:
    for path, message in (("scores.xlsx", "not a kind of file"), ("no/s.csv", "does not exist")):
        with pytest.raises(OptionError, match=message):
            evaluate(run, "no references", java=False, per_id=str(tmp_path / path))


def test_ids_that_do_not_match(run: str, tmp_path: Path) -> None:
    (tmp_path / "human.txt").write_text("clip1 a man\n")
    with pytest.raises(EvaluationError, match=r"'video0\.mp4'.*references of 'clip1'"):
        evaluate(run, str(tmp_path / "human.txt"), java=False)
