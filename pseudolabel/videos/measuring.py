"""Where a video's pictures begin and end, measured rather than believed."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pseudolabel.records import SkipReason
from pseudolabel.videos.signals import Progress, VideoSkippedError

if TYPE_CHECKING:
    from av import Packet, VideoFrame

    from pseudolabel.videos.track import Track, VideoPacket

_FIRST_TAIL_S = 2.0
_MOST_REORDERED = 16  # packets, in any codec: a frame is decoded before so many that it follows
_PACKETS_A_BEAT = 500
_LONGEST_S = 30 * 86_400  # no video is longer, and one damaged byte can make it a million clips
# What a file may lack of its header's duration without being called truncated.
_TOLERANCE_S, _TOLERANCE = 0.5, 0.01
# Containers whose header states a duration; of others FFmpeg's is its own estimate.
_STATED_DURATION = ("mov", "matroska", "avi", "flv", "asf", "nut", "mxf")
_OF_WHOLE_FILE = ("matroska", "flv", "asf")  # some writers count from its start, FFmpeg from 0


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first frame that decodes, and the first keyframe's packet."""

    frame: VideoFrame
    pts: int
    key_shift: int  # presentation time of the first keyframe less its decoding time


@dataclass(frozen=True, slots=True)
class Ending:
    """Where the last frame ends, and what the header says that is not there."""

    pts: int
    missing_s: float | None  # None: nothing is missing


def find_beginning(track: Track) -> Generator[Progress, None, Beginning]:
    """Decode from the front until there is a frame, and settle the track's timing.

    Raises:
        VideoSkippedError: If no frame decodes.
    """
    first: VideoPacket | None = None
    key: VideoPacket | None = None
    for count, packet in enumerate(track.packets()):
        first = first or packet
        key = key or (packet if packet.is_keyframe else None)
        frame = _shown_first(track.decode(packet), key)
        if frame is not None:
            return _settled(track, first, key, frame)
        if count % _PACKETS_A_BEAT == _PACKETS_A_BEAT - 1:
            yield Progress()
    frame = _shown_first(track.decode(None), key)
    track.reset_decoder()
    if first is None or frame is None:
        detail = track.read_error or ("no packets" if first is None else "no packet decodes")
        raise VideoSkippedError("open", SkipReason.NO_FRAMES, detail)
    return _settled(track, first, key, frame)


def find_ending(track: Track, first_pts: int, size_bytes: int) -> Generator[Progress, None, Ending]:
    """Read the packets near the end, decoding nothing.

    Raises:
        VideoSkippedError: If the timestamps make no sense.
    """
    claimed_end = _claimed_end(track)
    guess = _likely_last(track, claimed_end, size_bytes)
    back = track.ticks(_FIRST_TAIL_S)
    while True:
        whole = track.timing == "count" or guess is None or guess - back <= first_pts
        if whole or not track.seek((guess or 0) - back):
            track.rewind()
            whole = True
        tail = _Tail(track)
        for count, packet in enumerate(track.packets_of_all_streams()):
            tail.add(packet)
            if count % _PACKETS_A_BEAT == _PACKETS_A_BEAT - 1:
                yield Progress()
        if tail.is_enough or whole:
            break
        back *= 4
    end = max(first_pts + 1, tail.end or first_pts + track.frame_ticks)
    if claimed_end is not None and tail.last is not None and tail.last < claimed_end:
        # Where frames are reordered, a packet's duration is not that of its frame.
        end = min(end, claimed_end)
    if track.seconds(end) > _LONGEST_S:
        detail = f"timestamps are damaged: the last one is at {track.seconds(end):.0f} s"
        raise VideoSkippedError("open", SkipReason.DECODE_ERROR, detail)
    return Ending(end, _missing_s(track, tail, max(tail.any_end_s, track.seconds(end))))


def claimed_duration_s(track: Track) -> float | None:
    """The duration that the header states, in seconds; None: it states none."""
    own = track.stream.duration
    if own is not None and own > 0:
        return float(own * track.time_base)
    whole = track.container.duration
    return whole / 1_000_000 if whole is not None and whole > 0 else None


def _claimed_end(track: Track) -> int | None:
    own, start = track.stream.duration, track.claimed_start
    if own is not None and own > 0 and start is not None:
        return start + own
    claimed_s = claimed_duration_s(track)
    return None if claimed_s is None else track.pts_at(claimed_s)


class _Tail:
    """The latest end among packets."""

    def __init__(self, track: Track) -> None:
        self._track = track
        self._count = 0
        self._has_key = False
        self._before: int | None = None  # the latest timestamp but one
        self.last: int | None = None  # the latest timestamp of the video stream
        self.end: int | None = None  # of the video stream, in its ticks
        self.any_end_s = 0.0  # of any stream

    @property
    def is_enough(self) -> bool:
        """Whether nothing before it can be shown after all of it."""
        return self.end is not None and (self._has_key or self._count > _MOST_REORDERED)

    @property
    def interval(self) -> int:
        """From the last frame but one to the last, in ticks."""
        return 0 if self.last is None or self._before is None else self.last - self._before

    def add(self, packet: Packet[Any]) -> None:
        if packet.is_discard:
            return
        track = self._track
        if packet.stream_index != track.stream.index:
            if packet.pts is not None and packet.time_base:
                ends = (packet.pts + (packet.duration or 0)) * packet.time_base - track.start
                self.any_end_s = max(self.any_end_s, float(ends))
            return
        stamp = packet.pts if track.timing == "pts" else packet.dts
        if track.timing == "count":
            stamp = self._count * track.frame_ticks
        self._count += 1
        self._has_key |= packet.is_keyframe
        if stamp is not None:
            if self.last is None or stamp > self.last:
                self._before, self.last = self.last, stamp
            elif stamp < self.last and (self._before is None or stamp > self._before):
                self._before = stamp
            end = stamp + (packet.duration or track.frame_ticks)
            self.end = end if self.end is None else max(self.end, end)


def _shown_first(frames: list[VideoFrame], key: VideoPacket | None) -> VideoFrame | None:
    """The first of some frames that is not shown before the key: such lack their references."""
    for frame in frames:
        if key is None or key.pts is None or frame.pts is None or frame.pts >= key.pts:
            return frame
    return None


def _settled(
    track: Track, first: VideoPacket, key: VideoPacket | None, frame: VideoFrame
) -> Beginning:
    track.settle(first, frame)
    shift = 0
    if key is not None and key.pts is not None and key.dts is not None:
        shift = key.pts - key.dts
    return Beginning(frame, track.stamp(frame, None), shift)


def _likely_last(track: Track, claimed_end: int | None, size_bytes: int) -> int | None:
    """The timestamp near which the last packet is to be expected."""
    entries = track.stream.index_entries
    if track.is_index_complete:
        for at in range(len(entries) - 1, -1, -1):
            if entries[at].pos + entries[at].size <= size_bytes:
                return int(entries[at].timestamp)
    return claimed_end


def _missing_s(track: Track, tail: _Tail, measured_s: float) -> float | None:
    claimed_end = _claimed_end(track)
    if claimed_end is None or not track.container.format.name.startswith(_STATED_DURATION):
        return None
    claimed_s = track.seconds(claimed_end)
    if track.container.format.name.startswith(_OF_WHOLE_FILE):
        claimed_s = min(claimed_s, (claimed_duration_s(track) or 0.0) - float(track.start))
    missing_s = claimed_s - measured_s
    # At a low rate: how long the last frame is shown is not always told, nor what an edit hides.
    last_s = 2 * float(tail.interval * track.time_base)
    return missing_s if missing_s > max(_TOLERANCE_S, _TOLERANCE * claimed_s, last_s) else None
