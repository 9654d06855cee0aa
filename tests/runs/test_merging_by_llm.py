"""The strategy `llm`: what a language model writes is checked; else a medoid stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tiny_language_models
from loopback_chat import ChatServer
from pseudolabel.captions.options import ConsolidateOptions
from pseudolabel.errors import CaptionerError
from pseudolabel.records import CaptionedClip, ClipPlan, FrameCaption
from pseudolabel.runs.consolidate import consolidate
from pseudolabel.runs.pipeline.assembly import CaptionedVideo
from pseudolabel.runs.pipeline.consolidator import Consolidator
from pseudolabel.runs.show import find_rows
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.runs.storage.writer import RunWriter
from run_factory import video_rows, write_run

THINGS = ("a red circle", "a blue star", "a green cross", "a dog on a sofa")


def told_in(body: dict[str, Any]) -> list[str]:
    """The captions that a request is about: the last block of its prompt."""
    prompt: str = body["messages"][0]["content"]
    return re.findall(r"^[\d.]+ s: (.*)$", prompt.rpartition("Captions:")[2], re.M)


def joined(body: dict[str, Any]) -> str:
    return "There is " + ", then ".join(told_in(body)) + "."


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("PSEUDOLABEL_SERVER_KEY", raising=False)
    made = ChatServer(joined)
    yield made
    made.close()


def video(number: int, *texts: str) -> CaptionedVideo:
    """A video with one clip of several frames, one text each."""
    rows = video_rows(f"v{number:02d}", [texts[0]])
    clip = rows.clips[0].clip
    frames = tuple(
        FrameCaption(float(at), False, video_rows("x", [text]).clips[0].clip.frames[0].captions)
        for at, text in enumerate(texts)
    )
    plan = ClipPlan(0, clip.plan.span, tuple(frame.time_s for frame in frames))
    return CaptionedVideo((CaptionedClip(clip.video, clip.info, plan, frames),), ())


VIDEOS = [video(n, THINGS[n % 4], THINGS[(n + 1) % 4], THINGS[(n + 1) % 4]) for n in range(12)]


def run_of(path: Path) -> str:
    write_run(path)
    with RunWriter(str(path)) as writer, Consolidator(ConsolidateOptions()) as center:
        for start in (0, 6):
            writer.commit([*center.add(VIDEOS[start : start + 6])])
    return str(path)


def options(server: ChatServer, **more: Any) -> ConsolidateOptions:
    return ConsolidateOptions("llm", llm=f"server:{server.url}#tiny", concurrency=2, **more)


def rows(run: str) -> list[dict[str, Any]]:
    return sorted(find_rows(run), key=lambda row: row["video_id"])


def test_a_sentence_that_says_no_more_than_the_frames_stands(
    tmp_path: Path, server: ChatServer
) -> None:
    tally = consolidate(run_of(tmp_path / "run"), str(tmp_path / "merged"), options(server))
    found = rows(str(tmp_path / "merged"))
    assert found[0]["caption"] == "There is a red circle, then a blue star."
    assert all(row["is_rewritten"] and not row["flags"] for row in found)
    assert [(p["frame"], p["last_frame"]) for p in found[0]["parts"]] == [(0, 0), (1, 2)]
    assert all(row["mean_logprob"] is row["similarity"] is None for row in found)
    assert tally.flags["merge_rejected"] == 0
    manifest = RunFolder(str(tmp_path / "merged")).manifest()
    assert manifest["llm"]["model"] == "tiny"
    assert manifest["options"]["--strategy"] == "llm"


def test_captioning_gives_the_same_as_consolidating(tmp_path: Path, server: ChatServer) -> None:
    consolidate(run_of(tmp_path / "run"), str(tmp_path / "merged"), options(server))
    finished = []
    with Consolidator(options(server)) as consolidator:
        for one in VIDEOS:  # video by video, as they come from the captioner
            finished += consolidator.add([one])
        assert 0 < len(finished) < len(VIDEOS), "it waits until a batch is full"
        finished += consolidator.finish()
    assert {v.clips[0].clip.video.video_id: v.clips[0].text for v in finished} == {
        row["video_id"]: row["caption"] for row in rows(str(tmp_path / "merged"))
    }


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I'm sorry, I cannot see the video.",
        "1. a red circle\n2. a blue star",
        "A wizard rides a purple dragon through the thunderstorm at night.",
        "Un cercle rouge puis une étoile bleue sur un canapé.",
        "красный круг, затем синяя звезда",
        "Join the captions of a video clip into one English sentence.",
        "a red circle " * 60,
    ],
)
def test_what_does_not_is_refused_and_a_medoid_stands(
    tmp_path: Path, server: ChatServer, answer: str
) -> None:
    server.say = lambda body: answer
    run = run_of(tmp_path / "run")
    tally = consolidate(run, str(tmp_path / "merged"), options(server))
    consolidate(run, str(tmp_path / "medoid"), ConsolidateOptions("medoid"))
    assert tally.flags["merge_rejected"] == len(VIDEOS)
    for merged, medoid in zip(
        rows(str(tmp_path / "merged")), rows(str(tmp_path / "medoid")), strict=True
    ):
        assert merged == {**medoid, "flags": [*medoid["flags"], "merge_rejected"]}


def test_a_server_that_times_out_half_way_costs_those_clips_their_merge(
    tmp_path: Path, server: ChatServer
) -> None:
    server.script = lambda body, attempt: (200, "hang") if told_in(body)[0] == THINGS[2] else None
    run = run_of(tmp_path / "run")
    consolidate(run, str(tmp_path / "merged"), options(server, timeout_s=0.3))
    flagged = {row["video_id"]: row["flags"] for row in rows(str(tmp_path / "merged"))}
    assert [name for name, flags in flagged.items() if flags] == ["v02", "v06", "v10"]


def test_a_server_that_is_not_there_stops_it_and_nothing_is_written(
    tmp_path: Path, server: ChatServer
) -> None:
    run = run_of(tmp_path / "run")
    url = server.url
    server.close()
    gone = ConsolidateOptions("llm", llm=f"server:{url}#tiny", timeout_s=0.3)
    with pytest.raises(CaptionerError):
        consolidate(run, str(tmp_path / "merged"), gone)
    assert RunFolder(str(tmp_path / "merged")).parts() == []


def test_clips_whose_frames_agree_are_not_asked_about(server: ChatServer) -> None:
    same = [video(n, "a red circle", "a red circle") for n in range(3)]
    with Consolidator(options(server)) as consolidator:
        (one, *_) = consolidator.add(same) + consolidator.finish()
    assert (one.clips[0].text, one.clips[0].is_rewritten) == ("a red circle", False)
    assert server.bodies == []


def test_a_model_of_random_weights_is_found_out(tmp_path: Path) -> None:
    model = tiny_language_models.build("bloom", tmp_path / "bloom")
    found = ConsolidateOptions("llm", llm=str(model), device="cpu", dtype="float32")
    tally = consolidate(run_of(tmp_path / "run"), str(tmp_path / "merged"), found)
    assert (tally.clips, tally.flags["merge_rejected"]) == (len(VIDEOS), len(VIDEOS))
