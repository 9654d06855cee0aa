"""A real Whisper model hears real speech; and what is no model, device or language is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from loopback_hub import LoopbackHub
from pseudolabel.errors import MissingExtraError, OptionError
from pseudolabel.speech import whisper_files
from pseudolabel.speech.transcription import SAMPLE_RATE_HZ, AudioBlock, Heard, Transcriber
from pseudolabel.speech.whisper_files import TranscribeOptions, find_whisper
from speech_clip import SAID, WHISPER, music, silence, speech


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return Transcriber(find_whisper(TranscribeOptions(model=str(WHISPER))), batch_size=4)


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower().replace("twenty", "20"))


def text_of(heard: Heard) -> str:
    return " ".join(segment.segment.text for segment in heard.segments)


def errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words to insert, delete or replace to get from one to the other."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        before, row = row, [i]
        for j, other in enumerate(heard, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other)))
    return row[-1]


def test_speech_is_heard(transcriber: Transcriber) -> None:
    """One word in ten may be wrong: the voice is a machine's, and the model the smallest."""
    heard = transcriber.transcribe([AudioBlock(0.0, speech())])
    assert errors(words(SAID), words(text_of(heard))) <= len(words(SAID)) // 10
    assert len(heard.segments) == 3, "a sentence each"
    assert heard.language == "en"
    assert heard.audio_s == pytest.approx(16.6, abs=0.1)
    assert 14 < heard.speech_s <= heard.audio_s


def test_words_have_times(transcriber: Transcriber) -> None:
    heard = transcriber.transcribe([AudioBlock(100.0, speech())])
    said = [word for segment in heard.segments for word in segment.segment.words or ()]
    assert [word.text for word in said] == text_of(heard).split()
    starts_s = [word.span.start_s for word in said]
    assert starts_s == sorted(starts_s)
    (carrots_s,) = (word.span.start_s for word in said if "carrots" in word.text)
    assert 107 < carrots_s < 109.5
    assert all(0 < p <= 1 for segment in heard.segments for p in segment.probabilities)


def test_blocks_are_heard_at_their_time(transcriber: Transcriber) -> None:
    clip = speech()
    blocks = [AudioBlock(0.0, silence(5)), AudioBlock(5.0, clip), AudioBlock(900.0, clip)]
    seen_s: list[float] = []
    heard = transcriber.transcribe(blocks, seen_s.append)
    assert [round(s.segment.span.start_s) for s in heard.segments] == [
        *(5, 10, 16),
        *(900, 905, 911),
    ]
    total_s = 5 + 2 * len(clip) / SAMPLE_RATE_HZ
    assert heard.audio_s == seen_s[-1] == pytest.approx(total_s)
    assert seen_s == sorted(seen_s)


def test_the_batch_size_changes_nothing(transcriber: Transcriber) -> None:
    """More than 30 seconds of speech, so that there is more than one stretch."""
    block = AudioBlock(0.0, np.concatenate([speech()] * 3))
    other = Transcriber(find_whisper(TranscribeOptions(model=str(WHISPER))), batch_size=1)
    assert transcriber.transcribe([block]).segments == other.transcribe([block]).segments


@pytest.mark.parametrize("sound", [silence(20), music(20), silence(0), silence(0.001)])
def test_where_nobody_speaks_nothing_is_heard(transcriber: Transcriber, sound: object) -> None:
    assert isinstance(sound, np.ndarray)
    heard = transcriber.transcribe([AudioBlock(0.0, sound)])
    assert heard.segments == ()
    assert heard.language is None
    assert heard.speech_s == 0.0
    assert transcriber.transcribe([]).audio_s == 0.0


def test_what_computes_how(tmp_path: Path) -> None:
    found = find_whisper(TranscribeOptions(model=str(WHISPER), device="cpu"))
    assert (found.device, found.compute_type) == ("cpu", "int8")
    assert re.fullmatch(r"sha256:[0-9a-f]{16}", found.revision)
    (tmp_path / "model").mkdir()
    for path in WHISPER.iterdir():
        (tmp_path / "model" / path.name).symlink_to(path)
    (tmp_path / "model" / "README.md").write_text("not loaded")
    again = find_whisper(TranscribeOptions(model=str(tmp_path / "model"), device="cpu"))
    assert (again.model, again.revision) == (found.model, found.revision)
    (tmp_path / "model" / "vocabulary.txt").unlink()
    other = find_whisper(TranscribeOptions(model=str(tmp_path / "model"), device="cpu"))
    assert other.revision != found.revision


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "huge"}, "--model huge: neither a size nor a folder"),
        ({"model": "nobody/none"}, "--model nobody/none: is not in the local cache"),
        ({"model": "small@v1"}, "--model small@v1: is not in the local cache"),
        ({"model": "/etc"}, "--model /etc: has no config.json, no model.bin, no tokenizer.json"),
        ({"model": "not a/name!"}, "--model not a/name!: is not in the local cache"),
        ({"device": "tpu"}, "--device tpu: not a device"),
        ({"device": "cpu:1"}, "--device cpu:1: not a device"),
        ({"device": "cuda:"}, "--device cuda:: not a device"),
        ({"device": "cuda:99"}, "--device cuda:99: CTranslate2 sees"),
        ({"device": "cpu", "compute_type": "int4"}, "--compute-type int4: not on cpu"),
    ],
)
def test_what_is_not_there_is_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        find_whisper(TranscribeOptions(**{"model": str(WHISPER), **options}))  # type: ignore[arg-type]
    assert str(caught.value).startswith(message)
    assert caught.value.hint


def test_what_the_hub_says_is_told_without_addresses(hub: LoopbackHub) -> None:
    with pytest.raises(OptionError, match="Repository Not Found") as caught:
        find_whisper(TranscribeOptions(model="nobody/none"))
    assert hub.url in str(caught.value.__cause__)
    assert "://" not in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("batch_size", 0), ("model", " ")])
def test_options_check_themselves(name: str, value: object) -> None:
    with pytest.raises(OptionError, match=name.replace("_", "-")):
        TranscribeOptions(**{name: value})  # type: ignore[arg-type]


def test_a_language_that_the_model_does_not_know() -> None:
    files = find_whisper(TranscribeOptions(model=str(WHISPER)))
    with pytest.raises(OptionError, match="--language de: model does not know it") as caught:
        Transcriber(files, language="de")
    assert caught.value.hint == "one of: en"


@pytest.mark.parametrize("content", [b"", b"no model", b"\x06\x00\x00\x00" * 64])
def test_weights_that_are_none(tmp_path: Path, content: bytes) -> None:
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / name).write_bytes((WHISPER / name).read_bytes())
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(OptionError, match="cannot be loaded on cpu"):
        Transcriber(find_whisper(TranscribeOptions(model=str(tmp_path), device="cpu")))


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper_files, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError) as caught:
        find_whisper(TranscribeOptions())
    assert "faster-whisper" in str(caught.value)
    assert caught.value.hint == "pip install 'pseudolabel[asr]'"
