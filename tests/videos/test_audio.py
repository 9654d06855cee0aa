"""The sound of videos: when it is heard, in blocks, and why it cannot be had."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pseudolabel.speech.transcription import SAMPLE_RATE_HZ, AudioBlock
from pseudolabel.videos.audio import AudioSkippedError, audio_blocks
from speech_clip import CLIP, silence, video_with_sound
from video_factory import make_video


def beep(seconds: float = 0.5) -> NDArray[np.float32]:
    time_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (0.5 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)


def beeps_s(block: AudioBlock) -> list[float]:
    """When beeps start, on the player's clock."""
    moment = SAMPLE_RATE_HZ // 100
    count = len(block.samples) // moment
    levels = np.abs(block.samples[: count * moment]).reshape(count, moment).max(axis=1) > 0.2
    starts = np.flatnonzero(levels & ~np.concatenate([[False], levels[:-1]]))
    return [block.start_s + float(start) / 100 for start in starts]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.ts"])
@pytest.mark.parametrize("late_s", [0.0, 3.25])
def test_sound_is_heard_when_a_player_plays_it(tmp_path: Path, name: str, late_s: float) -> None:
    samples = np.concatenate([silence(1), beep(), silence(1), beep()])
    path = video_with_sound(tmp_path / name, samples, sound_starts_s=late_s)
    (block,) = audio_blocks(str(path))
    assert beeps_s(block) == pytest.approx([late_s + 1, late_s + 2.5], abs=0.08)


@pytest.mark.parametrize("hole_s", [4.0, 100.0])
def test_after_a_hole_sound_is_where_it_belongs(tmp_path: Path, hole_s: float) -> None:
    """A short one is filled with silence; a long one would be memory spent on nothing."""
    samples = np.concatenate([silence(0.5), beep(), silence(1), beep(), silence(0.5)])
    path = video_with_sound(tmp_path / "a.mkv", samples, hole=(1.5, hole_s), codec="flac")
    blocks = list(audio_blocks(str(path)))
    assert len(blocks) == (1 if hole_s < 30 else 2)
    found = [time_s for block in blocks for time_s in beeps_s(block)]
    assert found == pytest.approx([0.5, 2.0 + hole_s], abs=0.08)


def test_blocks_follow_each_other_and_are_cut_where_it_is_quiet(tmp_path: Path) -> None:
    samples = np.concatenate([np.concatenate([beep(1.5), silence(0.5)])] * 10)
    path = video_with_sound(tmp_path / "a.mkv", samples, codec="flac")
    (whole,) = audio_blocks(str(path))
    blocks = list(audio_blocks(str(path), block_s=6))
    assert len(blocks) > 3
    assert np.array_equal(np.concatenate([block.samples for block in blocks]), whole.samples)
    at_s = 0.0
    for block in blocks:
        assert block.start_s == pytest.approx(at_s)
        assert block.duration_s < 6.2
        at_s += block.duration_s
        assert np.abs(block.samples[-100:]).max() < 0.01, "no word is cut in two"


def test_no_sound(tmp_path: Path) -> None:
    make_video(tmp_path / "mute.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    reasons = {}
    for name in ("mute.mp4", "text.mp4", "empty.mp4", "absent.mp4", "."):
        with pytest.raises(AudioSkippedError) as caught:
            list(audio_blocks(str(tmp_path / name)))
        reasons[name] = caught.value.reason
    assert reasons == {
        "mute.mp4": "no_audio_stream",
        "text.mp4": "not_a_video",
        "empty.mp4": "empty_file",
        "absent.mp4": "not_found",
        ".": "unreadable",
    }


def test_of_a_file_cut_short_what_is_there(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, 9 * SAMPLE_RATE_HZ).astype(np.float32)
    samples = np.concatenate([silence(0.5), beep(), noise])
    path = video_with_sound(tmp_path / "a.mkv", samples, codec="flac")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    (block,) = audio_blocks(str(path))
    assert 2 < block.duration_s < 9
    assert beeps_s(block) == pytest.approx([0.5], abs=0.08)


def test_damage_moves_nothing(tmp_path: Path) -> None:
    samples = np.concatenate([beep(), silence(3), beep(), silence(3), beep()])
    path = video_with_sound(tmp_path / "a.mkv", samples, codec="flac")
    (before,) = audio_blocks(str(path))
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + 600] = bytes(600)
    path.write_bytes(raw)
    times_s = [time_s for block in audio_blocks(str(path)) for time_s in beeps_s(block)]
    assert times_s[0] == pytest.approx(beeps_s(before)[0], abs=0.08)
    assert times_s[-1] == pytest.approx(beeps_s(before)[-1], abs=0.08)


def test_a_file_without_pictures_is_heard() -> None:
    """And resampled: this one is 48 kHz."""
    (block,) = audio_blocks(str(CLIP))
    assert block.duration_s == pytest.approx(16.6, abs=0.1)
    assert block.samples.dtype == np.float32
    assert block.samples.ndim == 1
