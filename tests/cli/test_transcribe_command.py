"""`pseudolabel transcribe`: what it prints, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from speech_clip import WHISPER, speech, video_with_sound
from video_factory import make_video

Invoke = Callable[..., Result]
MODEL = ("--model", WHISPER, "--device", "cpu")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    video_with_sound(folder / "talk.mp4", speech())
    make_video(folder / "tone.mp4", audio_s=1.0)
    make_video(folder / "mute.mp4")
    return folder


def test_a_summary_for_people(invoke: Invoke, videos: Path, tmp_path: Path) -> None:
    result = invoke("transcribe", videos, "--out", tmp_path / "out", *MODEL)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "", "no data was asked for"
    assert "words of 2 videos" in result.stderr
    assert "no speech      in 1 of them" in result.stderr
    assert "1 no_audio_stream; see" in result.stderr
    assert "x real time" in result.stderr
    assert "soup" in (tmp_path / "out" / "talk.mp4.vtt").read_text()
    again = invoke("transcribe", videos, "--out", tmp_path / "out", *MODEL)
    assert "(2 videos were done before)" in again.stderr


def test_a_summary_for_programs(invoke: Invoke, videos: Path, tmp_path: Path) -> None:
    result = invoke("transcribe", videos, "--out", tmp_path / "out", *MODEL, "--json")
    (line,) = result.stdout.splitlines()
    summary = json.loads(line)
    assert summary["transcripts"] == str(tmp_path / "out")
    assert (summary["videos"], summary["without_speech"]) == (2, 1)
    assert summary["skipped"] == {"no_audio_stream": 1}
    assert summary["words"] > 25
    assert summary["audio_hours"] == pytest.approx(17.6 / 3600, rel=0.02)
    assert summary["times_real_time"] > 0
    assert result.stderr == "", "no bar where there is no terminal"


def test_strict_fails_where_something_was_skipped(
    invoke: Invoke, videos: Path, tmp_path: Path
) -> None:
    given = ("--out", tmp_path / "out", *MODEL, "--strict")
    assert invoke("transcribe", videos / "tone.mp4", *given).exit_code == 0
    assert invoke("transcribe", videos / "mute.mp4", *given).exit_code == 1


def test_errors_are_one_line_and_a_hint(invoke: Invoke, videos: Path, tmp_path: Path) -> None:
    result = invoke("transcribe", videos, "--out", tmp_path / "out", "--model", "huge")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: --model huge: neither a size nor a folder")
    assert "sizes: tiny.en" in result.stderr
    assert len(result.stderr.splitlines()) == 2


def test_options_from_a_file(invoke: Invoke, videos: Path, tmp_path: Path) -> None:
    config = tmp_path / "t.toml"
    config.write_text(f'model = "{WHISPER}"\nlanguage = "en"\nbatch-size = 2\n')
    result = invoke("transcribe", videos, "--out", tmp_path / "out", "--config", config, "--json")
    assert result.exit_code == 0, result.stderr
    made = json.loads((tmp_path / "out" / "tone.mp4.json").read_text())
    assert made["options"]["--language"] == "en"
