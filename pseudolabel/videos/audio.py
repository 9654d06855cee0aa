"""The sound of a video, on the player's clock: what a recognizer of speech hears, and when.

FFmpeg gives frames of sound with times. A stream that starts late, or that has a hole in it, is
put where a player plays it; a recognizer that is given samples alone would be early from there on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pseudolabel.records import SkipReason
from pseudolabel.speech.transcription import SAMPLE_RATE_HZ, AudioBlock
from pseudolabel.videos.opening import open_container
from pseudolabel.videos.signals import VideoSkippedError, one_line

if TYPE_CHECKING:
    import av
    import numpy as np
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler
    from av.container import InputContainer
    from numpy.typing import NDArray

BLOCK_S = 600.0  # of sound in memory at a time
NO_AUDIO_STREAM = "no_audio_stream"

_CUT_WITHIN_S = 30.0  # a block is cut at the quietest moment of its last seconds
_QUIET_S = 0.2  # what a moment is
_JITTER_S = 0.1  # timestamps this far off are rounding
_SILENCE_S = 30.0  # a hole up to this long is filled with silence; after a longer one a new block


class AudioSkippedError(Exception):
    """The sound of a video cannot be had.

    Args:
        reason: `no_audio_stream`, or why the video cannot be opened or decoded: a `SkipReason`.
        detail: What failed, in one line, for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def audio_blocks(source: str, *, block_s: float = BLOCK_S) -> Iterator[AudioBlock]:
    """The sound of a path or URL, in blocks that follow each other; none where it has no samples.

    What does not decode is left out, and what comes after it stays at its time.

    Args:
        source: A path or URL.
        block_s: Length of a block, at most; the cut falls in the 30 s before.

    Raises:
        AudioSkippedError: If the source cannot be opened, has no sound, or none that decodes.
    """
    try:
        with open_container(source) as (container, _, _):
            yield from _Sound(container, block_s).blocks()
    except VideoSkippedError as error:
        raise AudioSkippedError(error.reason.value, error.detail) from None


@dataclass(slots=True)
class _Buffer:
    """Samples that wait to become a block."""

    start_s: float = 0.0
    parts: list[NDArray[np.float32]] = field(default_factory=list)
    count: int = 0

    def add(self, samples: NDArray[np.float32]) -> None:
        self.parts.append(samples)
        self.count += len(samples)

    @property
    def end_s(self) -> float:
        return self.start_s + self.count / SAMPLE_RATE_HZ

    def take(self, count: int) -> AudioBlock:
        """The first samples, as a block; the rest stays."""
        import numpy as np

        samples = np.concatenate(self.parts)
        block = AudioBlock(self.start_s, samples[:count])
        self.start_s += count / SAMPLE_RATE_HZ
        self.parts = [samples[count:].copy()]
        self.count = len(self.parts[0])
        return block

    def quiet_end(self) -> int:
        """Samples up to the quietest moment near the end."""
        import numpy as np

        samples = np.concatenate(self.parts)
        self.parts = [samples]
        moment = round(_QUIET_S * SAMPLE_RATE_HZ)
        within = min(round(_CUT_WITHIN_S * SAMPLE_RATE_HZ), len(samples) // 2) // moment
        if within < 1:
            return len(samples)
        tail = samples[-within * moment :].reshape(within, moment)
        quietest = int(np.argmin((tail * tail).mean(axis=1)))
        return len(samples) - within * moment + quietest * moment + moment // 2


class _Sound:
    """One pass over the best audio stream of a container."""

    def __init__(self, container: InputContainer, block_s: float) -> None:
        from av.audio.stream import AudioStream

        stream = container.streams.best("audio")
        if not isinstance(stream, AudioStream):
            kinds = ", ".join(sorted({s.type for s in container.streams})) or "no streams"
            raise AudioSkippedError(NO_AUDIO_STREAM, f"no audio stream, only: {kinds}")
        self._container = container
        self._stream = stream
        self._block_samples = max(1, round(block_s * SAMPLE_RATE_HZ))
        self._clock_start_s = (container.start_time or 0) / 1_000_000
        self._buffer = _Buffer()
        self._resampler: AudioResampler | None = None
        self._resampled = ("", "", 0)  # format, layout and rate that the resampler takes
        self._heard_s: float | None = None  # player's clock, where the next sample belongs

    def blocks(self) -> Iterator[AudioBlock]:
        for frame in self._frames():
            yield from self._placed(frame)
            self._add(frame)
            if self._buffer.count >= self._block_samples:
                yield self._buffer.take(self._buffer.quiet_end())
        self._flush()
        if self._buffer.count:
            yield self._buffer.take(self._buffer.count)

    def _frames(self) -> Iterator[AudioFrame]:
        """Those that decode.

        Raises:
            AudioSkippedError: If there were packets, and none of them did.
        """
        import av

        frames, failure = 0, None
        for packet in self._packets():
            try:
                decoded = self._stream.decode(packet)
            except (av.FFmpegError, OSError) as error:
                failure = error
                continue
            for frame in decoded:
                frames += 1
                yield frame
        if failure is not None and not frames:
            raise AudioSkippedError(SkipReason.DECODE_ERROR.value, one_line(failure))

    def _packets(self) -> Iterator[av.Packet[Any]]:
        import av

        try:
            yield from self._container.demux(self._stream)
        except (av.FFmpegError, OSError):
            return  # a file cut short: what came before it counts

    def _placed(self, frame: AudioFrame) -> Iterator[AudioBlock]:
        """Fill the hole before a frame, or end the block at it."""
        import numpy as np

        if frame.pts is None or frame.time_base is None:
            start_s = self._heard_s or 0.0
        else:
            start_s = float(frame.pts * frame.time_base) - self._clock_start_s
        if self._heard_s is None:
            self._buffer.start_s = self._heard_s = start_s
        hole_s = start_s - self._heard_s
        if hole_s > _JITTER_S:
            self._flush()
            if hole_s <= _SILENCE_S:
                self._buffer.add(np.zeros(round(hole_s * SAMPLE_RATE_HZ), np.float32))
            else:
                if self._buffer.count:
                    yield self._buffer.take(self._buffer.count)
                self._buffer.start_s = start_s
            self._heard_s = start_s

    def _add(self, frame: AudioFrame) -> None:
        from av.audio.resampler import AudioResampler

        assert self._heard_s is not None, "a frame is placed before it is added"
        self._heard_s += frame.samples / frame.sample_rate
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or kind != self._resampled:
            self._flush()
            self._resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
            self._resampled = kind
        frame.pts = None  # placed already; jitter is no concern of the resampler
        self._keep(self._resampler.resample(frame))

    def _flush(self) -> None:
        """What the resampler still holds: a few milliseconds."""
        if self._resampler is not None:
            self._keep(self._resampler.resample(None))
        self._resampler = None

    def _keep(self, frames: Iterable[AudioFrame]) -> None:
        import numpy as np

        for frame in frames:
            self._buffer.add(frame.to_ndarray().reshape(-1).astype(np.float32, copy=False))
