"""Another strategy over a finished run gives what captioning with it would have given."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import tiny_embedders
from pseudolabel.captioners.protocol import Refusal
from pseudolabel.captioners.scorer import Scorer, load_scorer
from pseudolabel.captions.options import ConsolidateOptions, StrategyName
from pseudolabel.errors import OptionError, RunError
from pseudolabel.records import Caption, Frame
from pseudolabel.runs.caption import caption_videos
from pseudolabel.runs.consolidate import consolidate
from pseudolabel.runs.options import RunOptions
from pseudolabel.runs.show import find_rows
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.runs.storage.writer import RunWriter
from pseudolabel.videos.options import ClipOptions, FrameOptions
from reading_captioner import ReadingCaptioner
from run_factory import video_rows, write_run
from video_factory import read_number

SAMPLES = (
    ("a red circle", "a red circle", "a blue star"),
    ("a red circle left of a blue star", "a photo of a red circle", ""),
    ("a green square", "a green cross", "a red circle"),
)
STRATEGIES: tuple[StrategyName, ...] = ("center", "medoid", "best", "timeline")


class Sampling(ReadingCaptioner):
    """Says three things of each frame, which differ from frame to frame."""

    def caption(self, frames: Sequence[Frame]) -> list[tuple[Caption, ...] | Refusal]:
        return [self._samples(read_number(frame.pixels)) for frame in frames]

    def _samples(self, number: int) -> tuple[Caption, ...]:
        texts = SAMPLES[number // 4 % len(SAMPLES)]
        # No float32 has just this value: what is decided must not depend on its last digits.
        return tuple(
            Caption(t, -0.1 - 0.3 * ((number + i) % 3), False) for i, t in enumerate(texts)
        )


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return load_scorer("demo")


def captioned(
    videos: Path, out: Path, scorer: Scorer | None, strategy: StrategyName = "center", **more: Any
) -> str:
    caption_videos(
        [str(videos)],
        str(out),
        clips=ClipOptions(length_s=1.0, min_clip_s=0.0),
        frames=FrameOptions(count=4, snap="exact"),
        captioner=Sampling(),
        scorer=scorer,
        consolidate=ConsolidateOptions(strategy, **more),
        run=RunOptions(workers=2, commit_every_s=0.0),
    )
    return str(out)


def rows(run: str) -> list[dict[str, Any]]:
    return sorted(find_rows(run), key=lambda row: (row["video_id"], row["clip_index"]))


def bytes_of(folder: str) -> dict[str, str]:
    files = (path for path in Path(folder).iterdir() if path.suffix != ".lock")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_it_is_what_captioning_would_have_given(
    strategy: StrategyName, videos: Path, tmp_path: Path, scorer: Scorer
) -> None:
    finished = captioned(videos, tmp_path / "run", scorer)
    before = bytes_of(finished)
    options = ConsolidateOptions(strategy, strip_boilerplate=True)
    tally = consolidate(finished, str(tmp_path / "again"), options)
    wanted = captioned(videos, tmp_path / "wanted", scorer, strategy, strip_boilerplate=True)
    assert rows(str(tmp_path / "again")) == rows(wanted)
    assert tally.clips == 8
    assert tally.changed == sum(
        a["caption"] != b["caption"] for a, b in zip(rows(finished), rows(wanted), strict=True)
    )
    again, expected = (RunFolder(str(tmp_path / name)).manifest() for name in ("again", "wanted"))
    assert again["options"] == expected["options"]
    assert again["fingerprint"] == expected["fingerprint"]
    assert again["consolidated_from"]["id"] == RunFolder(finished).manifest()["id"] != again["id"]
    assert bytes_of(finished) == before, "the finished run is as it was"


def test_a_text_encoder_says_how_alike_texts_are(videos: Path, tmp_path: Path) -> None:
    encoder = str(tiny_embedders.build("bert", tmp_path / "bert"))
    finished = captioned(videos, tmp_path / "run", None)
    options = ConsolidateOptions("medoid", text_encoder=encoder, dtype="float32")
    consolidate(finished, str(tmp_path / "again"), options)
    more = {"text_encoder": encoder, "dtype": "float32"}
    wanted = captioned(videos, tmp_path / "wanted", None, "medoid", **more)
    assert rows(str(tmp_path / "again")) == rows(wanted)
    manifest = RunFolder(wanted).manifest()
    assert manifest["text_encoder"]["model"] == encoder
    assert encoder in manifest["options"]["--text-encoder"]
    with pytest.raises(RunError, match="--text-encoder was"):
        consolidate(finished, str(tmp_path / "again"), ConsolidateOptions("medoid"))


def test_captioning_goes_on_in_it(videos: Path, tmp_path: Path) -> None:
    finished = captioned(videos / "a.mp4", tmp_path / "run", None)
    consolidate(finished, str(tmp_path / "again"), ConsolidateOptions("timeline"))
    tally = caption_videos(
        [str(videos / "a.mp4"), str(videos / "b.mp4")],
        str(tmp_path / "again"),
        clips=ClipOptions(length_s=1.0, min_clip_s=0.0),
        frames=FrameOptions(count=4, snap="exact"),
        captioner=Sampling(),
        consolidate=ConsolidateOptions("timeline"),
        run=RunOptions(workers=1),
    )
    assert (tally.already_done, tally.videos) == (1, 1)


def test_every_part_names_its_frame_and_its_sample(
    videos: Path, tmp_path: Path, scorer: Scorer
) -> None:
    for strategy in STRATEGIES:
        run = captioned(videos / "a.mp4", tmp_path / strategy, scorer, strategy)
        for row in rows(run):
            frames = row["frames"]
            texts = [frames[p["frame"]]["captions"][p["sample"]]["text"] for p in row["parts"]]
            if len(texts) == 1:
                assert row["caption"] == texts[0]
            assert all(text.lower() in row["caption"].lower() for text in texts)
            assert [p["first_s"] for p in row["parts"]] == [
                frames[p["frame"]]["time_s"] for p in row["parts"]
            ]


def test_scores_are_of_the_own_frame_and_of_the_whole_clip(
    videos: Path, tmp_path: Path, scorer: Scorer
) -> None:
    for row in rows(captioned(videos / "a.mp4", tmp_path / "run", scorer)):
        own: dict[str, list[float | None]] = {}  # of each text, frame by frame
        of_clip: dict[str, set[float | None]] = {}
        for frame in row["frames"]:
            for text, caption in {c["text"]: c for c in frame["captions"]}.items():
                own.setdefault(text, []).append(caption["similarity"])
                of_clip.setdefault(text, set()).add(caption["clip_similarity"])
        for text, found in own.items():
            if not text:
                assert set(found) == of_clip[text] == {None}, "there is nothing to compare"
                continue
            values = [value for value in found if value is not None]
            (mean,) = of_clip[text]
            assert all(-1 <= value <= 1 for value in values)
            if len(values) == len(row["frames"]):
                assert mean == pytest.approx(sum(values) / len(values), abs=2e-4)


def test_scores_do_not_depend_on_batches(videos: Path, tmp_path: Path, scorer: Scorer) -> None:
    one = captioned(videos, tmp_path / "one", scorer, "best")
    caption_videos(
        [str(videos)],
        str(tmp_path / "two"),
        clips=ClipOptions(length_s=1.0, min_clip_s=0.0),
        frames=FrameOptions(count=4, snap="exact"),
        captioner=Sampling(batch_size=1),
        scorer=load_scorer("demo", batch_size=3),
        consolidate=ConsolidateOptions("best"),
        run=RunOptions(workers=1),
    )
    assert rows(one) == rows(str(tmp_path / "two"))
    floors = [RunFolder(str(tmp_path / name)).floor().num_rows for name in ("one", "two")]
    assert floors == [8, 8]


class Rambling(Sampling):
    """Says more than the scorer reads."""

    def _samples(self, number: int) -> tuple[Caption, ...]:
        return (Caption(" ".join(f"a red circle number {n}" for n in range(number, number + 60))),)


def test_a_caption_longer_than_the_scorer_reads_is_scored_and_flagged(
    videos: Path, tmp_path: Path, scorer: Scorer
) -> None:
    caption_videos(
        [str(videos / "a.mp4")],
        str(tmp_path / "run"),
        captioner=Rambling(),
        scorer=scorer,
        run=RunOptions(workers=1),
    )
    (row,) = rows(str(tmp_path / "run"))
    assert "scorer_cut" in row["flags"]
    assert row["similarity"] is not None


def test_best_needs_scores(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="the captions have no scores"):
        captioned(videos, tmp_path / "run", None, "best")
    assert not (tmp_path / "run").exists()
    run = write_run(tmp_path / "run", [video_rows("a")])
    with pytest.raises(OptionError, match="the captions have no scores"):
        consolidate(run, str(tmp_path / "again"), ConsolidateOptions("best"))


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    parts = [[video_rows(name, ["x", "y"])] for name in "abcd"]
    run = write_run(tmp_path / "run", *parts)
    options = ConsolidateOptions("medoid")
    consolidate(run, str(tmp_path / "whole"), options)
    consolidate(run, str(tmp_path / "again"), options)
    for part in ("clips-000002.parquet", "clips-000003.parquet"):  # as if killed before them
        (tmp_path / "again" / part).unlink()
    tally = consolidate(run, str(tmp_path / "again"), options)
    assert (tally.already_done, tally.clips) == (2, 4)
    assert rows(str(tmp_path / "again")) == rows(str(tmp_path / "whole"))


def test_rows_of_older_parts_and_skipped_ones(tmp_path: Path) -> None:
    from run_factory import skipped_video

    lost = skipped_video("lost.mp4")
    old, new = video_rows("a", ["old"], skipped=[lost]), video_rows("a", ["new"])
    run = write_run(tmp_path / "run", [old], [new])
    consolidate(run, str(tmp_path / "again"), ConsolidateOptions("medoid"))
    assert [row["caption"] for row in find_rows(str(tmp_path / "again"))] == ["new"]
    skipped = list(find_rows(str(tmp_path / "again"), kind="skipped"))
    assert skipped == list(find_rows(run, kind="skipped"))
    assert len(RunFolder(str(tmp_path / "again")).parts()) == 2


def test_another_run_or_another_strategy_is_refused(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", [video_rows("a")])
    other = write_run(tmp_path / "other", [video_rows("b")])
    again = str(tmp_path / "again")
    consolidate(one, again, ConsolidateOptions("medoid"))
    with pytest.raises(RunError, match="--strategy was 'medoid', now 'timeline'"):
        consolidate(one, again, ConsolidateOptions("timeline"))
    with pytest.raises(RunError, match="was not consolidated from this run"):
        consolidate(other, again, ConsolidateOptions("medoid"))
    with pytest.raises(RunError, match="was made with other options"):
        consolidate(one, one, ConsolidateOptions("medoid"))


def test_a_run_in_work_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [video_rows("a")])
    with RunWriter(run), pytest.raises(RunError, match="is still being written"):
        consolidate(run, str(tmp_path / "again"), ConsolidateOptions("medoid"))


def test_options_that_contradict_each_other() -> None:
    with pytest.raises(OptionError, match="--strategy nearest: there is no such strategy"):
        ConsolidateOptions("nearest")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="--strategy llm without --llm"):
        ConsolidateOptions("llm")
    with pytest.raises(OptionError, match="--strategy medoid with --llm"):
        ConsolidateOptions("medoid", llm="org/model")
    with pytest.raises(OptionError, match="--text-encoder with --strategy center"):
        ConsolidateOptions("center", text_encoder="org/model")


def test_parts_are_of_the_published_schema(tmp_path: Path) -> None:
    import jsonschema

    from pseudolabel.contract import clip_schema, load_schema

    run = write_run(tmp_path / "run", [video_rows("a", [("x", "y z")], frames=3)])
    consolidate(run, str(tmp_path / "again"), ConsolidateOptions("timeline"))
    table = pq.read_table(tmp_path / "again" / "clips-000000.parquet")
    assert table.schema.equals(clip_schema())
    for row in table.to_pylist():
        jsonschema.validate(row, load_schema("run_clip.v1"))
    manifest = json.loads((tmp_path / "again" / "run.json").read_text())
    jsonschema.validate(manifest, load_schema("run.v1"))
