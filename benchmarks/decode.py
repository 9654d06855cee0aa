"""Frames a second on one core, one frame every 10 s: ours against OpenCV, decord and bare PyAV."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.footage import FPS, P360, P360_LONG_GOP, P1080, Footage, read_number
from benchmarks.machine import warn_if_busy
from benchmarks.peers import import_peers, versions
from benchmarks.reporting import Report, Seconds, Table, measure_by_turns, median, spread
from pseudolabel.records import Frame, FrameSize, Span, Video
from pseudolabel.videos.decode import read_video
from pseudolabel.videos.options import ClipOptions, FrameOptions

EVERY_S = 10
FEW = 6
PEERS = ("OpenCV", "decord")
SIDE = 384
SIZE = FrameSize(SIDE, SIDE)
Pixels = NDArray[np.uint8]
Series = dict[str, Callable[[], Iterator[Pixels]]]

OURS_EXACT, OURS_KEY = "ours: exact", "ours: keyframes"
SEEK, BATCH = "OpenCV: set frame, read", "decord: get_batch"
BARE, DRAINED = "PyAV loop: keyframes", "PyAV loop: keyframes, drained"


def run(data: Path, *, quick: bool) -> Report:
    """Measure 360p and 1080p with GOPs of 60, and 360p with GOPs of 600."""
    report = Report("decode", quick)
    warn_if_busy()
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    import_peers(data)
    import cv2

    cv2.setNumThreads(1)
    report.machine["cores_used"] = 1
    report.machine["versions"] |= versions()
    for footage, rounds in ((P360, 5), (P1080, 3), (P360_LONG_GOP, 3)):
        seconds = 600
        if quick:
            footage, seconds, rounds = replace(footage, seconds=48), 48, 1
        path = footage.repeated(data, seconds)
        table, results = _measure(footage, path, seconds, rounds)
        report.add(table)
        report.results[footage.name] = results
    return report


@dataclass(frozen=True, slots=True)
class Wanted:
    """What all series decode of one file."""

    path: str
    exact: list[int]  # frame numbers: the frames on screen at the centers of the clips
    keys_s: list[float]  # times of the keyframes that ours takes by default
    key_spans: tuple[Span, ...] | None  # the clips these are in, where not all clips have one


def _measure(
    footage: Footage, path: Path, seconds: int, rounds: int
) -> tuple[Table, dict[str, Any]]:
    wanted = _wanted(path, seconds)
    series = _series(wanted)
    table = Table(
        f"{footage.name}: {seconds} s, {footage.width}x{footage.height} H.264, "
        f"{path.stat().st_size * 8 / seconds / 1e6:.2f} Mb/s",
        ("series", "frames", "frames/s", "frames/CPU s", "seconds, low-high", "rounds"),
    )
    times, wrong = _time(wanted, series, footage, rounds)
    table.notes = [_identity(wrong), _pixels(wanted, series, footage)]
    if wanted.key_spans is not None:
        table.notes.append(
            f"only {len(wanted.keys_s)} of {len(wanted.exact)} clips hold a keyframe; the keyframe "
            "series decode these clips alone, ours as given spans"
        )
    rates: dict[str, float] = {}
    for name, taken in times.items():
        count = len(wanted.keys_s if "keyframes" in name else wanted.exact)
        walls = [one.wall for one in taken]
        rates[name] = count / median(walls)
        per_cpu_s = count / median([one.cpu for one in taken])
        table.rows.append((name, count, rates[name], per_cpu_s, spread(walls), len(taken)))
    ratios, notes = _ratios(rates)
    table.notes += notes
    seconds_each = {name: [one.wall for one in taken] for name, taken in times.items()}
    return table, {"ratios": ratios, "frames_per_s": rates, "seconds": seconds_each}


def _time(
    wanted: Wanted, series: Series, footage: Footage, rounds: int
) -> tuple[dict[str, list[Seconds]], dict[str, int]]:
    """Times, and in how many frames of a series another number stood than was wanted.

    A frame is looked at for its number (some 10 microseconds) and dropped, so nothing piles up. A
    peer has several ways; those far from its fastest in the first round are left at that.
    """
    stretch = footage.seconds * FPS  # numbers start again with every repetition
    exact = [number % stretch for number in wanted.exact]
    keys = [round(time_s * FPS) % stretch for time_s in wanted.keys_s]
    wrong: dict[str, int] = dict.fromkeys(series, 0)

    def checked(name: str, run: Callable[[], Iterator[Pixels]]) -> Callable[[], None]:
        expected = keys if "keyframes" in name else exact

        def once() -> None:
            pairs = zip(map(read_number, run()), expected, strict=True)
            wrong[name] += sum(shown != number for shown, number in pairs)

        return once

    runs = {name: checked(name, run) for name, run in series.items()}
    times = measure_by_turns(runs, 1)
    for peer in PEERS:
        ways = [name for name in times if name.startswith(peer)]
        fastest_s = min(times[name][0].wall for name in ways)
        for name in ways:
            if times[name][0].wall > 1.3 * fastest_s:
                del runs[name]
    for name, taken in measure_by_turns(runs, rounds - 1).items():
        times[name] += taken
    return times, wrong


def _identity(wrong: dict[str, int]) -> str:
    """Whether all series gave the frames that were wanted, as the pictures say."""
    if not any(wrong.values()):
        return "same frames: every picture of every series carries the number that was wanted"
    told = ", ".join(f"{name}: {count}" for name, count in wrong.items() if count)
    return f"OTHER FRAMES than wanted, over all rounds: {told}"


def _pixels(wanted: Wanted, series: Series, footage: Footage) -> str:
    """How far pixels are from ours, at the source's own size, in the first few frames."""
    few = replace(wanted, exact=wanted.exact[:FEW], keys_s=wanted.keys_s[:FEW])
    size = FrameSize(footage.width, footage.height)
    peers = _series(few)

    def ours() -> Iterator[Pixels]:
        return islice(_ours_pixels(wanted, "exact", size), FEW)

    differences = {
        SEEK: _difference(ours(), (pixels[:, :, ::-1] for pixels in peers[SEEK]())),
        BATCH: _difference(ours(), peers[BATCH]()),
        BARE: _difference(islice(series[OURS_KEY](), FEW), peers[BARE]()),
    }
    told = ", ".join(f"{name} {value:.2f}" for name, value in differences.items())
    return f"mean difference of pixels to ours, of 255: {told}"


def _ratios(rates: dict[str, float]) -> tuple[dict[str, float], list[str]]:
    fastest = {
        peer: max((name for name in rates if name.startswith(peer)), key=rates.__getitem__)
        for peer in PEERS
    }
    exact, key = rates[OURS_EXACT], rates[OURS_KEY]
    ratios = {f"exact_over_{peer.lower()}": exact / rates[name] for peer, name in fastest.items()}
    ratios |= {
        "keyframes_over_loop": key / rates[BARE],
        "keyframes_over_drained_loop": key / rates[DRAINED],
        "keyframes_over_peers_exact": key / max(rates[name] for name in fastest.values()),
    }
    notes = [
        f"exact over {peer}'s fastest way to the same frames ({name}): "
        f"**{exact / rates[name]:.2f}** (goal 1.8)"
        for peer, name in fastest.items()
    ]
    notes += [
        "keyframes over the PyAV loop that seeks to and decodes the same keyframes: "
        f"**{ratios['keyframes_over_loop']:.2f}** (goal 0.95)",
        "keyframes over the same loop, drained (no goal): "
        f"{ratios['keyframes_over_drained_loop']:.2f}",
        "keyframes over the faster of OpenCV and decord on exact frames, which are other frames "
        f"(no goal): {ratios['keyframes_over_peers_exact']:.2f}",
    ]
    return ratios, notes


def _series(wanted: Wanted) -> Series:
    return {
        OURS_EXACT: lambda: _ours_pixels(wanted, "exact"),
        SEEK: lambda: _opencv_seek(wanted),
        f"{SEEK}, RGB, resize": lambda: _opencv_seek(wanted, resize=True),
        "OpenCV: grab all, retrieve": lambda: _opencv_grab(wanted),
        "decord: vr[i]": lambda: _decord_each(wanted),
        BATCH: lambda: _decord_batch(wanted),
        f"{BATCH} at {SIDE}": lambda: _decord_batch(wanted, width=SIDE, height=SIDE),
        OURS_KEY: lambda: _ours_pixels(wanted, "keyframe"),
        BARE: lambda: _bare(wanted),
        DRAINED: lambda: _bare(wanted, drains=True),
    }


def _wanted(path: Path, seconds: int) -> Wanted:
    centers = range(EVERY_S // 2, seconds, EVERY_S)
    count = seconds // EVERY_S + (seconds % EVERY_S >= 2)
    exact = [round(center * FPS) for center in centers][:count]
    if seconds % EVERY_S:  # the last clip is shorter: its center, too
        exact[-1] = (seconds // EVERY_S * EVERY_S + seconds) * FPS // 2
    trial = Wanted(str(path), exact, [], None)
    frames = list(_ours(trial, "keyframe", SIZE))
    keys = [frame for frame in frames if frame.is_keyframe]
    spans = None
    if len(keys) < len(frames):
        spans = tuple(
            Span(frame.clip_index * EVERY_S, min(seconds, (frame.clip_index + 1) * EVERY_S))
            for frame in keys
        )
    return replace(trial, keys_s=[frame.time_s for frame in keys], key_spans=spans)


def _difference(some: Iterable[Pixels], others: Iterable[Pixels]) -> float:
    pairs = zip(some, others, strict=True)
    return float(np.mean([np.abs(a.astype(np.int16) - b).mean() for a, b in pairs]))


def _ours_pixels(wanted: Wanted, snap: str, size: FrameSize = SIZE) -> Iterator[Pixels]:
    return (frame.pixels for frame in _ours(wanted, snap, size))


def _ours(wanted: Wanted, snap: str, size: FrameSize) -> Iterator[Frame]:
    """Through the function that the decode workers call."""
    spans = wanted.key_spans if snap == "keyframe" else None
    clips = ClipOptions(mode="spans") if spans else ClipOptions(length_s=EVERY_S)
    video = Video("benchmark", wanted.path, spans=spans)
    frames = FrameOptions(snap=snap)  # type: ignore[arg-type]
    events = read_video(video, clips, frames, size)
    return (event for event in events if isinstance(event, Frame))


def _opencv(wanted: Wanted) -> Any:
    import cv2

    return cv2.VideoCapture(wanted.path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])


def _opencv_seek(wanted: Wanted, *, resize: bool = False) -> Iterator[Pixels]:
    import cv2

    capture = _opencv(wanted)
    for number in wanted.exact:
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        pixels = capture.read()[1]
        if resize:
            pixels = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), (SIDE, SIDE))
        yield pixels
    capture.release()


def _opencv_grab(wanted: Wanted) -> Iterator[Pixels]:
    capture, numbers = _opencv(wanted), set(wanted.exact)
    for at in range(wanted.exact[-1] + 1):
        capture.grab()
        if at in numbers:
            yield capture.retrieve()[1]
    capture.release()


def _decord_each(wanted: Wanted) -> Iterator[Pixels]:
    import decord

    reader = decord.VideoReader(wanted.path, ctx=decord.cpu(0), num_threads=1)
    for number in wanted.exact:
        yield reader[number].asnumpy()


def _decord_batch(wanted: Wanted, **size: int) -> Iterator[Pixels]:
    import decord

    reader = decord.VideoReader(wanted.path, ctx=decord.cpu(0), num_threads=1, **size)
    yield from reader.get_batch(wanted.exact).asnumpy()


def _bare(wanted: Wanted, *, drains: bool = False) -> Iterator[Pixels]:
    """What one writes by hand: seek, decode the first frame that comes, scale to RGB.

    With `drains`, the decoder is given the one packet and then asked for what it holds, which
    spares the frames that it otherwise reads ahead; nothing faster is known.
    """
    import av
    from av.video.reformatter import VideoReformatter

    scaler = VideoReformatter()
    with av.open(wanted.path) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        context.thread_count = 1
        for time_s in wanted.keys_s:
            container.seek(round(time_s / stream.time_base), stream=stream)
            if drains:
                packet = next(container.demux(stream))
                frame = (context.decode(packet) + context.decode(None))[0]
                context.flush_buffers()
            else:
                frame = next(container.decode(stream))
            rgb = scaler.reformat(frame, SIDE, SIDE, "rgb24", interpolation="BICUBIC")
            yield rgb.to_ndarray()
