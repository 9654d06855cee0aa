"""`compare`: both texts of every clip, and figures that find what was planted."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.parquet as pq
import pytest

from pseudolabel.contract import load_schema
from pseudolabel.errors import EvaluationError, InputError, OptionError, RunError
from pseudolabel.evaluation.clips import read_clips
from pseudolabel.evaluation.compare import CompareOptions, compare
from pseudolabel.evaluation.comparison import Comparison
from pseudolabel.evaluation.report import CLIPS, JSON, PAGE, table, write_report
from pseudolabel.release.export import export
from pseudolabel.release.options import ReleaseOptions
from run_factory import video_rows, write_run
from video_factory import make_video


def vtt(*cues: tuple[float, float, str]) -> str:
    def clock(time_s: float) -> str:
        return f"{int(time_s // 3600):02d}:{int(time_s // 60) % 60:02d}:{time_s % 60:06.3f}"

    lines = (f"{clock(start)} --> {clock(end)}\n{text}\n" for start, end, text in cues)
    return "WEBVTT\n\n" + "\n".join(lines)


@pytest.fixture
def run(tmp_path: Path) -> str:
    rows = [
        video_rows("a.mp4", ("a man cooks an egg", "a dog runs")),
        video_rows("b.mp4", ("a cat sleeps", "")),
        video_rows("c.mp4", ("a car",)),
    ]
    return write_run(tmp_path / "run", rows)


@pytest.fixture
def transcripts(tmp_path: Path) -> Path:
    folder = tmp_path / "transcripts"
    folder.mkdir()
    (folder / "a.vtt").write_text(vtt((0, 8, "now cook the eggs"), (8, 16, "and subscribe")))
    (folder / "b.vtt").write_text(vtt((6, 10, "my cat is asleep")))
    (folder / "other.vtt").write_text(vtt((0, 8, "of another video")))
    return folder


def run_compare(where: str, transcripts: Path | str, **options: Any) -> Comparison:
    return compare(where, CompareOptions(transcripts=str(transcripts), **options))


def test_each_clip_stands_beside_what_was_said_during_it(run: str, transcripts: Path) -> None:
    found = run_compare(run, transcripts)
    clips = read_clips(run)
    said = dict(zip(clips.captions, found.columns["transcript"], strict=True))
    assert said == {
        "a man cooks an egg": "now cook the eggs",
        "a dog runs": "and subscribe",
        "a cat sleeps": "my cat",
        "": "is asleep",
        "a car": "",
    }
    assert found.columns["words_in_common"].tolist() == [2, 0, 1, 0, 0]


def test_coverage_and_agreement_are_counted(run: str, transcripts: Path) -> None:
    found = run_compare(run, transcripts)
    with_text = found.measure("with_text")
    assert with_text.caption is not None and with_text.transcript is not None
    assert (with_text.caption.value, with_text.transcript.value) == (0.8, 0.8)
    words_said = found.measure("words_said").both
    assert words_said is not None
    assert words_said.value == pytest.approx(3 / 7)  # man cook egg dog run cat sleep: three said


def test_what_has_no_partner_is_told(run: str, transcripts: Path) -> None:
    (transcripts / "c.json").write_text("{")
    found = run_compare(run, transcripts)
    assert found.found.missing == ("c.mp4",)
    assert [Path(name).name for name in found.found.unused] == ["other.vtt"] or found.found.unused
    assert found.found.videos_with == 2
    assert any("c.mp4" in warning for warning in found.warnings)


def test_a_release_gives_the_figures_of_its_run(
    run: str, transcripts: Path, tmp_path: Path
) -> None:
    options = ReleaseOptions(version="1.0.0", license="cc-by-4.0")
    export([run], str(tmp_path / "release"), options)
    of_run, of_release = (
        json.loads(run_compare(where, transcripts).to_json())
        for where in (run, str(tmp_path / "release"))
    )
    assert of_run.pop("source") != of_release.pop("source")
    assert of_run == of_release


def test_the_report_is_written(run: str, transcripts: Path, tmp_path: Path) -> None:
    found = run_compare(run, transcripts)
    page = write_report(found, str(tmp_path / "report"), page_clips=3)
    assert page == tmp_path / "report" / PAGE
    data = json.loads((tmp_path / "report" / JSON).read_text(encoding="utf-8"))
    jsonschema.validate(data, load_schema("compare.v1"))
    rows = pq.read_table(tmp_path / "report" / CLIPS).to_pylist()
    assert [row["caption"] for row in rows] == list(read_clips(run).captions)
    assert rows[0]["transcript"] == "now cook the eggs"
    assert rows[4]["jaccard"] is None  # nothing is said
    text = page.read_text(encoding="utf-8")
    assert "Whether both say the same" in text
    assert sum(f'"{v}.mp4#{c}"' in text for v in "abc" for c in (0, 1)) == 3


def test_a_path_that_is_not_unicode_stands_in_the_report(run: str, transcripts: Path) -> None:
    folder = transcripts.rename(transcripts.with_name("said\udcff"))
    found = run_compare(run, folder)
    write_report(found, str(folder.parent / "report"), page_clips=3)
    data = json.loads((folder.parent / "report" / JSON).read_text(encoding="utf-8"))
    assert data["options"]["transcripts"] == str(folder)


def test_a_caption_is_no_code_on_the_page(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    run = write_run(tmp_path / "run", [video_rows("a.mp4", (hostile,)), video_rows("b.mp4")])
    (tmp_path / "a.vtt").write_text(vtt((0, 8, "</script><b>")))
    found = run_compare(run, tmp_path)
    page = write_report(found, str(tmp_path / "report"), page_clips=10)
    text = page.read_text(encoding="utf-8")
    assert hostile not in text and "<b>" not in text


def test_no_transcript_of_any_video(run: str, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match=r"no transcript of any of the 3 videos, such as 'a.mp4'"):
        run_compare(run, tmp_path / "none")
    (tmp_path / "none" / "x.vtt").write_text(vtt((0, 8, "hello")))
    with pytest.raises(InputError, match="there is one of"):
        run_compare(run, tmp_path / "none")


def test_what_cannot_be_compared_is_refused(run: str, transcripts: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        run_compare(run, tmp_path / "missing")
    with pytest.raises((RunError, InputError)):
        run_compare(str(transcripts), transcripts)
    with pytest.raises(InputError, match="holds no captioned clip"):
        run_compare(write_run(tmp_path / "empty"), transcripts)
    with pytest.raises(OptionError, match="--frames 0"):
        CompareOptions(transcripts="x", frames=0)
    with pytest.raises(InputError, match="no frame of any video could be read"):
        run_compare(run, transcripts, scorer="demo")


def test_the_scorer_counts_frames_and_tells_what_it_cuts(tmp_path: Path) -> None:
    videos = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for video in videos:
        make_video(video, seconds=16, fps=10)
    rows = [video_rows(video.name, ("a cat", "a dog"), source=str(video)) for video in videos]
    run = write_run(tmp_path / "run", rows)
    (tmp_path / "a.vtt").write_text(vtt((0, 8, "a red circle " * 40), (8, 16, "a dog")))
    counted: list[int] = []
    options = CompareOptions(transcripts=str(tmp_path), scorer="demo", frames=2)
    found = compare(run, options, on_progress=counted.append)
    assert counted[-1] == 8
    assert any("beginning of 0 captions and of the speech of 1 clips" in w for w in found.warnings)
    (tmp_path / "a.vtt").write_text(vtt((0, 8, "so"), (8, 16, "a dog")))
    warnings = compare(run, options).warnings
    assert not any("beginning" in warning or "no frame" in warning for warning in warnings)
    videos[1].unlink()
    assert any("2 of 4 clips have no frame" in w for w in compare(run, options).warnings)


def test_ratings_become_shares(run: str, transcripts: Path, tmp_path: Path) -> None:
    def rated(clip: str, side: str, answer: str) -> dict[str, object]:
        return {
            "clip": clip,
            "side": side,
            "shown_as": "A",
            "question": "Seen?",
            "answer": answer,
            "automatic": False,
            "rater": "me",
            "rated_at": "2026-01-01T00:00:00Z",
        }

    answers = [
        *(rated(f"{v}.mp4#0", "caption", "yes") for v in "ab"),
        rated("a.mp4#0", "speech", "yes"),
        rated("b.mp4#0", "speech", "no"),
        rated("a.mp4#1", "caption", "no"),  # its other text was not answered
        rated("a.mp4#1", "speech", "unsure"),
    ]
    path = tmp_path / "ratings.json"
    document = {"format": "pseudolabel-ratings", "version": 1, "sheet": "s", "ratings": answers}
    path.write_text(json.dumps(document))
    measure = run_compare(run, transcripts, ratings=str(path)).measure("rated_1")
    assert measure.caption is not None and measure.transcript is not None
    assert (measure.caption.value, measure.transcript.value) == (1.0, 0.5)
    document["ratings"] = answers[4:]
    path.write_text(json.dumps(document))
    found = run_compare(run, transcripts, ratings=str(path))
    assert not [m for m in found.measures if m.group == "ratings"]
    assert any("no clip has a yes or no to both" in warning for warning in found.warnings)
    document["ratings"] = answers
    answers[0]["clip"] = "z.mp4#0"
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"rates clip 'z.mp4#0'"):
        run_compare(run, transcripts, ratings=str(path))


def test_scores_against_references_are_those_of_evaluate(
    run: str, transcripts: Path, tmp_path: Path
) -> None:
    references = tmp_path / "references.json"
    references.write_text(
        json.dumps({"a.mp4#0": ["a man cooks an egg"], "b.mp4#0": ["the cat is asleep", "a cat"]})
    )
    found = run_compare(run, transcripts, references=str(references), java=False)
    bleu = found.measure("bleu_1")
    assert bleu.caption is not None and bleu.transcript is not None
    assert bleu.caption.value > bleu.transcript.value > 0
    assert {m.name for m in found.measures if m.group == "references"} >= {"rouge_l", "cider"}
    assert "meteor" not in {m.name for m in found.measures}
    assert any("over 2 ids with 3 references" in warning for warning in found.warnings)
    assert any("CIDEr over 2 ids" in warning for warning in found.warnings)


def test_captions_that_are_right_on_one_video_alone_are_not_found_better(tmp_path: Path) -> None:
    captions = ("a red car turns left", "two men cook an egg")
    run = write_run(tmp_path / "run", [video_rows(f"{n}.mp4", captions) for n in range(8)])
    references = {
        f"{n}.mp4#{c}": ["some of her yellow boats sink"] for n in range(8) for c in (0, 1)
    }
    references |= {f"0.mp4#{c}": [caption] for c, caption in enumerate(captions)}
    (tmp_path / "people.json").write_text(json.dumps(references))
    (tmp_path / "said").mkdir()
    for n in range(8):
        (tmp_path / "said" / f"{n}.vtt").write_text(vtt((0, 16, "hello and welcome to it")))
    people = str(tmp_path / "people.json")
    found = run_compare(run, tmp_path / "said", references=people, java=False)
    for measure in (m for m in found.measures if m.group == "references"):
        assert measure.caption is not None and measure.transcript is not None
        assert measure.caption.value > measure.transcript.value >= 0
        assert measure.caption.low >= 0 and measure.transcript.low >= 0
        assert measure.difference is not None and measure.difference.p > 0.2, measure.name


def test_what_is_wrong_with_the_files_of_people_is_told_before_the_judges_work(
    run: str, transcripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(**options: Any) -> str:
        steps: list[str] = []
        options = {"scorer": "./no-such-scorer", "java": False, **options}
        with pytest.raises((InputError, EvaluationError)) as error:
            compare(run, CompareOptions(str(transcripts), **options), on_step=steps.append)
        assert steps == ["reading clips and transcripts"]
        return str(error.value)

    references = tmp_path / "references.json"
    references.write_text(json.dumps({"z.mp4#0": ["a man"]}))
    assert "No such file" in refusal(references="missing.json")
    assert "No such file" in refusal(ratings="missing.json")
    told = refusal(references=str(references))
    assert "captions are of 'a.mp4#0'" in told and "references of 'z.mp4#0'" in told
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no java" in refusal(references=str(references), java=True)


def test_one_video_has_figures_and_neither_intervals_nor_findings(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [video_rows("a.mp4", ("a cat", "a dog runs"))])
    (tmp_path / "a.vtt").write_text(vtt((0, 8, "my cat"), (8, 16, "the dog")))
    (tmp_path / "people.json").write_text(json.dumps({"a.mp4#0": ["a cat"], "a.mp4#1": ["a dog"]}))
    references = str(tmp_path / "people.json")
    found = run_compare(run, tmp_path / "a.vtt", references=references, java=False)
    jsonschema.validate(json.loads(found.to_json()), load_schema("compare.v1"))
    for measure in found.measures:
        assert measure.difference is None or not measure.difference.p < 0.05, measure.name
        sides = (measure.caption, measure.transcript, measure.both, measure.difference)
        assert all(math.isnan(side.low) for side in sides if side is not None), measure.name
    assert {row[4] for row in table(found.measures).rows} == {"", "1.000"}


def test_a_transcript_of_one_video_of_many_gives_no_intervals_of_speech(tmp_path: Path) -> None:
    rows = [video_rows(f"{n}.mp4", ("a cat", "a dog runs")) for n in range(5)]
    run = write_run(tmp_path / "run", rows)
    (tmp_path / "0.vtt").write_text(vtt((0, 8, "my cat"), (8, 16, "the big dog")))
    found = run_compare(run, tmp_path)
    for name in ("words_said", "any_word_said", "jaccard"):
        both = found.measure(name).both
        assert both is not None and both.value > 0 and math.isnan(both.low)
    words = found.measure("distinct_1").transcript
    assert words is not None and math.isnan(words.low)
    assert found.offsets is not None and math.isnan(found.offsets.best_s.low)
    assert math.isnan(found.offsets.timing["in time"].low)


def test_captions_of_one_video_are_not_above_or_below_chance(tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4", seconds=16, fps=10)
    rows = [video_rows("a.mp4", ("a cat", "a dog"), source=str(tmp_path / "a.mp4"))]
    run = write_run(tmp_path / "run", rows)
    (tmp_path / "a.vtt").write_text(vtt((0, 8, "a red circle"), (8, 16, "a dog")))
    found = run_compare(run, tmp_path / "a.vtt", scorer="demo", frames=1)
    jsonschema.validate(json.loads(found.to_json()), load_schema("compare.v1"))
    similarity = found.measure("similarity").caption
    assert similarity is not None and math.isfinite(similarity.value)
    for name in ("above_chance", "percentile"):
        measure = found.measure(name)
        assert measure.caption is not None and measure.difference is not None
        assert math.isnan(measure.caption.value) and math.isnan(measure.difference.p)
    assert any("captions of one video only" in warning for warning in found.warnings)
    page = write_report(found, str(tmp_path / "report"), page_clips=2).read_text(encoding="utf-8")
    assert "nan" not in page.partition("<script")[0].partition("<body>")[2].lower()
    rows_of_clips = pq.read_table(tmp_path / "report" / CLIPS)
    assert rows_of_clips["caption_percentile"].null_count == 2
