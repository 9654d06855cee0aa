"""A folder of transcripts: made, gone on with, and whole whatever happens."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pseudolabel.errors import InputError, OptionError, RunError
from pseudolabel.evaluation.transcribe import TranscribeTally, transcribe_videos
from pseudolabel.evaluation.transcripts import folder as transcript_folder
from pseudolabel.speech.transcription import AudioBlock
from pseudolabel.speech.transcripts import read_transcript
from pseudolabel.speech.whisper_files import TranscribeOptions
from pseudolabel.videos.audio import audio_blocks
from speech_clip import WHISPER, silence, speech, video_with_sound
from video_factory import make_video

TINY = TranscribeOptions(model=str(WHISPER), device="cpu")


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos with one sentence, with silence and with three sentences."""
    folder = tmp_path_factory.mktemp("sounds")
    clip = speech()
    video_with_sound(folder / "one.mp4", clip[: round(5.2 * 16_000)])
    video_with_sound(folder / "silent.mp4", silence(2))
    (folder / "sub").mkdir()
    video_with_sound(folder / "sub" / "three.mp4", clip, sound_starts_s=2.0)
    return folder


@pytest.fixture
def videos(sounds: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sounds, tmp_path / "videos"))


def names(folder: Path) -> set[str]:
    """Files, without those that start with a dot."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)) for path in found if not path.name.startswith(".")}


def skipped(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "skipped.jsonl").read_text().splitlines()]


def document(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text("utf-8"))
    assert isinstance(found, dict)
    return found


PAIRS = {
    *("one.mp4.vtt", "one.mp4.json", "silent.mp4.vtt", "silent.mp4.json"),
    *("sub/three.mp4.vtt", "sub/three.mp4.json", "skipped.jsonl"),
}


def test_videos_become_transcripts(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    seen: list[float] = []
    tally = transcribe_videos(
        [str(videos)], str(out), TINY, on_progress=lambda t: seen.append(t.audio_s)
    )
    assert names(out) == PAIRS
    assert (tally.total, tally.videos, tally.without_speech, tally.segments) == (3, 3, 1, 4)
    assert tally.audio_s == seen[-1] == pytest.approx(5.2 + 2 + 16.6, abs=0.3)
    assert seen == sorted(seen)
    assert not tally.skipped
    assert not skipped(out)
    vtt = read_transcript(out / "sub" / "three.mp4.vtt").segments
    words = read_transcript(out / "sub" / "three.mp4.json").segments
    assert [(s.span, s.text) for s in vtt] == [(s.span, s.text) for s in words]
    assert len(vtt) == 3
    assert "soup boil" in vtt[2].text
    assert 1.9 <= vtt[0].span.start_s < 3.0, "the sound starts two seconds into the video"
    assert read_transcript(out / "silent.mp4.vtt").segments == ()
    assert document(out / "silent.mp4.json")["segments"] == []


def test_a_transcript_names_its_maker(videos: Path, tmp_path: Path) -> None:
    source = videos / "one.mp4"
    transcribe_videos([str(source)], str(tmp_path / "out"), TINY)
    made = document(tmp_path / "out" / "one.mp4.json")
    status = source.stat()
    assert made["video_id"] == "one.mp4"
    assert made["source"] == str(source)
    assert made["listed"] == f"{status.st_size}-{status.st_mtime_ns}"
    assert made["language"] == "en"
    assert made["options"]["--model"] == "model"
    assert made["options"]["revision"].startswith("sha256:")
    assert made["options"]["--compute-type"] == "int8"
    assert set(made["versions"]) == {"pseudolabel", "faster-whisper", "ctranslate2", "av"}
    assert made["segments"][0]["words"][0]["word"] == "First,"


def test_what_is_done_is_not_done_again(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    transcribe_videos([str(videos)], str(out), TINY)
    before = {name: (out / name).stat().st_mtime_ns for name in names(out)}
    again = transcribe_videos([str(videos)], str(out), TINY)
    assert (again.already_done, again.videos, again.total) == (3, 0, 0)
    assert {name: (out / name).stat().st_mtime_ns for name in names(out)} == before
    (out / "one.mp4.vtt").unlink()
    os.utime(videos / "silent.mp4", ns=(1, 1))
    again = transcribe_videos([str(videos)], str(out), TINY)
    assert (again.already_done, again.videos) == (1, 2)
    assert names(out) == PAIRS
    assert document(out / "silent.mp4.json")["listed"].endswith("-1")


def test_a_correction_by_hand_stays(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    transcribe_videos([str(videos / "one.mp4")], str(out), TINY)
    made = document(out / "one.mp4.json")
    made["segments"][0]["text"] = "Corrected."
    (out / "one.mp4.json").write_text(json.dumps(made, indent=2))
    assert transcribe_videos([str(videos / "one.mp4")], str(out), TINY).already_done == 1
    assert document(out / "one.mp4.json")["segments"][0]["text"] == "Corrected."


def test_other_options_are_refused_by_name(videos: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    transcribe_videos([str(videos / "one.mp4")], out, TINY)
    other = TranscribeOptions(model=str(WHISPER), device="cpu", language="en")
    with pytest.raises(RunError, match="--language was None, now 'en'"):
        transcribe_videos([str(videos)], out, other)
    exact = TranscribeOptions(model=str(WHISPER), device="cpu", compute_type="float32")
    with pytest.raises(RunError, match="--compute-type was 'int8', now 'float32'"):
        transcribe_videos([str(videos)], out, exact)
    bigger = TranscribeOptions(model=str(WHISPER), device="cpu", batch_size=1)
    assert transcribe_videos([str(videos / "one.mp4")], out, bigger).already_done == 1


def test_what_cannot_be_heard_is_written_down(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make_video(videos / "mute.mp4")
    (videos / "text.mp4").write_text("no video")
    (videos / "empty.mp4").touch()
    (videos / "gone.mp4").symlink_to("nowhere")
    (videos / "list.txt").write_text("sub\nabsent.mp4\n")
    tally = transcribe_videos([str(videos), f"@{videos / 'list.txt'}"], str(out), TINY)
    assert tally.videos == 3, "sub/three.mp4 is listed twice, and heard once"
    reasons = {line["video_id"]: line["reason"] for line in skipped(out)}
    assert reasons == {
        "mute.mp4": "no_audio_stream",
        "text.mp4": "not_a_video",
        "empty.mp4": "empty_file",
        "gone.mp4": "not_found",
        "absent.mp4": "not_found",
    }
    assert sum(tally.skipped.values()) == 5
    assert all(line["detail"] and line["source"] for line in skipped(out))
    make_video(videos / "mute.mp4", audio_s=1.0)
    again = transcribe_videos([str(videos)], str(out), TINY)
    assert again.videos == 1, "what was skipped is tried again"
    assert {line["video_id"] for line in skipped(out)} == {"text.mp4", "empty.mp4", "gone.mp4"}
    last = transcribe_videos([str(videos / "one.mp4")], str(out), TINY)
    assert (last.already_done, dict(last.skipped), skipped(out)) == (1, {}, [])


def test_no_id_leaves_the_folder(videos: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    ids = ["../up.mp4", "/root.mp4", "a/../../b.mp4", "new\nline.mp4", "plain"]
    rows = [json.dumps({"video": str(videos / "silent.mp4"), "video_id": name}) for name in ids]
    for n, row in enumerate(rows):  # the same file under several ids needs several copies
        copy = videos / f"copy-{n}.mp4"
        shutil.copy(videos / "silent.mp4", copy)
        rows[n] = row.replace("silent.mp4", copy.name)
    (home / "table.jsonl").write_text("\n".join(rows))
    before = {path for path in tmp_path.rglob("*") if home not in path.parents}
    tally = transcribe_videos([str(home / "table.jsonl")], str(home / "out"), TINY)
    assert tally.videos == len(ids)
    assert {path for path in tmp_path.rglob("*") if home not in path.parents} == before
    made = [path for path in (home / "out").iterdir() if path.suffix == ".json"]
    assert {document(path)["video_id"] for path in made} == set(ids)
    again = transcribe_videos([str(home / "table.jsonl")], str(home / "out"), TINY)
    assert again.already_done == len(ids)


def test_a_name_that_is_not_unicode(videos: Path, tmp_path: Path) -> None:
    shutil.copy(videos / "silent.mp4", videos / "caf\udce9.mp4")
    out = tmp_path / "out"
    assert transcribe_videos([str(videos)], str(out), TINY).videos == 4
    assert "caf\\xe9.mp4.json" in names(out)
    assert transcribe_videos([str(videos)], str(out), TINY).already_done == 4


def test_interrupted_it_keeps_what_is_finished(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def interrupting(source: str) -> Iterator[AudioBlock]:
        yield from audio_blocks(source)
        if source.endswith("three.mp4"):
            raise KeyboardInterrupt

    monkeypatch.setattr("pseudolabel.evaluation.transcribe.audio_blocks", interrupting)
    with pytest.raises(KeyboardInterrupt):
        transcribe_videos([str(videos)], str(out), TINY)
    assert names(out) == {name for name in PAIRS if "three" not in name}
    monkeypatch.undo()
    assert transcribe_videos([str(videos)], str(out), TINY).already_done == 2
    assert names(out) == PAIRS


def test_killed_between_its_two_files_it_is_not_done(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where there was a transcript of the video's content before."""
    out, source = tmp_path / "out", videos / "one.mp4"
    transcribe_videos([str(source)], str(out), TINY)
    os.utime(source, ns=(1, 1))
    whole = transcript_folder._write

    def killed(path: Path, text: str) -> None:
        if path.suffix == ".json":
            raise KeyboardInterrupt
        whole(path, text)

    monkeypatch.setattr(transcript_folder, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        transcribe_videos([str(source)], str(out), TINY)
    assert "one.mp4.json" not in names(out)
    monkeypatch.undo()
    assert transcribe_videos([str(source)], str(out), TINY).videos == 1


def test_a_disk_without_space(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="no space left"):
        transcribe_videos([str(videos)], str(tmp_path / "out"), TINY)
    assert not [path for path in (tmp_path / "out").rglob("*") if path.suffix == ".tmp"]


def test_a_folder_of_something_else_is_refused(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "one.mp4.json").write_text("{}")
    with pytest.raises(RunError, match="is not empty, and transcribe did not make it"):
        transcribe_videos([str(videos)], str(tmp_path / "mine"), TINY)
    assert names(tmp_path / "mine") == {"one.mp4.json"}
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        transcribe_videos([str(videos)], str(tmp_path / "file"), TINY)
    with pytest.raises(RunError, match="not a local folder"):
        transcribe_videos([str(videos)], "s3://bucket/out", TINY)


def test_one_writer_at_a_time(videos: Path, tmp_path: Path) -> None:
    refused: list[str] = []

    def second(_: TranscribeTally) -> None:
        with pytest.raises(RunError, match="another process") as caught:
            transcribe_videos([str(videos)], str(tmp_path / "out"), TINY)
        refused.append(str(caught.value))

    transcribe_videos([str(videos / "one.mp4")], str(tmp_path / "out"), TINY, on_progress=second)
    assert refused


def test_what_cannot_start_leaves_no_trace(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError):
        transcribe_videos([str(videos / "absent.mp4")], str(out), TINY)
    with pytest.raises(OptionError, match="--language de"):
        german = TranscribeOptions(model=str(WHISPER), device="cpu", language="de")
        transcribe_videos([str(videos)], str(out), german)
    assert not out.exists()
    (tmp_path / "there").mkdir()
    with pytest.raises(OptionError, match="--language de"):
        transcribe_videos([str(videos)], str(tmp_path / "there"), german)
    assert list((tmp_path / "there").iterdir()) == []
