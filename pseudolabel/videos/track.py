"""One video stream of an open container: its clock, its packets, its frames in order of time.

Timestamps in here are `pts`: integers in the stream's time base. Seconds are on the player's
clock, whose 0 is the container's start.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pseudolabel.records import SkipReason
from pseudolabel.videos.signals import VideoSkippedError

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

    VideoPacket: TypeAlias = Packet[VideoStream]

# Where presentation times come from. AVI stores none, and what FFmpeg makes up for B-frames is
# wrong, but decoding times come out in order. Raw streams have neither: frames are counted.
Timing = Literal["pts", "dts", "count"]

_FALLBACK_FPS = 25
_USUAL_REORDER = 2  # frames
_READ_RETRIES = 8  # damaged containers often go on after an error; a broken disk does not


class Track:
    """The video stream that is captioned.

    Raises:
        VideoSkippedError: If there is none, or no decoder for it.
    """

    def __init__(self, container: InputContainer) -> None:
        self.container = container
        self.stream = _pick_stream(container)
        self.context = self.stream.codec_context
        self.context.thread_type = "NONE"  # parallelism comes from processes
        self.context.thread_count = 1
        self.codec = self.context.codec.canonical_name
        self.time_base = Fraction(self.stream.time_base or Fraction(1, _FALLBACK_FPS))
        self.frame_ticks = self._frame_ticks()
        self.timing: Timing = "pts"
        self.claimed_start = self.stream.start_time  # FFmpeg changes its mind while it reads
        self.start = self._container_start()
        self.is_index_complete = 0 < self.stream.frames == len(self.stream.index_entries)
        self.is_interlaced = "progressive" not in _field_order(self.context)
        self.is_damaged = False  # a packet since the last keyframe did not decode
        self.read_error: str | None = None  # the last failure to read, where there was one
        # MPEG streams are sought by decoding time: keyframes come before their presentation time.
        by_dts = container.format.name in ("mpegts", "mpeg")
        reorder = getattr(self.context, "reorder_depth", _USUAL_REORDER) + 1
        self._seek_lead = reorder * self.frame_ticks if by_dts else 0
        self._delay = 0  # from a frame's decoding time to its presentation, in ticks

    def seconds(self, pts: int) -> float:
        """A timestamp on the player's clock."""
        return float(pts * self.time_base - self.start)

    def pts_at(self, time_s: float) -> int:
        """The last timestamp at or before a time (rounding of half a microsecond allowed)."""
        return math.floor((Fraction(time_s) + self.start + Fraction(1, 2_000_000)) / self.time_base)

    def pts_from(self, time_s: float) -> int:
        """The first timestamp at or after a time (rounding of half a microsecond allowed)."""
        return math.ceil((Fraction(time_s) + self.start - Fraction(1, 2_000_000)) / self.time_base)

    def ticks(self, duration_s: float) -> int:
        """A duration in ticks, at least 1."""
        return max(1, math.ceil(Fraction(duration_s) / self.time_base))

    def seek(self, pts: int) -> bool:
        """Go to the last point at or before `pts` that the container knows; False: it cannot."""
        return self._seek(pts, backward=True)

    def _seek(self, pts: int, *, backward: bool) -> bool:
        import av

        try:
            self.container.seek(pts - self._seek_lead, stream=self.stream, backward=backward)
        except (av.FFmpegError, OSError):
            return False
        return True

    def rewind(self) -> None:
        """Go to the first packet."""
        import av

        early = (self.stream.start_time or 0) - self.ticks(60)
        # FLV knows nothing before its first packet, but what is the first one after a time.
        if self.timing != "count" and (self.seek(early) or self._seek(early, backward=False)):
            return
        try:  # raw streams know no times, but bytes
            self.container.seek(0, stream=self.stream, unsupported_byte_offset=True)
        except (av.FFmpegError, OSError) as error:
            self.read_error = str(error)

    def discard_others(self) -> None:
        """Read nothing of the other streams from here on."""
        from av.stream import Discard

        for other in self.container.streams:
            if other.index != self.stream.index:
                other.discard = Discard.all

    def packets(self) -> Iterator[VideoPacket]:
        """Packets from here to the end.

        Those that an edit list hides (`is_discard`) are among them, since what follows may need
        them; the decoder keeps their frames to itself.
        """
        return self._packets(self.stream)

    def packets_of_all_streams(self) -> Iterator[Packet[Any]]:
        """Packets of sound and subtitles, too, as the file has them interleaved."""
        return self._packets(*self.container.streams)

    def _packets(self, *streams: Any) -> Iterator[Packet[Any]]:
        import av

        failures = 0
        while failures < _READ_RETRIES:
            try:
                # Closed by hand: PyAV's generators leak where they are only dropped.
                packets: Any = self.container.demux(*streams)
                with closing(packets):
                    for packet in packets:
                        # An empty packet would tell the decoder that the video is over.
                        if packet.size:
                            failures = 0
                            yield packet
                return
            except (av.FFmpegError, OSError) as error:
                self.read_error = str(error)
                failures += 1

    def decode(self, packet: VideoPacket | None) -> list[VideoFrame]:
        """Decode one packet (None: drain the decoder).

        Damage raises nothing, but sets `is_damaged`: until the next keyframe, what still comes
        out may be smeared.
        """
        import av

        try:
            return [frame for frame in self.context.decode(packet) if not frame.is_corrupt]
        except EOFError:
            return []  # drained twice
        except (av.FFmpegError, OSError):
            self.is_damaged = True
            return []

    def reset_decoder(self) -> None:
        """Forget what was decoded, before packets of another place."""
        self.context.flush_buffers()
        self.context.skip_frame = "DEFAULT"
        self.is_damaged = False

    def frames(self) -> Iterator[tuple[int, VideoFrame]]:
        """Decode everything from here: `(pts, frame)` in order of time, whatever the timing."""
        self.reset_decoder()
        last: int | None = None
        for packet in chain(self.packets(), [None]):
            for frame in self.decode(packet):
                last = self.stamp(frame, last)
                if self.is_damaged and not frame.key_frame:
                    continue
                self.is_damaged = False
                yield last, frame
        self.reset_decoder()

    def stamp(self, frame: VideoFrame, last: int | None) -> int:
        """A frame's timestamp; `last` is that of the frame before it, None after a seek."""
        stamp = {"pts": frame.pts, "dts": frame.dts, "count": None}[self.timing]
        if stamp is not None:
            return stamp - self._delay
        return 0 if last is None else last + self.frame_ticks

    def settle(self, first_packet: VideoPacket, first_frame: VideoFrame) -> None:
        """Decide the timing, and where the clock begins, from what came first."""
        if first_packet.pts is None and first_packet.dts is None and first_frame.pts is None:
            self.timing, self.start = "count", Fraction(0)
        elif self.container.format.name == "avi" and (
            self.context.has_b_frames or first_packet.pts != first_packet.dts
        ):
            self.timing = "dts"
            if first_frame.dts is not None and first_packet.dts is not None:
                self._delay = first_frame.dts - first_packet.dts
        if self.timing != "count":
            # Where FFmpeg does not know this stream's start it takes that of the others (Matroska
            # without a keyframe at the front), but no picture is shown before the clock begins.
            self.start = min(self.start, self.stamp(first_frame, None) * self.time_base)

    def _frame_ticks(self) -> int:
        rate = self.stream.guessed_rate or self.stream.average_rate or _FALLBACK_FPS
        return max(1, round(1 / (Fraction(rate) * self.time_base)))

    def _container_start(self) -> Fraction:
        own = self.stream.start_time
        own_start = own * self.time_base if own is not None else None
        if self.container.start_time is None:
            return own_start or Fraction(0)
        start = Fraction(self.container.start_time, 1_000_000)
        # The container's start is rounded to microseconds: where this stream makes it, its own
        # first timestamp is the exact one.
        if own_start is not None and abs(own_start - start) <= Fraction(1, 1_000_000):
            return own_start
        return start


def _field_order(context: VideoCodecContext) -> str:
    """FFmpeg's word for it; unknown counts as progressive, which is what nearly all files are."""
    order = str(getattr(context, "field_order", "progressive")).lower()
    return "progressive" if order.endswith(("0", "1", "unknown", "progressive")) else order


def _pick_stream(container: InputContainer) -> VideoStream:
    from av.stream import Disposition

    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not videos:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "no streams"
        covers = " (its picture is a cover)" if container.streams.video else ""
        detail = f"no video stream, only: {kinds}{covers}"
        raise VideoSkippedError("open", SkipReason.NO_VIDEO_STREAM, detail)
    best = container.streams.best("video")
    stream = best if best in videos else videos[0]
    if stream.codec_context is None:
        detail = "this FFmpeg has no decoder for the video stream"
        raise VideoSkippedError("open", SkipReason.UNSUPPORTED_CODEC, detail)
    return stream
