"""Single frames out of a track: seek, decode as little as gives the same pixels, stop."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from typing import TYPE_CHECKING, Any

from pseudolabel.videos.h264 import HeaderReader
from pseudolabel.videos.references import Reference, References

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import VideoFrame

    from pseudolabel.videos.keyframes import KeyframeFinder
    from pseudolabel.videos.track import Track, VideoPacket

# Codecs in which a frame that is marked as no reference is used by no other frame at all. (HEVC
# allows such frames as references of higher temporal layers; VP9 and AV1 mark none.)
_EXACT_WITHOUT_NONREF = frozenset({"h264", "mpeg1video", "mpeg2video", "mpeg4"})
_WINDOW = 32  # packets; no codec reorders further
_FIRST_STEP_BACK_S = 1.0
# Streams without full keyframes are refreshed within seconds; at a low rate, within frames.
_FARTHEST_RECOVERY_S, _FARTHEST_RECOVERY = 10.0, 250


class FrameReader:
    """Decodes the frame on screen at a time, or a keyframe.

    Going forward in time costs least: a frame of the stretch that is being decoded is reached
    without a seek.
    """

    def __init__(self, track: Track, keyframes: KeyframeFinder, first_pts: int) -> None:
        self._track = track
        self._keyframes = keyframes
        self._first_pts = first_pts
        self._run: _Run | None = None
        self._longest_gop = track.ticks(1.0)
        self._may_skip = track.codec in _EXACT_WITHOUT_NONREF and not track.is_interlaced
        self._references = _references(track) if self._may_skip else None

    def keyframe(self, pts: int) -> tuple[int, VideoFrame] | None:
        """Decode the keyframe at `pts`, and nothing else; None: it is not there, or broken."""
        track = self._track
        self._run = None
        for back_s in (0.0, 1.0, 4.0):
            if not track.seek(pts - (track.ticks(back_s) if back_s else 0)):
                track.rewind()
            for packet in track.packets():
                if packet.is_keyframe and packet.pts == pts and not packet.is_discard:
                    return self._alone(packet)
                if packet.dts is not None and packet.dts > pts:
                    break
        return None

    def _alone(self, packet: VideoPacket) -> tuple[int, VideoFrame] | None:
        """Decode a keyframe's packet; draining gives it at once, with none of what follows."""
        track = self._track
        track.reset_decoder()
        frames = track.decode(packet) + track.decode(None)
        track.reset_decoder()
        return next(((f.pts, f) for f in frames if f.pts is not None and f.pts == packet.pts), None)

    def exact(self, pts: int, low: int, then: int | None) -> tuple[int, VideoFrame] | None:
        """Decode the frame on screen at `pts`: the last at or before it, or the first of all.

        Where that one is broken, the last one before it that decodes, if any from `low` on does.

        Args:
            pts: When.
            low: The earliest frame that may stand in.
            then: What will be asked for next, None: nothing; it changes the speed alone.
        """
        pts = max(pts, self._first_pts)
        if self._track.timing != "pts":
            return self._plainly(pts, self._first_pts)
        if self._run is not None and self._stays_in_run(self._run, pts):
            found = self._advance(pts, then)
            if found is not None:
                return found
        for may_skip in (True, False) if self._may_skip else (False,):
            self._run = self._start_run(pts, may_skip)
            found = self._advance(pts, then)
            if found is not None:
                return found
        return self._plainly(pts, low)

    def _advance(self, pts: int, then: int | None) -> tuple[int, VideoFrame] | None:
        run = self._run
        if run is None:
            return None
        is_last = self._is_left(run, then)
        frame = run.advance(pts, is_last=is_last)
        if is_last:
            self._run = None  # it may be drained, and knows no more of what follows
        if frame is None:
            return None
        self._longest_gop = max(self._longest_gop, run.target - run.key)
        return run.target, frame

    def _is_left(self, run: _Run, then: int | None) -> bool:
        """Whether what is asked for next lies after another keyframe, as far as is known."""
        if then is None:
            return True
        key = self._keyframes.indexed_before(then)
        return key is not None and key != run.key

    def _stays_in_run(self, run: _Run, pts: int) -> bool:
        if not run.reaches(pts):
            return False
        key = self._keyframes.indexed_before(pts)
        if key is not None:
            return key <= run.key
        return pts - run.target <= self._longest_gop

    def _start_run(self, pts: int, may_skip: bool) -> _Run | None:
        """Go to the last keyframe at or before `pts`."""
        track = self._track
        back = 0
        while True:
            if not track.seek(pts - back):
                track.rewind()
            packets = track.packets()
            for packet in packets:
                if packet.pts is None:
                    return None
                if packet.is_keyframe and packet.pts <= pts:
                    references = self._references if may_skip else None
                    return _Run(track, packets, packet, may_skip, references)
                if packet.dts is not None and packet.dts > pts:
                    break
            if pts - back < self._first_pts:
                return None
            back = max(track.ticks(_FIRST_STEP_BACK_S), back * 3)

    def _plainly(self, pts: int, low: int) -> tuple[int, VideoFrame] | None:
        """The frame by decoding everything from a keyframe before it."""
        track = self._track
        self._run = None
        farthest = max(track.ticks(_FARTHEST_RECOVERY_S), _FARTHEST_RECOVERY * track.frame_ticks)
        back = 0
        while True:
            whole = pts - back <= self._first_pts or not track.seek(pts - back)
            if whole:
                track.rewind()
            found = _last_until(track.frames(), pts)
            if found is not None and found[0] >= low:
                return found
            if whole or found is not None or (pts - back <= low and back > farthest):
                return None
            back = max(track.ticks(_FIRST_STEP_BACK_S), back * 4)


class _Run:
    """Decoding forward from one keyframe, with a look at the packets ahead.

    What is looked for is known from the packets' times, so frames that no other frame needs are
    decoded only if they are the one; and with `references` those that only such frames need.
    """

    def __init__(
        self,
        track: Track,
        packets: Iterator[VideoPacket],
        key: VideoPacket,
        may_skip: bool,
        references: References | None,
    ) -> None:
        self._track = track
        self._packets = packets
        self._may_skip = may_skip
        self._references = references
        self._frames: dict[int, VideoFrame] = {}  # decoded, at or after the target
        self._latest_dts: int | None = None
        self._ended = False
        self._is_timed = True  # all packets have a presentation time
        self._start_at(key)

    def _start_at(self, key: VideoPacket) -> None:
        assert key.pts is not None
        self._track.reset_decoder()
        self._frames.clear()
        if self._references:
            self._references.restart()
        self._ahead = deque([self._with_reference(key, key.pts)])  # read, not decoded
        self._times = [] if key.is_discard else [key.pts]  # of every frame since the key, sorted
        self.key = self.target = key.pts
        self._passed = key.pts - 1  # the latest time that may have been skipped

    def reaches(self, pts: int) -> bool:
        """Whether going forward can still give the frame at `pts`."""
        if not self._times or pts > self._times[-1]:
            return True
        return pts >= self.target and self._is_to_come(self._time_before(pts))

    def advance(self, pts: int, *, is_last: bool) -> VideoFrame | None:
        """Decode up to the last frame at or before `pts`; None: it does not decode.

        The last one asked for is had by draining the decoder, which saves the frames that it
        would have to be given before it lets go of this one.
        """
        self._look_ahead(pts)
        self._aim(pts)
        if not self._is_timed or not self._is_to_come(self.target):
            return None
        since_target = 0
        while self.target not in self._frames and not self._frames:
            if self._track.is_damaged:
                return None
            if since_target > _WINDOW or (not self._ahead and not self._read()):
                self._drain()
                break
            since_target += self._ahead[0][0].pts == self.target or since_target > 0
            self._feed(is_last)
            if is_last and since_target and not self._frames:
                self._drain()
                break
        return self._frames.get(self.target)

    def _time_before(self, pts: int) -> int:
        at = bisect_right(self._times, pts)
        return self._times[at - 1] if at else self.key

    def _is_to_come(self, time: int) -> bool:
        return time > self._passed or time in self._frames

    def _aim(self, pts: int) -> None:
        self.target = self._time_before(pts)
        self._frames = {time: f for time, f in self._frames.items() if time >= self.target}

    def _look_ahead(self, pts: int) -> None:
        """Read packets until none that follows can be shown at or before `pts`."""
        while (self._latest_dts is None or self._latest_dts <= pts) and self._read():
            newest = self._ahead[-1][0]
            is_key = newest.is_keyframe and not newest.is_discard
            if is_key and newest.pts is not None and self.key < newest.pts <= pts:
                self._start_at(newest)  # what was before it is needed no more
            elif len(self._ahead) > _WINDOW:
                self._aim(pts)
                self._feed(is_last=False)

    def _read(self) -> bool:
        packet = None if self._ended else next(self._packets, None)
        if packet is None or packet.pts is None:
            self._is_timed &= packet is None
            self._ended = True
            return False
        if packet.dts is not None:
            self._latest_dts = packet.dts
        self._ahead.append(self._with_reference(packet, packet.pts))
        if not packet.is_discard:
            insort(self._times, packet.pts)
        return True

    def _with_reference(
        self, packet: VideoPacket, pts: int
    ) -> tuple[VideoPacket, Reference | None]:
        if self._references is None or self._references.is_over:
            return packet, None
        # New parameter sets beside a packet are as if it could not be understood.
        data = b"" if packet.has_sidedata("new_extradata") else bytes(packet)
        return packet, self._references.read(data, pts)

    def _feed(self, is_last: bool) -> None:
        packet, reference = self._ahead.popleft()
        assert packet.pts is not None
        may_skip = self._may_skip and packet.pts != self.target
        self._track.context.skip_frame = "NONREF" if may_skip else "DEFAULT"
        if may_skip and not packet.is_discard:
            self._passed = max(self._passed, packet.pts)
        # A stand-in would not be hidden by its decoder.
        if self._references and reference and may_skip and not packet.is_discard:
            data = self._references.stand_in(reference, self.target, is_last=is_last)
            packet = _with_data(packet, data) if data else packet
        self._keep(self._track.decode(packet))

    def _drain(self) -> None:
        self._keep(self._track.decode(None))
        self._track.reset_decoder()
        self._passed = max([self._passed, *self._times[-1:]])
        self._ended = True

    def _keep(self, frames: list[VideoFrame]) -> None:
        if self._track.is_damaged:
            return
        for frame in frames:
            # Frames shown before the key that they follow lack their references.
            if frame.pts is not None and frame.pts >= self.target:
                self._frames[frame.pts] = frame


def _with_data(packet: VideoPacket, data: bytes) -> VideoPacket:
    """Another packet for the time of one."""
    import av

    other: Any = av.Packet(data)
    other.time_base, other.pts, other.dts = packet.time_base, packet.pts, packet.dts
    return other  # type: ignore[no-any-return]


def _references(track: Track) -> References | None:
    """What follows the track's references; None: it is of a kind that is not understood."""
    extradata = track.context.extradata
    if track.codec != "h264" or not extradata:
        return None
    try:
        return References(HeaderReader(extradata))
    except ValueError:
        return None


def _last_until(
    frames: Iterator[tuple[int, VideoFrame]], pts: int
) -> tuple[int, VideoFrame] | None:
    """The last of some frames, in order of time, that is at or before `pts`."""
    last: tuple[int, VideoFrame] | None = None
    for stamped in frames:
        if stamped[0] > pts:
            break
        last = stamped
    return last
