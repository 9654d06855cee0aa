"""Times are the player's, whose 0 is the container's start: never negative, shifted or lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pseudolabel.records import SkipReason, Span
from video_factory import make_video, read_number, x264_options

Read = Callable[..., Any]

_SOUND_RATE_HZ = 48_000


def late_copy(
    source: Path, path: Path, *, first: int = 0, shift_s: float = 0.0, sound_s: float | None = None
) -> Path:
    """The same packets from number `first` on, at other times, perhaps with sound that follows."""
    with av.open(str(source)) as given, av.open(str(path), "w") as output:
        pictures = given.streams.video[0]
        assert pictures.time_base is not None
        copied = output.add_stream_from_template(pictures)
        sound = _sound(output, sound_s) if sound_s is not None else []
        shift = round(shift_s / pictures.time_base)
        packets = [packet for packet in given.demux(pictures) if packet.size]
        for packet in packets[first:]:
            assert packet.pts is not None
            packet.pts += shift
            if packet.dts is not None:
                packet.dts += shift
            packet.stream = copied
            output.mux(packet)
        output.mux(sound)
    return path


def _sound(output: Any, start_s: float) -> list[Any]:
    """A second and more of silence, encoded."""
    stream = output.add_stream("aac", rate=_SOUND_RATE_HZ)
    stream.codec_context.layout = "mono"
    silence = np.zeros((1, 2 * _SOUND_RATE_HZ), np.float32)
    frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
    frame.sample_rate, frame.pts = _SOUND_RATE_HZ, round(start_s * _SOUND_RATE_HZ)
    return [*stream.encode(frame), *stream.encode(None)]


def offsets_s(outcome: Any, fps: float) -> set[float]:
    """By how much the frames' times are later than their numbers say."""
    return {
        round(f.time_s - n / fps, 2) for f, n in zip(outcome.frames, outcome.numbers, strict=True)
    }


def plainly_decoded(path: Path) -> list[int]:
    """The numbers of all frames, in order, decoded from the front."""
    with av.open(str(path)) as container:
        pictures = container.streams.video[0]
        pictures.thread_type = "NONE"
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(pictures)]
    return [read_number(np.asarray(frame, np.uint8)) for frame in frames]


@pytest.mark.parametrize("ending", ["mkv", "mp4", "mov", "ts", "flv"])
@pytest.mark.parametrize("fps", [0.5, 1, 25])
@pytest.mark.parametrize("bframes", [0, 2, 7])
@pytest.mark.parametrize("start_s", [0.0, 0.7, 3.0])
def test_a_start_that_is_not_zero(
    tmp_path: Path, read: Read, ending: str, fps: float, bframes: int, start_s: float
) -> None:
    path = tmp_path / f"v.{ending}"
    make_video(path, seconds=20 / fps, fps=fps, gop=6, bframes=bframes, start_s=start_s)
    for snap in ("exact", "keyframe"):
        outcome = read(path, clips=f"fixed:{1 / fps}", snap=snap)
        # FFmpeg does not find out where such a file begins; its clock begins at 0, as in players.
        is_unknown = ending == "mkv" and fps <= 1 and not bframes
        late_s = start_s if is_unknown else 0.0
        assert outcome.info.first_frame_s == late_s
        if snap == "exact" or not is_unknown:  # else a keyframe may stand for the frame before it
            assert set(outcome.numbers) == set(range(20))
        assert offsets_s(outcome, fps) == {late_s}
        assert not outcome.skipped
        least_s = 1.0 if ending in ("ts", "flv") else 1 / fps  # the last frame's time is not told
        assert outcome.info.end_s >= late_s + 19 / fps + min(least_s, 1 / fps) - 0.002
        assert outcome.info.end_s <= late_s + 20 / fps + 0.002


@pytest.mark.parametrize("ending", ["mkv", "mp4", "mov", "ts", "flv"])
@pytest.mark.parametrize("fps", [0.5, 1, 25])
@pytest.mark.parametrize("bframes", [0, 2])
def test_sound_that_begins_first(
    tmp_path: Path, read: Read, ending: str, fps: float, bframes: int
) -> None:
    path = tmp_path / f"v.{ending}"
    make_video(path, seconds=12 / fps, fps=fps, bframes=bframes, start_s=3.0, audio_s=4.0)
    outcome = read(path, clips=f"fixed:{1 / fps}")
    # 1024 samples at 16 kHz come before the sound, where the container has no edit list.
    late_s = outcome.info.first_frame_s
    assert late_s == pytest.approx(3.0, abs=0.07)
    assert offsets_s(outcome, fps) == {round(late_s, 2)}
    assert set(outcome.numbers) == set(range(12))
    assert outcome.plans[0].span.end_s > late_s
    assert not outcome.skipped


@pytest.mark.parametrize(("fps", "first"), [(0.5, 6), (1, 6), (25, 6), (25, 7)])
def test_pictures_before_what_is_thought_to_be_the_start(
    tmp_path: Path, read: Read, fps: float, first: int
) -> None:
    # FFmpeg does not find out where these pictures begin, and takes the start of the sound.
    source = make_video(tmp_path / "v.mkv", seconds=14 / fps, fps=fps, gop=6, start_s=0.5)
    path = late_copy(source, tmp_path / "late.mkv", first=first, sound_s=first / fps + 2.2)
    outcome = read(path, clips=f"fixed:{1 / fps}")
    key = 6 if first == 6 else 12
    assert outcome.info.first_frame_s >= 0
    assert outcome.info.end_s > outcome.info.first_frame_s
    assert set(outcome.numbers) == set(range(key, 14))
    assert len(offsets_s(outcome, fps)) == 1
    assert min(outcome.times) >= 0
    assert all(plan.span.start_s >= 0 for plan in outcome.plans)


@pytest.mark.parametrize("ending", ["mp4", "mov"])
@pytest.mark.parametrize("fps", [0.5, 1, 25])
@pytest.mark.parametrize(
    ("bframes", "params"), [(0, ""), (3, ""), (3, "open-gop=1"), (7, "b-pyramid=normal")]
)
@pytest.mark.parametrize("snap", ["exact", "keyframe"])
def test_an_edit_list_that_begins_within_a_gop(
    tmp_path: Path, read: Read, ending: str, fps: float, bframes: int, params: str, snap: str
) -> None:
    options = x264_options(gop=8, bframes=bframes, params=params)
    source = tmp_path / "whole.mp4"
    make_video(source, seconds=30 / fps, fps=fps, bframes=bframes, options=options)
    path = late_copy(source, tmp_path / f"cut.{ending}", shift_s=-3 / fps)
    outcome = read(path, clips=f"fixed:{1 / fps}", snap=snap)
    assert outcome.info.first_frame_s == 0
    assert outcome.numbers == list(range(3, 30)), "what is hidden is needed to decode the rest"
    assert offsets_s(outcome, fps) == {round(-3 / fps, 2)}
    assert not outcome.skipped
    outcome = read(path, clips=f"fixed:{4 / fps}", snap=snap)
    assert 0 not in outcome.numbers, "the keyframe at the front is hidden"
    assert offsets_s(outcome, fps) == {round(-3 / fps, 2)}


def test_frames_after_a_hidden_keyframe_in_any_order(tmp_path: Path, read: Read) -> None:
    options = x264_options(gop=25, bframes=3, params="ref=1:b-pyramid=normal")
    source = make_video(tmp_path / "v.mp4", seconds=2, bframes=3, options=options)
    path = late_copy(source, tmp_path / "cut.mp4", shift_s=-5 / 25)
    spans = tuple(Span(n / 25, (n + 1) / 25) for n in (12, 3, 30, 0, 19))
    outcome = read(path, clips="spans", spans=spans)
    assert outcome.numbers == [17, 8, 35, 5, 24]


@pytest.mark.parametrize("ending", ["mkv", "ts", "flv"])
@pytest.mark.parametrize("fps", [1, 25])
def test_pictures_shown_before_the_first_in_the_file(
    tmp_path: Path, read: Read, ending: str, fps: float
) -> None:
    options = x264_options(gop=8, bframes=7, params="b-pyramid=normal:open-gop=1:repeat-headers=1")
    source = tmp_path / "whole.mp4"
    make_video(source, seconds=30 / fps, fps=fps, bframes=7, options=options)
    for first in (0, 3, 8, 9):
        path = late_copy(source, tmp_path / f"cut.{ending}", first=first)
        outcome = read(path, clips=f"fixed:{1 / fps}")
        assert outcome.info.first_frame_s >= 0
        assert min(outcome.times) >= 0
        assert set(outcome.numbers) == set(plainly_decoded(path))
        assert len(offsets_s(outcome, fps)) == 1
        assert not outcome.skipped


def test_packets_without_a_presentation_time(tmp_path: Path, read: Read) -> None:
    options = x264_options(gop=8, bframes=7, params="b-pyramid=normal:open-gop=1")
    source = make_video(tmp_path / "v.mkv", seconds=1.2, bframes=7, options=options)
    path = late_copy(source, tmp_path / "untimed.mkv", first=9, shift_s=-9 / 25 - 0.3)
    with av.open(str(path)) as container:
        assert None in [packet.pts for packet in container.demux(video=0) if packet.size]
    outcome = read(path, clips="fixed:0.04")
    assert outcome.numbers == list(range(16, 30))
    assert offsets_s(outcome, 25) == {-0.64}


@pytest.mark.parametrize("fps", [1, 25])
def test_avi_has_decoding_times_alone(tmp_path: Path, read: Read, fps: float) -> None:
    # Its ticks are finer than its frames, as where frames were dropped while recording.
    path = make_video(tmp_path / "v.avi", seconds=12 / fps, fps=fps, gop=6)
    outcome = read(path, clips=f"fixed:{1 / fps}")
    assert outcome.info.first_frame_s == 0
    assert set(outcome.numbers) >= set(range(11))
    assert offsets_s(outcome, fps) == {0.0}


@pytest.mark.parametrize("start_s", [0.0, 5.0])
def test_a_late_file_that_is_cut_short_is_called_so(
    tmp_path: Path, read: Read, start_s: float
) -> None:
    whole = make_video(tmp_path / "v.mkv", seconds=30, start_s=start_s).read_bytes()
    path = tmp_path / "half.mkv"
    path.write_bytes(whole[: len(whole) // 2])
    outcome = read(path, clips="fixed:1")
    assert [skipped.reason for skipped in outcome.skipped] == [SkipReason.TRUNCATED]
    assert outcome.info.first_frame_s == 0
