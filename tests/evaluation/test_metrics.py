"""Scores are pycocoevalcap's, over the right ids, from one JVM; Java's failures are told."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from package_scores import package_name, start_package
from pseudolabel.errors import EvaluationError
from pseudolabel.evaluation.metrics.meteor import MeteorJudge
from pseudolabel.evaluation.metrics.ptb import JAR, PtbTokenizer
from pseudolabel.evaluation.metrics.scores import (
    METRICS,
    CaptionScorer,
    CaptionScores,
    score_captions,
)

needs_java = pytest.mark.skipif(
    shutil.which("java") is None, reason="no java on this machine: PTBTokenizer and METEOR need it"
)
IDS = [f"{number:04d}" for number in range(150)]
SUBJECTS = ["a man", "two women", "the boy's dog", "a T-shirt seller", "someone", "a café owner"]
VERBS = ["rides", "isn't holding", "is eating", "can't find", "is looking at", "paints"]
OBJECTS = ["a red bike", "the 2 cats", "his guitar (an old one)", "1,000 people", "a U.S. flag"]
ENDS = ["", ".", " in the street!", ", then stops.", " -- slowly", ' and says "hi"', " \U0001f600"]


def sentence(random_: random.Random) -> str:
    said = (random_.choice(parts) for parts in (SUBJECTS, VERBS, OBJECTS))
    return (" ".join(said) + random_.choice(ENDS)).capitalize()


@pytest.fixture(scope="module")
def references() -> dict[str, list[str]]:
    random_ = random.Random(1)
    return {key: [sentence(random_) for _ in range(5)] for key in IDS}


@pytest.fixture(scope="module")
def captions(references: Mapping[str, list[str]]) -> dict[str, str]:
    random_ = random.Random(2)
    return {
        key: texts[0] if random_.random() < 0.3 else sentence(random_)
        for key, texts in references.items()
    }


@pytest.fixture(scope="module")
def watched_java(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with a `java` that notes how it is called, and its notes."""
    folder = tmp_path_factory.mktemp("java")
    return fake_java(folder, f'echo "$@" >> {folder}/calls\nexec {shutil.which("java")} "$@"')


def fake_java(folder: Path, script: str) -> tuple[Path, Path]:
    java = folder / "java"
    java.write_text(f"#!/bin/sh\n{script}\n")
    java.chmod(0o755)
    return folder, folder / "calls"


def first_on_path(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture(scope="module")
def two_systems(
    references: Mapping[str, list[str]],
    captions: Mapping[str, str],
    watched_java: tuple[Path, Path],
) -> tuple[CaptionScores, CaptionScores]:
    """The captions, and a second system that says nothing."""
    with pytest.MonkeyPatch.context() as patch:
        first_on_path(patch, watched_java[0])
        patch.setenv("JAVA_TOOL_OPTIONS", "-Duser.language=de")  # a decimal comma
        with CaptionScorer(references) as scorer:
            return scorer.score(captions), scorer.score(dict.fromkeys(captions, ""))


@pytest.fixture(scope="module")
def package_run(
    references: Mapping[str, list[str]],
    captions: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The package at work on COCO's files of the same captions, and where it writes its scores."""
    folder = tmp_path_factory.mktemp("coco")
    said = [{"image_id": int(key), "caption": text} for key, text in captions.items()]
    human = [
        {"id": number, "image_id": int(key), "caption": text}
        for number, (key, text) in enumerate((k, t) for k, ts in references.items() for t in ts)
    ]
    images = [{"id": int(key)} for key in references]
    coco = {"info": {}, "licenses": [], "type": "captions", "images": images, "annotations": human}
    (folder / "references.json").write_text(json.dumps(coco))
    (folder / "captions.json").write_text(json.dumps(said))
    process = start_package(
        folder / "references.json", folder / "captions.json", folder / "scores.json"
    )
    yield process, folder / "scores.json"
    process.kill()
    process.wait()


@needs_java
def test_scores_are_those_of_the_package(
    package_run: tuple[subprocess.Popen[bytes], Path],
    two_systems: tuple[CaptionScores, CaptionScores],
) -> None:
    """Over all and for each id, to 1e-6."""
    assert package_run[0].wait() == 0
    corpus, by_id = json.loads(package_run[1].read_text())
    scores = two_systems[0]
    assert list(scores.corpus) == list(METRICS)
    assert scores.ids == tuple(IDS)
    for name in METRICS:
        theirs = package_name(name)
        assert scores.corpus[name] == pytest.approx(corpus[theirs], abs=1e-6)
        each = [by_id[str(int(key))][theirs] for key in scores.ids]
        np.testing.assert_allclose(scores.per_id[name], each, rtol=0, atol=1e-6)
        assert 0.05 < scores.corpus[name] < 9  # no agreement of zeros


@needs_java
def test_one_jvm_judges_both_systems(
    two_systems: tuple[CaptionScores, CaptionScores], watched_java: tuple[Path, Path]
) -> None:
    calls = watched_java[1].read_text().splitlines()
    assert sum("meteor" in call for call in calls) == 1
    assert sum("PTBTokenizer" in call for call in calls) == 3  # references, and each system
    silent = two_systems[1]
    assert max(silent.corpus.values()) < 1e-3
    assert any("150 captions have no word" in warning for warning in silent.warnings)


@needs_java
def test_line_separators_shift_nothing(
    references: Mapping[str, list[str]], captions: Mapping[str, str]
) -> None:
    separators = ("\r", "\r\n", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\n")
    broken = {
        key: text.replace(" ", separators[index % len(separators)]) + "\x00\ud800"
        for index, (key, text) in enumerate(captions.items())
    }
    with CaptionScorer(references, meteor=False) as scorer:
        whole, again = scorer.score(captions), scorer.score(broken)
    assert again.corpus == whole.corpus
    np.testing.assert_array_equal(again.per_id["ROUGE-L"], whole.per_id["ROUGE-L"])


@needs_java
def test_the_tokenizer_writes_nothing_where_it_is_installed() -> None:
    before = JAR.parent.stat().st_mtime_ns
    assert PtbTokenizer().tokenize(["A man.", "", "\udcff it's", ""]) == ["a man", "", "it 's", ""]
    assert JAR.parent.stat().st_mtime_ns == before


def test_a_caption_that_is_a_reference_scores_highest() -> None:
    references = {f"v{n}": [f"person {n} plays guitar number {n}", "a cat"] for n in range(60)}
    scores = score_captions({k: t[0] for k, t in references.items()}, references, java=False)
    assert scores.corpus["BLEU-4"] == pytest.approx(1)
    assert scores.corpus["ROUGE-L"] == pytest.approx(1)
    assert scores.corpus["CIDEr"] == pytest.approx(5, abs=0.05)  # a half: the cat is not in it
    assert "METEOR" not in scores.corpus
    assert scores.tokenizer == "PTB-like, without Java"
    assert scores.reference_captions == 120
    assert not scores.warnings


def test_what_is_not_on_both_sides_is_told() -> None:
    references = {"b": ["a cat sits"], "a": ["a dog runs"], "c": ["a bird"], "d": []}
    scores = score_captions(
        {"x": "?", "b": "a cat", "a": "", "d": "a fish"}, references, java=False
    )
    assert scores.ids == ("a", "b")
    assert scores.without_reference == ("d", "x")
    assert scores.without_caption == ("c",)
    assert [scores.per_id["ROUGE-L"][i] > 0 for i in (0, 1)] == [False, True]
    few, silent = scores.warnings
    assert "CIDEr over 2 ids" in few
    assert "1 captions have no word: 'a'" in silent


def test_the_order_of_ids_does_not_count(
    references: Mapping[str, list[str]], captions: Mapping[str, str]
) -> None:
    one = score_captions(captions, references, java=False)
    backwards = dict(reversed(list(captions.items())))
    other = score_captions(backwards, dict(reversed(list(references.items()))), java=False)
    assert one.corpus == other.corpus
    assert one.ids == other.ids


def test_nothing_in_common_shows_both_kinds_of_ids() -> None:
    with pytest.raises(
        EvaluationError, match=r"'a1', 'a2', 'a3', \.\.\.; references of 'b1'$"
    ) as e:
        score_captions({f"a{n}": "x" for n in range(1, 5)}, {"b1": ["y"]}, java=False)
    assert "without its folder" in str(e.value.hint)
    with pytest.raises(EvaluationError, match="no captions"):
        score_captions({}, {"b1": ["y"]}, java=False)
    with pytest.raises(EvaluationError, match="no reference has a word"):
        score_captions({"a": "x"}, {"a": ["..."]}, java=False)


def test_no_java_says_what_needs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EvaluationError, match=r"no java: METEOR and the tokenizer") as error:
        score_captions({"a": "a cat"}, {"a": ["a cat"]})
    assert "apt-get install default-jre-headless" in str(error.value.hint)
    assert "--no-java" in str(error.value.hint)
    scores = score_captions({"a": "a cat"}, {"a": ["a cat"]}, java=False)
    assert scores.corpus["BLEU-1"] == pytest.approx(1)


def test_a_tokenizer_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first_on_path(monkeypatch, tmp_path)
    fake_java(tmp_path, "cat > /dev/null; echo could not reserve enough space >&2; exit 1")
    with pytest.raises(EvaluationError, match="ended with 1: could not reserve enough space"):
        score_captions({"a": "a cat"}, {"a": ["a cat"]}, meteor=False)
    fake_java(tmp_path, "head -n 1")
    with pytest.raises(EvaluationError, match="1 lines of 2 captions"):
        score_captions({"a": "a cat"}, {"a": ["a cat", "a dog"]}, meteor=False)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo no memory left >&2; exit 1", "no memory left"),
        ("while read -r line; do echo nonsense; done", "nonsense"),
        ("exit 3", "it ended with 3"),
    ],
)
def test_a_meteor_that_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, message: str
) -> None:
    first_on_path(monkeypatch, tmp_path)
    fake_java(tmp_path, script)
    words = {f"v{n}": ["a cat"] for n in range(200)}
    with closing(MeteorJudge()) as judge:
        for why in (message, "it has ended"):
            with pytest.raises(EvaluationError, match=f"METEOR's Java failed: .*{why}") as error:
                judge.score(words, dict.fromkeys(words, "a cat"))
            assert "--no-java" in str(error.value.hint)
