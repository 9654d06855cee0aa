from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pseudolabel.records import FrameSize, SkipReason, Span, Video
from pseudolabel.videos.decode import VideoOpened, VideoSkippedError, read_video
from pseudolabel.videos.options import ClipOptions, FrameOptions
from video_factory import make_video, read_number, x264_options

Read = Callable[..., Any]


def reason_of(path: Path | str, **options: Any) -> SkipReason:
    with pytest.raises(VideoSkippedError) as caught:
        list(
            read_video(
                Video("v", str(path), spans=options.pop("spans", None)),
                ClipOptions.parse(options.pop("clips", "fixed:8")),
                FrameOptions(),
                FrameSize(96, 64),
            )
        )
    assert caught.value.detail
    assert "\n" not in caught.value.detail
    return caught.value.reason


def test_keyframe_nearest_the_center_or_the_exact_frame(tmp_path: Path, read: Read) -> None:
    path = make_video(tmp_path / "v.mp4", seconds=4, gop=30, bframes=2)  # keys at 0, 1.2, 2.4, 3.6
    outcome = read(path, clips="fixed:1", snap="keyframe")
    assert outcome.numbers == [0, 30, 60, 90]
    assert outcome.times == [0, 1.2, 2.4, 3.6]
    assert all(frame.is_keyframe for frame in outcome.frames)
    outcome = read(path, clips="fixed:0.5", snap="keyframe")
    assert outcome.numbers == [0, 18, 30, 43, 60, 68, 81, 90]
    assert [frame.is_keyframe for frame in outcome.frames] == [n % 30 == 0 for n in outcome.numbers]


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.ts", "v.flv"])
def test_every_part_of_a_clip_has_its_own_keyframe(tmp_path: Path, read: Read, name: str) -> None:
    path = make_video(tmp_path / name, seconds=4, gop=30, bframes=2)
    outcome = read(path, clips="whole", count=5, snap="keyframe")  # parts of 0.8 s
    assert outcome.numbers == [0, 30, 50, 60, 90]
    assert [frame.position for frame in outcome.frames] == [0, 1, 2, 3, 4]


def test_two_wanted_times_on_one_frame_give_it_once(tmp_path: Path, read: Read) -> None:
    path = make_video(tmp_path / "v.mp4", times_s=[0, 0.04, 3.0, 3.04], fps=25)
    outcome = read(path, clips="whole", count=6)
    assert outcome.numbers == [1]  # which is on screen from 0.04 s until 3 s
    assert not outcome.skipped


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv"])
def test_variable_rate_shows_what_is_on_screen(tmp_path: Path, read: Read, name: str) -> None:
    times = [0.0, 0.04, 0.08, 0.6, 0.64, 1.4, 1.44, 1.48]
    path = make_video(tmp_path / name, times_s=times, bframes=2)
    outcome = read(path, clips="fixed:0.5")
    assert outcome.numbers[:3] == [2, 4, 4]  # at 0.25, 0.75 and 1.25 s
    assert outcome.times[:3] == [0.08, 0.64, 0.64]
    assert outcome.info.end_s == pytest.approx(1.52, abs=0.01)


def test_times_are_on_the_players_clock(tmp_path: Path, read: Read) -> None:
    late = make_video(tmp_path / "late.ts", start_s=100.0)
    outcome = read(late, clips="fixed:1")
    assert outcome.info.first_frame_s == 0
    assert outcome.numbers == [12, 37]
    behind_sound = make_video(tmp_path / "behind.mp4", start_s=1.0, audio_s=3.0)
    outcome = read(behind_sound, clips="fixed:0.5")
    assert outcome.info.first_frame_s == pytest.approx(1.0)
    assert outcome.info.end_s == pytest.approx(3.0)
    assert outcome.plans[0].span == Span(1.0, 1.5)
    assert outcome.numbers == [6, 18, 31, 43]


def test_the_first_frame_stands_for_the_time_before_it(tmp_path: Path, read: Read) -> None:
    path = make_video(tmp_path / "v.mp4", start_s=1.5, audio_s=3.0)
    outcome = read(path, clips="fixed:2")
    assert outcome.plans[0].span == Span(0.0, 2.0)
    assert outcome.numbers[0] == 0


def test_a_stream_cut_before_its_first_keyframe(tmp_path: Path, read: Read) -> None:
    whole = make_video(tmp_path / "whole.ts", seconds=4, gop=25).read_bytes()
    path = tmp_path / "cut.ts"
    path.write_bytes(whole[188 * 10 :])
    outcome = read(path, clips="fixed:0.5")
    first = read_number(outcome.frames[0].pixels)
    assert 0 < outcome.info.first_frame_s < 1
    assert first == 25
    assert all(number >= 25 for number in outcome.numbers)
    assert not outcome.skipped


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_rotation_is_applied(tmp_path: Path, read: Read, rotation: int) -> None:
    path = make_video(tmp_path / "v.mp4", rotation=rotation, size=(128, 64))
    outcome = read(path, clips="fixed:1", size=FrameSize(64, 64, "contain"))
    assert (outcome.info.width, outcome.info.height) == (128, 64)
    assert outcome.info.rotation_deg == -rotation % 360
    assert outcome.frames[0].pixels.shape == (32, 64, 3)
    assert outcome.numbers == [12, 37]


def test_pixels_that_are_not_square_are_shown_as_they_should_be(tmp_path: Path, read: Read) -> None:
    params = {"x264-params": x264_options(gop=12, bframes=0, params="sar=2/1")["x264-params"]}
    outcome = read(
        make_video(tmp_path / "v.mp4", options=params), size=FrameSize(96, 96, "contain")
    )
    assert (outcome.info.width, outcome.info.height) == (192, 64)
    assert outcome.frames[0].pixels.shape == (32, 96, 3)


@pytest.mark.parametrize(
    ("name", "making"),
    [
        ("ten_bit.mp4", {"pixel_format": "yuv420p10le"}),
        ("odd.mp4", {"pixel_format": "yuv444p", "size": (97, 63)}),
        ("gif.gif", {"codec": "gif", "pixel_format": "rgb8"}),
        ("palette.avi", {"codec": "rawvideo", "pixel_format": "bgr24"}),
        ("gray.mkv", {"codec": "ffv1", "pixel_format": "gray"}),
        ("alpha.mov", {"codec": "qtrle", "pixel_format": "argb"}),
        ("prores.mov", {"codec": "prores_ks", "pixel_format": "yuv422p10le"}),
        ("jpeg.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
        ("interlaced.mp4", {"options": x264_options(gop=12, bframes=0, params="tff=1")}),
        ("cover.mp4", {"cover": True}),
        ("sound.mkv", {"audio_s": 2.0}),
        ("late_end.mp4", {"audio_s": 6.0}),
        ("animated.png", {"codec": "apng", "pixel_format": "rgb24", "container": "apng"}),
    ],
)
def test_formats(tmp_path: Path, read: Read, name: str, making: dict[str, Any]) -> None:
    outcome = read(make_video(tmp_path / name, **making), clips="fixed:1")
    assert outcome.numbers == [12, 37]
    assert outcome.times == [0.48, 1.48]
    assert outcome.info.end_s == pytest.approx(2.0, abs=0.001)
    assert not outcome.skipped


@pytest.mark.parametrize("name", ["v.mp4", "v.gif", "v.mkv"])
def test_one_frame_is_a_video(tmp_path: Path, read: Read, name: str) -> None:
    kind: dict[str, Any] = {"codec": "gif", "pixel_format": "rgb8"} if name == "v.gif" else {}
    outcome = read(make_video(tmp_path / name, seconds=0.04, **kind), count=3, snap="keyframe")
    assert outcome.numbers == [0]
    assert outcome.info.end_s > 0


@pytest.mark.parametrize("size", [(2, 2), (1, 1)])
def test_tiny_pictures(tmp_path: Path, read: Read, size: tuple[int, int]) -> None:
    path = make_video(tmp_path / "v.mkv", size=size, codec="ffv1", pixel_format="gray")
    outcome = read(path, size=FrameSize(384, 384))
    assert outcome.frames[0].pixels.shape == (384, 384, 3)


def test_the_frame_is_scaled_as_asked(tmp_path: Path, read: Read) -> None:
    path = make_video(tmp_path / "v.mp4")
    for size, shape in (
        (FrameSize(40, 50), (50, 40)),
        (FrameSize(40, 50, "cover"), (50, 75)),
        (FrameSize(40, 50, "contain"), (27, 40)),
    ):
        frame = read(path, size=size).frames[0]
        assert frame.pixels.shape == (*shape, 3)
        assert frame.pixels.flags["C_CONTIGUOUS"]
        assert read_number(frame.pixels) == 25


def test_transparent_pixels_are_black(tmp_path: Path, read: Read) -> None:
    picture = np.zeros((64, 96, 4), np.uint8)
    picture[:, :, :3] = 200
    picture[:, 48:, 3] = 255
    path = make_video(
        tmp_path / "v.mov", codec="png", pixel_format="rgba", times_s=[0.0], pictures=[picture]
    )
    pixels = read(path).frames[0].pixels
    assert pixels[:, :40].max() == 0
    assert pixels[:, 56:].min() > 195


def test_given_spans(tmp_path: Path, read: Read) -> None:
    path = make_video(tmp_path / "v.mp4")
    spans = (Span(1.5, 9.0), Span(7.0, 8.0), Span(0.0, 1.0))
    outcome = read(path, clips="spans", spans=spans)
    assert [plan.index for plan in outcome.plans] == [0, 2]
    assert outcome.plans[0].span == Span(1.5, 2.0)
    assert outcome.numbers == [43, 12]
    (skipped,) = outcome.skipped
    assert (skipped.reason, skipped.clip, skipped.clip_index) == ("outside_video", spans[1], 1)
    assert reason_of(path, clips="spans", spans=spans[1:2]) == SkipReason.NO_CLIPS
    assert reason_of(path, clips="spans", spans=()) == SkipReason.NO_CLIPS


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.ts"])
def test_half_a_file_gives_what_is_there(tmp_path: Path, read: Read, name: str) -> None:
    muxing = {"movflags": "faststart"} if name == "v.mp4" else {}
    path = make_video(tmp_path / name, seconds=12, bframes=2, mux_options=muxing)
    whole = path.read_bytes()
    path = tmp_path / f"half_{name}"
    path.write_bytes(whole[: len(whole) // 2])
    outcome = read(path, clips="fixed:1")
    assert 1 < outcome.info.end_s < 11
    assert len(outcome.frames) >= len(outcome.plans) - 1  # the very last may be cut itself
    assert outcome.numbers == [round(frame.time_s * 25) for frame in outcome.frames]
    if name != "v.ts":  # which has no header to say how long it should be
        assert outcome.skipped[0].reason == SkipReason.TRUNCATED
        assert outcome.skipped[0].clip is None


def test_an_mp4_without_its_index_was_cut_short(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "v.mp4", seconds=4).read_bytes()
    path = tmp_path / "half.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    assert reason_of(path) == SkipReason.TRUNCATED


@pytest.mark.parametrize("snap", ["exact", "keyframe"])
def test_damage_in_the_middle_costs_the_clips_it_hit(tmp_path: Path, read: Read, snap: str) -> None:
    data = bytearray(make_video(tmp_path / "v.mp4", seconds=12, bframes=2).read_bytes())
    middle = len(data) // 3
    data[middle : middle + 3000] = b"\xff" * 3000
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    outcome = read(path, clips="fixed:0.4", snap=snap)
    assert {skipped.reason for skipped in outcome.skipped} == {SkipReason.DECODE_ERROR}
    assert 0 < len(outcome.skipped) < len(outcome.plans) / 2
    assert len(outcome.frames) + len(outcome.skipped) == len(outcome.plans)
    hit = {skipped.clip_index for skipped in outcome.skipped}
    assert hit.isdisjoint(frame.clip_index for frame in outcome.frames)
    assert outcome.numbers == [round(frame.time_s * 25) for frame in outcome.frames]


def test_what_is_no_video(tmp_path: Path) -> None:
    def write(name: str, data: bytes) -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    (tmp_path / "folder.mp4").mkdir()
    os.mkfifo(tmp_path / "pipe.mp4")
    sound = make_video(tmp_path / "sound.mp4", times_s=[], audio_s=1.0)
    picture = tmp_path / "still.mp4"
    make_video(picture, codec="png", pixel_format="rgb24", times_s=[0.0], container="image2pipe")
    assert reason_of(tmp_path / "missing.mp4") == SkipReason.NOT_FOUND
    assert reason_of(tmp_path / "folder.mp4") == SkipReason.UNREADABLE
    assert reason_of(tmp_path / "pipe.mp4") == SkipReason.UNREADABLE
    assert reason_of("a\0b.mp4") == SkipReason.UNREADABLE
    assert reason_of(write("empty.mp4", b"")) == SkipReason.EMPTY_FILE
    assert reason_of(write("text.mp4", b"no video\n" * 99)) == SkipReason.NOT_A_VIDEO
    assert reason_of(write("text.txt", b"no video\n" * 99)) == SkipReason.NOT_A_VIDEO
    assert reason_of(write("zeros.mp4", bytes(9999))) == SkipReason.NOT_A_VIDEO
    assert reason_of(picture) == SkipReason.STILL_IMAGE
    assert reason_of(sound) in (SkipReason.NO_VIDEO_STREAM, SkipReason.NO_FRAMES)
    assert reason_of("nosuch://host/v.mp4") == SkipReason.UNREADABLE
    assert reason_of("memory://missing.mp4") == SkipReason.NOT_FOUND


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    make_video(tmp_path / "v.ts")
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nv.ts\n#EXT-X-ENDLIST\n"
    (tmp_path / "list.m3u8").write_text(text)
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {tmp_path}/v.ts\n")
    assert reason_of(tmp_path / "list.m3u8") == SkipReason.NOT_A_VIDEO
    assert reason_of(tmp_path / "list.mp4") == SkipReason.NOT_A_VIDEO


def test_names_of_any_bytes_and_urls(tmp_path: Path, read: Read) -> None:
    plain = make_video(tmp_path / "v.mp4")
    odd = os.fsdecode(os.fsencode(str(tmp_path)) + b"/12:30 %03d\n\xff.mp4")
    Path(odd).write_bytes(plain.read_bytes())
    expected = read(plain)
    for source in (odd, f"file://{plain}"):
        outcome = read(source)
        assert outcome.info == expected.info
        assert outcome.numbers == expected.numbers
    assert len(expected.info.content_hash) == 64


def test_an_abandoned_video_is_closed(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4")
    for _ in range(3):
        events = read_video(Video("v", str(path)), ClipOptions(), FrameOptions(), FrameSize(96, 64))
        assert isinstance(events, Generator)
        assert isinstance(next(events), VideoOpened)
        assert is_open(path)
        events.close()
    gc.collect()
    assert not is_open(path)


def is_open(path: Path) -> bool:
    """Whether this process holds the file open; what other tests left open does not count."""
    held = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # that of the folder itself is gone by now
            held.add(descriptor.readlink())
    return path in held


SAID = ((0.2, 0.9, "hello"), (1.0, 1.5, "you"), (3.0, 4.0, "after the end"))


@pytest.mark.parametrize("name", ["v.mkv", "v.mp4"])
def test_clips_from_embedded_subtitles(tmp_path: Path, read: Read, name: str) -> None:
    outcome = read(make_video(tmp_path / name, subtitles=SAID), clips="transcript")
    spans = [(plan.span.start_s, plan.span.end_s) for plan in outcome.plans]
    assert np.allclose(spans, [(0.2, 0.9), (1.0, 1.5)])
    assert [skipped.reason for skipped in outcome.skipped] == [SkipReason.OUTSIDE_VIDEO]


def test_clips_from_a_transcript_beside_or_in_a_folder(tmp_path: Path, read: Read) -> None:
    path = make_video(tmp_path / "talk.mp4", subtitles=SAID)
    beside = tmp_path / "talk.en.vtt"
    beside.write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nb\n\n00:00.000 --> 00:01.000\na\n")
    outcome = read(path, clips="transcript")
    assert [plan.span for plan in outcome.plans] == [Span(0, 1), Span(1, 2)]
    folder = tmp_path / "said"
    folder.mkdir()
    (folder / "some_id.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nc\n")
    outcome = read(path, clips="transcript", transcripts=str(folder), video_id="some_id")
    assert [plan.span for plan in outcome.plans] == [Span(0.5, 1.5)]


def test_no_transcript_is_a_reason(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4")
    assert reason_of(path, clips="transcript") == SkipReason.NO_TRANSCRIPT
