"""H.264 headers: what they say is what FFmpeg does, and what stands in for a picture is unseen."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from numpy.typing import NDArray

from pseudolabel.videos.h264 import CodedPicture, HeaderReader
from pseudolabel.videos.nal_units import unit_spans
from pseudolabel.videos.references import Reference, References
from video_factory import make_video, moving_picture, x264_options

FRAMES = 90
LATER = 10**12  # after every frame
VARIANTS = {
    "one reference": (3, "ref=1:b-pyramid=normal"),
    "strict": (7, "ref=1:b-pyramid=strict:weightp=0"),
    "many references": (5, "ref=4:b-pyramid=normal:weightp=2:weightb=0"),
    "slices": (3, "ref=1:b-pyramid=normal:slices=3"),
    "temporal": (8, "ref=2:b-pyramid=normal:direct=temporal:cabac=0"),
    "cuts": (3, "ref=1:b-pyramid=normal:scenecut=40:8x8dct=0:cqm=jvt"),
}


class Stream:
    """The packets of a video, and FFmpeg's own decoding of them."""

    def __init__(self, path: Path) -> None:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            self.packets = [packet for packet in container.demux(stream) if packet.size]
            self.context = stream.codec_context
            self.context.thread_type = "NONE"
            self.headers = HeaderReader(self.context.extradata or b"")
            self.read = [self.headers.read(bytes(packet)) for packet in self.packets]
            self.plain = self.decode([None] * len(self.packets))

    def decode(
        self, others: Sequence[bytes | None], skip: Any = "DEFAULT"
    ) -> dict[int, av.VideoFrame]:
        """Frames by time; packets for which there is another are replaced by it."""
        self.context.flush_buffers()
        self.context.skip_frame = skip
        frames = []
        for packet, data in zip(self.packets, others, strict=True):
            fed: Any = packet
            if data is not None:
                fed = av.Packet(data)
                fed.time_base, fed.pts, fed.dts = packet.time_base, packet.pts, packet.dts
            frames += self.context.decode(fed)
        frames += self.context.decode(None)
        return {frame.pts: frame for frame in frames if frame.pts is not None}

    def references(self) -> tuple[References, list[Reference | None]]:
        """What follows the references, having read all packets."""
        followed = References(self.headers)
        return followed, [followed.read(bytes(p), p.pts or 0) for p in self.packets]

    def stand_ins(self, target: int, *, is_last: bool) -> list[bytes | None]:
        """What is decoded instead of each packet, where it is another."""
        followed, known = self.references()
        return [followed.stand_in(one, target, is_last=is_last) if one else None for one in known]


def kinds(coded: CodedPicture) -> str:
    return "".join({one.kind for one in coded.slices})


def pixels(frame: av.VideoFrame) -> NDArray[Any]:
    return frame.to_ndarray()


@pytest.fixture(scope="module", params=VARIANTS)
def stream(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stream:
    return made(tmp_path_factory.mktemp("h264") / "video.mp4", request.param)


def made(path: Path, variant: str = "one reference", gop: int = 250) -> Stream:
    bframes, params = VARIANTS[variant]
    options = x264_options(gop=gop, bframes=bframes, params=params)
    pictures = [moving_picture(number) for number in range(FRAMES)]
    make_video(path, seconds=FRAMES / 25, bframes=bframes, options=options, pictures=pictures)
    return Stream(path)


def test_kinds_of_pictures_are_those_that_the_decoder_names(stream: Stream) -> None:
    references = stream.decode([None] * FRAMES, skip="NONREF")
    assert 10 < len(references) < FRAMES
    for packet, coded in zip(stream.packets, stream.read, strict=True):
        assert coded.is_reference == (packet.pts in references)
        assert coded.is_idr == packet.is_keyframe
        if coded.is_reference:
            assert packet.pts is not None
            assert kinds(coded) == PictureType(stream.plain[packet.pts].pict_type).name
            assert coded.slices[0].first_macroblock == 0


def test_numbers_and_orders_of_references_are_consistent(stream: Stream) -> None:
    modulus = 1 << stream.headers.sequence.frame_num_bits
    numbers = [coded.slices[0].frame_num for coded in stream.read if coded.is_reference]
    assert numbers == [count % modulus for count in range(len(numbers))]
    assert len(numbers) > modulus
    _, known = stream.references()
    times = [
        (one.poc, packet.pts) for one, packet in zip(known, stream.packets, strict=True) if one
    ]
    assert len(times) == len(numbers)
    assert [pts for _, pts in sorted(times)] == sorted(pts for _, pts in times if pts is not None)


def test_a_stand_in_says_of_itself_what_the_picture_says(stream: Stream) -> None:
    for coded in stream.read:
        if kinds(coded) == "B":
            told = coded.slices[0]
            parameters, picture = units(stream.headers.stand_in(told))
            reader = HeaderReader(annex_b([*stored_units(stream), parameters]))
            (own,) = reader.read(annex_b([picture])).slices
            assert (own.kind, own.active, own.named) == ("P", (1,), ((),))
            assert (own.frame_num, own.poc_lsb) == (told.frame_num, told.poc_lsb)
            assert (own.poc_delta, own.removed) == (told.poc_delta, told.removed)


def units(packet: bytes) -> list[bytes]:
    return [packet[start:end] for start, end in unit_spans(packet, 4)]


def stored_units(stream: Stream) -> list[bytes]:
    """The two parameter sets in an MP4's header."""
    stored = stream.context.extradata or b""
    end = 8 + int.from_bytes(stored[6:8])
    return [stored[8:end], stored[end + 3 : end + 3 + int.from_bytes(stored[end + 1 : end + 3])]]


def annex_b(parts: Sequence[bytes]) -> bytes:
    return b"".join(b"\0\0\0\1" + part for part in parts)


def test_headers_are_the_same_between_start_codes(stream: Stream) -> None:
    reader = HeaderReader(annex_b(stored_units(stream)))
    assert reader.sequence == stream.headers.sequence
    for packet, coded in zip(stream.packets, stream.read, strict=True):
        assert reader.read(annex_b(units(bytes(packet)))) == coded


def test_nothing_that_is_needed_shows_what_stands_in(stream: Stream) -> None:
    others = stream.stand_ins(LATER, is_last=True)
    replaced = {p.pts or 0 for p, other in zip(stream.packets, others, strict=True) if other}
    frames = stream.decode(others, skip="NONREF")
    checked = set(frames) - replaced
    assert len(checked) > 10
    for pts in checked:
        assert np.array_equal(pixels(frames[pts]), pixels(stream.plain[pts])), pts
    # What stands in can be told from what it stands for, or this test would show nothing.
    for pts in replaced:
        assert not np.array_equal(pixels(frames[pts]), pixels(stream.plain[pts]))


@pytest.mark.parametrize("variant", ["one reference", "strict", "slices", "cuts"])
def test_with_one_reference_a_frame_all_references_among_b_frames_are_replaced(
    variant: str, tmp_path: Path
) -> None:
    stream = made(tmp_path / "video.mp4", variant)
    followed, known = stream.references()
    bidirectional = [
        one for one, coded in zip(known, stream.read, strict=True) if kinds(coded) == "B" and one
    ]
    waiting = [one for one in bidirectional if not followed.stand_in(one, LATER, is_last=False)]
    assert len(bidirectional) > 10
    assert len(waiting) <= 2  # pictures to come may refer to these
    assert waiting == bidirectional[len(bidirectional) - len(waiting) :]
    assert all(followed.stand_in(one, LATER, is_last=True) for one in waiting)


def test_a_target_and_what_it_may_refer_to_are_decoded(stream: Stream) -> None:
    times = sorted(stream.plain)
    for target in times[5::7]:
        frames = stream.decode(stream.stand_ins(target, is_last=True))
        assert np.array_equal(pixels(frames[target]), pixels(stream.plain[target])), target


def test_what_can_still_be_wanted_later_is_decoded(stream: Stream) -> None:
    target = sorted(stream.plain)[FRAMES // 2]
    frames = stream.decode(stream.stand_ins(target, is_last=False))
    for pts in sorted(stream.plain)[FRAMES // 2 :]:
        assert np.array_equal(pixels(frames[pts]), pixels(stream.plain[pts])), pts


def test_nothing_is_replaced_before_an_idr_picture(tmp_path: Path) -> None:
    stream = made(tmp_path / "video.mp4", gop=40)
    followed, _ = stream.references()
    followed.restart()
    read = [followed.read(bytes(p), p.pts or 0) for p in stream.packets[5:]]
    first = next(n for n, p in enumerate(stream.packets[5:]) if p.is_keyframe)
    assert read[:first] == [None] * first
    assert isinstance(read[first], Reference)


@pytest.mark.parametrize("fault", ["lost", "cut", "swapped", "parameters"])
def test_nothing_is_replaced_from_a_fault_on(fault: str, tmp_path: Path) -> None:
    stream = made(tmp_path / "video.mp4")
    packets = [bytes(packet) for packet in stream.packets]
    at = next(n for n, coded in enumerate(stream.read) if n > 30 and kinds(coded) == "P")
    if fault == "lost":
        del packets[at]
    elif fault == "cut":
        packets[at] = packets[at][:-1]
    elif fault == "swapped":
        packets[at], packets[at + 1] = packets[at + 1], packets[at]
    else:
        changed = bytearray(stored_units(stream)[1])
        changed[-1] ^= 0x40
        packets[at] = len(changed).to_bytes(4) + bytes(changed) + packets[at]
    followed = References(stream.headers)
    known = [followed.read(data, 0) for data in packets]
    assert known[at + 1 :] == [None] * (len(packets) - at - 1)
    held = [one for one in known if one and not one.is_released]
    assert held
    assert all(followed.stand_in(one, LATER, is_last=True) is None for one in held)
    assert any(followed.stand_in(one, LATER, is_last=True) for one in known if one)


def test_broken_bytes_are_an_error_that_is_expected(stream: Stream) -> None:
    random = Random(5)
    stored = stream.context.extradata or b""
    packet = bytes(stream.packets[4])
    for _ in range(3000):
        source = random.choice([stored, packet, annex_b(units(packet)), random.randbytes(80)])
        data = bytearray(source[: random.randrange(1, 120)])
        for _ in range(random.randrange(4)):
            data[random.randrange(len(data))] = random.randrange(256)
        readers = [stream.headers]
        with suppress(ValueError):
            readers.append(HeaderReader(bytes(data)))
        for reader in readers:
            with suppress(ValueError):
                reader.read(bytes(data))
        References(stream.headers).read(bytes(data), 0)


@pytest.mark.parametrize(
    ("params", "profile"),
    [("tff=1:bframes=2", "high"), ("bframes=0", "baseline"), ("bframes=0:ref=2", "main")],
)
def test_what_is_not_understood_is_refused(params: str, profile: str, tmp_path: Path) -> None:
    options = {**x264_options(gop=25, bframes=0, params=params), "profile": profile}
    path = make_video(tmp_path / "video.mp4", options=options)
    with av.open(str(path)) as container:
        stored = container.streams.video[0].codec_context.extradata or b""
    with pytest.raises(ValueError):
        HeaderReader(stored)
