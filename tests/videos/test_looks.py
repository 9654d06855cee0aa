"""What the pixels of a frame say: hashes that survive re-encoding, light, change, likely text."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pseudolabel.demo.world import World
from pseudolabel.records import Frame, FrameLook, FrameSize, Video
from pseudolabel.videos.looks import TEXT_SHARE, LookMeter
from pseudolabel.videos.options import ClipOptions, FrameOptions
from pseudolabel.videos.pool import DecodePool
from video_factory import make_video, moving_picture

Pixels = NDArray[np.uint8]
Read = Callable[..., object]


def look(pixels: Pixels) -> FrameLook:
    return LookMeter().look(pixels)


def bits_apart(one: FrameLook, other: FrameLook) -> int:
    return (int(one.perceptual_hash, 16) ^ int(other.perceptual_hash, 16)).bit_count()


def plain(level: int, size: tuple[int, int] = (64, 96)) -> Pixels:
    return np.full((*size, 3), level, np.uint8)


@pytest.fixture(scope="module")
def scenes() -> list[Pixels]:
    """The first frame of each of 40 scenes of the demo world, `(240, 320, 3)`."""
    world = World(31)
    found: list[Pixels] = []
    for number in range(100):
        video = world.video(number)
        starts = {scene.start_frame for scene in video.scenes}
        found += [picture for i, picture in enumerate(video.render()) if i in starts]
        if len(found) >= 40:
            return found[:40]
    raise AssertionError("too few scenes")


def encoded(pictures: list[Pixels], path: Path, size: tuple[int, int], crf: int) -> list[Pixels]:
    """The pictures as a codec leaves them, at their own size again."""
    resized = [np.asarray(Image.fromarray(picture).resize(size)) for picture in pictures]
    options = {"crf": str(crf)}
    make_video(
        path,
        seconds=len(pictures) / 10,
        fps=10,
        size=size,
        gop=1,
        pictures=resized,
        options=options,
    )
    with av.open(str(path)) as container:
        decoded = container.decode(video=0)
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in decoded]


@pytest.mark.parametrize(("size", "crf"), [((320, 240), 23), ((160, 120), 30), ((480, 270), 35)])
def test_hashes_survive_other_sizes_and_codecs(
    scenes: list[Pixels], tmp_path: Path, size: tuple[int, int], crf: int
) -> None:
    again = encoded(scenes, tmp_path / "again.mp4", size, crf)
    apart = [bits_apart(look(a), look(b)) for a, b in zip(scenes, again, strict=True)]
    assert np.percentile(apart, 90) <= 4
    assert max(apart) <= 8


def test_hashes_of_other_scenes_lie_apart(scenes: list[Pixels]) -> None:
    looks = [look(picture) for picture in scenes]
    apart = [bits_apart(a, b) for a, b in combinations(looks, 2)]
    assert np.mean([bits <= 6 for bits in apart]) < 0.01
    assert np.median(apart) > 24


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 12), (0.9, 0), (1.1, -8)])
def test_hashes_survive_a_change_of_light(scenes: list[Pixels], gain: float, offset: float) -> None:
    lit = [np.clip(picture * gain + offset, 0, 255).astype(np.uint8) for picture in scenes]
    apart = [bits_apart(look(a), look(b)) for a, b in zip(scenes, lit, strict=True)]
    assert np.percentile(apart, 90) <= 4


def test_a_mirrored_picture_has_another_hash(scenes: list[Pixels]) -> None:
    apart = [bits_apart(look(p), look(np.ascontiguousarray(p[:, ::-1]))) for p in scenes]
    assert np.median(apart) > 16


def test_all_bits_of_the_hash_are_used(scenes: list[Pixels]) -> None:
    rng = np.random.default_rng(1)
    blotches = rng.integers(0, 256, (200, 16, 16, 3), np.uint8)
    hashes = [int(look(np.kron(b, plain(1, (8, 8)))).perceptual_hash, 16) for b in blotches]
    shares = [np.mean([h >> bit & 1 for h in hashes]) for bit in range(64)]
    assert min(shares) > 0.3
    assert max(shares) < 0.7


@pytest.mark.parametrize("level", [0, 1, 128, 255])
@pytest.mark.parametrize("size", [(1, 1), (1, 700_000), (3, 1), (7, 5), (31, 33), (601, 1003)])
def test_a_plain_picture_of_any_size(level: int, size: tuple[int, int]) -> None:
    assert look(plain(level, size)) == FrameLook("0" * 16, level, 0.0, None, 0.0)


def test_noise_of_a_codec_is_no_part_of_the_hash_of_a_plain_picture() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(-2, 3, (240, 320, 1))
    assert look((16 + noise + np.zeros(3, int)).astype(np.uint8)).perceptual_hash == "0" * 16


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (9, 1), (5, 41), (100, 37), (513, 600)])
def test_noise_of_any_size_is_measured(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    found = look(pixels)
    assert 0 <= found.text_share <= 1
    assert look(pixels.copy()) == found
    assert look(np.asfortranarray(pixels)) == found


def test_brightness_is_of_luma_and_contrast_of_colors() -> None:
    halves = plain(0)
    halves[:32] = (255, 0, 0)  # BT.601: 76
    found = look(halves)
    assert found.brightness == pytest.approx(38.2, abs=0.3)
    assert found.contrast == pytest.approx(127.5 / 3**0.5, abs=0.3)
    assert (look(plain(100)).brightness, look(plain(100)).contrast) == (100, 0)
    as_bright = plain(76)
    as_bright[:32] = (255, 0, 0)
    assert look(as_bright).contrast > 60, "a red shape on gray as bright is no blank frame"


def test_change_is_from_the_frame_before() -> None:
    meter = LookMeter()
    changes = [meter.look(plain(level)).change for level in (100, 100, 110, 90)]
    assert changes == [None, 0.0, 10.0, 20.0]
    assert meter.look(plain(90, (32, 500))).change == 0.0  # of another size: still compared


def test_change_is_that_of_the_place_that_changes_most() -> None:
    meter = LookMeter()
    meter.look(plain(100, (320, 320)))
    moved = plain(100, (320, 320))
    moved[40:50, 40:50] = 200
    assert meter.look(moved).change == 100.0


def with_text(picture: Pixels, text: str, size_px: int, *, outline: int = 0) -> Pixels:
    """White text near the bottom, in the middle."""
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(size_px)
    left = (image.width - pen.textlength(text, font=font)) / 2
    top = image.height - 2 * size_px
    pen.text((left, top), text, "white", font=font, stroke_width=outline, stroke_fill="black")
    return np.asarray(image)


def squared(picture: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(picture).resize((384, 384)))


@pytest.mark.parametrize("size_px", [18, 24, 32, 48])
@pytest.mark.parametrize("outline", [0, 2])
def test_subtitles_are_seen(scenes: list[Pixels], size_px: int, outline: int) -> None:
    words = "nobody told us where the road goes"[: 700 // size_px]
    wide = [np.asarray(Image.fromarray(p).resize((640, 360))) for p in scenes[:20]]
    written = [with_text(p, words, size_px, outline=outline) for p in wide]
    shares = [look(squared(picture)).text_share for picture in written]
    assert np.mean([share >= TEXT_SHARE for share in shares]) >= 0.9


def test_a_title_card_is_text() -> None:
    assert look(with_text(plain(0, (360, 640)), "Chapter One: The Road", 40)).text_share > 0.01


def test_the_demo_world_has_no_text(scenes: list[Pixels]) -> None:
    assert [look(squared(p)).text_share for p in scenes] == [0.0] * len(scenes)


def grass() -> Pixels:
    """Fine blades all over: noise drawn out from top to bottom."""
    noise = np.random.default_rng(3).integers(0, 256, (32, 384, 1), np.uint8)
    return np.repeat(np.repeat(noise, 12, axis=0), 3, axis=2)


def fence() -> Pixels:
    return np.repeat(
        np.tile(np.where(np.arange(384) % 16 < 4, 220, 40), (384, 1))[:, :, None], 3, 2
    )


@pytest.mark.parametrize("texture", [grass, fence, lambda: fence().swapaxes(0, 1)])
def test_textures_are_not_text(texture: Callable[[], Pixels]) -> None:
    pixels = np.ascontiguousarray(texture().astype(np.uint8))
    assert look(pixels).text_share < TEXT_SHARE
    noise = np.random.default_rng(3).integers(0, 256, (384, 384, 3), np.uint8)
    assert look(noise).text_share < TEXT_SHARE


@pytest.fixture
def video(tmp_path: Path) -> Video:
    pictures = [moving_picture(number) for number in range(50)]
    return Video("v", str(make_video(tmp_path / "v.mp4", seconds=2, pictures=pictures)))


@pytest.fixture
def pool(video: Video) -> Iterator[DecodePool]:
    running = DecodePool(
        iter([video]),
        clips=ClipOptions(length_s=0.4, min_clip_s=0.0),
        frames=FrameOptions(count=2, snap="exact"),
        size=FrameSize(96, 64),
        workers=1,
        frames_ahead=2,
        timeout_s=60,
    )
    yield running
    running.close()


def measured(frames: list[Frame]) -> list[FrameLook]:
    meter = LookMeter()
    return [meter.look(frame.pixels) for frame in frames]


def test_every_frame_of_a_worker_comes_with_its_look(pool: DecodePool) -> None:
    frames = [event for _, event in pool if isinstance(event, Frame)]
    assert [frame.look for frame in frames] == measured(frames)
    assert len(frames) == 10
    assert all(frame.look and frame.look.change for frame in frames[1:])


def test_a_video_done_twice_looks_the_same_twice(pool: DecodePool) -> None:
    frames: list[Frame] = []
    for _, event in pool:
        if isinstance(event, Frame):
            frames.append(event)
            if len(frames) == 3:
                pool._workers[0].process.send_signal(signal.SIGKILL)
    by_place: dict[tuple[int, int], set[FrameLook | None]] = {}
    for frame in frames:
        by_place.setdefault((frame.clip_index, frame.position), set()).add(frame.look)
    assert len(frames) > len(by_place) == 10  # some came twice
    assert all(len(looks) == 1 for looks in by_place.values())
