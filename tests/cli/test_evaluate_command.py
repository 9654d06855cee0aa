"""`pseudolabel evaluate`: scores on stdout, what is to be known of them on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Invoke = Callable[..., Result]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    said = [f"a man plays song number {n}" for n in range(60)]
    Path("captions.json").write_text(json.dumps({f"v{n}.mp4": s for n, s in enumerate(said)}))
    Path("human.txt").write_text("".join(f"v{n} {s}\n" for n, s in enumerate(said[1:], 1)))
    return tmp_path


def test_a_table(invoke: Invoke, files: Path) -> None:
    result = invoke("evaluate", "captions.json", "human.txt", "--no-java")
    assert result.exit_code == 0, result.stderr
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["metric", "x", "100"]
    assert rows[1] == ["BLEU-1", "100.00"]
    assert [row[0] for row in rows[5:]] == ["ROUGE-L", "CIDEr"]
    assert "over 59 ids with 59 references of human.txt (text, as of MSVD)" in result.stderr
    assert "captions without a reference: 1 ('v0.mp4')" in result.stderr
    assert "PTB-like" in result.stderr


def test_json_and_a_file(invoke: Invoke, files: Path) -> None:
    arguments = ["captions.json", "human.txt", "--no-java", "--of", "video", "--json"]
    result = invoke("evaluate", *arguments, "--per-id", "scores.jsonl")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["scores"]["CIDEr"] == pytest.approx(10)
    assert len((files / "scores.jsonl").read_text().splitlines()) == 59


def test_half_a_character_in_an_id_is_printed_as_its_escape(invoke: Invoke, files: Path) -> None:
    captions = json.loads((files / "captions.json").read_text())
    (files / "half.json").write_text(json.dumps({**captions, "v\ud800": "a cat"}))
    result = invoke("evaluate", "half.json", "human.txt", "--no-java", "--json")
    assert result.exit_code == 0, result.stderr
    assert "v\\ud800" in result.stdout
    assert "v\ud800" in json.loads(result.stdout)["without_reference"]["examples"]


def test_few_ids_warn(invoke: Invoke, files: Path) -> None:
    (files / "few.txt").write_text("v1 a man plays song number 1\nv2 a cat\n")
    result = invoke("evaluate", "captions.json", "few.txt", "--no-java")
    assert "warning: CIDEr over 2 ids" in result.stderr


def test_no_java_is_one_line_and_a_hint(
    invoke: Invoke, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(files))
    result = invoke("evaluate", "captions.json", "human.txt")
    assert result.exit_code == 1
    error, hint = result.stderr.strip().splitlines()
    assert error.startswith("error: no java: METEOR")
    assert "--no-java" in hint
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["captions.json", "gone.txt"], "gone.txt: No such file"),
        (["gone.json", "human.txt"], "gone.json: no such file"),
        (["captions.json", "human.txt", "--of", "frame"], "--of frame: not a kind"),
        (["captions.json", "human.txt", "--per-id", "x.xlsx"], "--per-id x.xlsx"),
    ],
)
def test_mistakes(invoke: Invoke, files: Path, arguments: list[str], message: str) -> None:
    result = invoke("evaluate", *arguments, "--no-java")
    assert result.exit_code == 1
    assert message in result.stderr
