"""A captioner that reads the frame numbers burned into the tests' videos: always right, at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from pseudolabel.captioners.protocol import CaptionerIdentity, Refusal
from pseudolabel.records import Caption, Frame, FrameSize
from pseudolabel.videos.options import FrameOptions
from video_factory import read_number


class ReadingCaptioner:
    """Says `frame N` of frame N; `refuses` are the numbers it has no text for."""

    def __init__(self, batch_size: int = 4, refuses: Sequence[int] = ()) -> None:
        self.batch_size = batch_size
        self.batches: list[int] = []
        self._refuses = refuses

    @property
    def identity(self) -> CaptionerIdentity:
        return CaptionerIdentity(
            model="reading",
            revision="1",
            backend="test",
            architecture="",
            prompt=None,
            decoding="greedy",
            max_new_tokens=4,
            dtype="float32",
        )

    @property
    def frame_size(self) -> FrameSize:
        return FrameSize(96, 64)

    @property
    def largest_batch(self) -> int:
        return self.batch_size

    def caption(self, frames: Sequence[Frame]) -> list[tuple[Caption, ...] | Refusal]:
        self.batches.append(len(frames))
        return [self._read(read_number(frame.pixels)) for frame in frames]

    def close(self) -> None:
        return

    def _read(self, number: int) -> tuple[Caption, ...] | Refusal:
        if number in self._refuses:
            return Refusal(f"frame {number} is refused")
        return (Caption(f"frame {number}", mean_logprob=-0.5, truncated=False),)


class ReadingClipCaptioner(ReadingCaptioner):
    """Sees clips: says `frames 1 4 9` of a clip of these; `batches` are of clips.

    Args:
        frames: What it wants to see of a clip.
        refuses: The numbers of frames for which it refuses their clip.
    """

    def __init__(
        self, batch_size: int = 4, refuses: Sequence[int] = (), frames: FrameOptions | None = None
    ) -> None:
        super().__init__(batch_size, refuses)
        self.wanted_frames = frames or FrameOptions(count=4, snap="exact")
        self.seen: list[tuple[str, int, tuple[int, ...]]] = []  # clips, in order

    def caption(self, frames: Sequence[Frame]) -> list[tuple[Caption, ...] | Refusal]:
        clips = [list(of) for _, of in groupby(frames, lambda f: (f.video_id, f.clip_index))]
        self.batches.append(len(clips))
        return [answer for clip in clips for answer in [self._watch(clip)] * len(clip)]

    def _watch(self, clip: Sequence[Frame]) -> tuple[Caption, ...] | Refusal:
        numbers = tuple(read_number(frame.pixels) for frame in clip)
        self.seen.append((clip[0].video_id, clip[0].clip_index, numbers))
        if refused := set(numbers) & set(self._refuses):
            return Refusal(f"frame {min(refused)} is refused")
        return (Caption(f"frames {' '.join(map(str, numbers))}", mean_logprob=-0.5),)
