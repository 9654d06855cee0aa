"""A captioner whose texts are damaged on purpose, some in each way, and which remembers which."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
from PIL import Image

from pseudolabel.captioners.protocol import Captioner, CaptionerIdentity, Refusal
from pseudolabel.records import Caption, Frame, FrameSize

LOOKED_AT = FrameSize(384, 384)  # as the default captioner's: what is measured on pixels needs some

# What captioners are known to begin with.
BOILERPLATE = (
    *("a photo of ", "a picture of ", "an image of ", "this is an image of ", "a video of "),
    *("the image shows ", "the image features ", "this picture depicts ", "arafed "),
    *("in this image there is ", "in this image, we can see "),
)


class Damage(StrEnum):
    """What was done to a text."""

    WRONG = "wrong"  # another caption of the world
    EMPTY = "empty"
    LOOP = "loop"
    TRUNCATED = "truncated"  # its first half
    BOILERPLATE = "boilerplate"
    REPEATED = "repeated"  # one caption, on all frames of several clips


SHARE = 0.05  # of the texts with each damage; of the clips, for `REPEATED`
MISSEEN = 0.05  # of the frames, with a wrong caption in all samples alike
REPEATED_TEXT = "a white star left of a pink circle"

TextKey = tuple[str, float, int]  # video, time, sample


@dataclass(slots=True)
class DamagingCaptioner:
    """Another captioner, at frames of another size, with damage.

    What is damaged follows from the video, the time and the sample. A damaged text keeps the
    log-probability of what stood there, so that this tells nothing of the damage.
    """

    captioner: Captioner
    others: Sequence[str]  # captions that a text may be replaced by
    is_damaging: bool = True
    damaged: dict[TextKey, Damage] = field(default_factory=dict)
    misseen: dict[tuple[str, float], str] = field(default_factory=dict)  # frames, and what it says
    _clean: dict[tuple[str, float], tuple[Caption, ...]] = field(default_factory=dict)

    @property
    def identity(self) -> CaptionerIdentity:
        """The other's."""
        return self.captioner.identity

    @property
    def frame_size(self) -> FrameSize:
        """The default captioner's."""
        return LOOKED_AT

    @property
    def batch_size(self) -> int:
        """The other's."""
        return self.captioner.batch_size

    @property
    def largest_batch(self) -> int:
        """The other's."""
        return self.captioner.largest_batch

    def caption(self, frames: Sequence[Frame]) -> list[Any]:
        """The other's captions; a frame that was captioned before is not captioned again."""
        unknown = [frame for frame in frames if (frame.video_id, frame.time_s) not in self._clean]
        size = self.captioner.frame_size
        small = [replace(frame, pixels=_resized(frame, size)) for frame in unknown]
        answers = self.captioner.caption(small) if small else []
        for frame, answer in zip(unknown, answers, strict=True):
            assert not isinstance(answer, Refusal)
            self._clean[frame.video_id, frame.time_s] = answer
        clean = [self._clean[frame.video_id, frame.time_s] for frame in frames]
        if not self.is_damaging:
            return clean
        return [self._damaged(frame, its) for frame, its in zip(frames, clean, strict=True)]

    def close(self) -> None:
        """Close the other."""
        self.captioner.close()

    def _damaged(self, frame: Frame, captions: tuple[Caption, ...]) -> tuple[Caption, ...]:
        clip = _dice("clip", frame.video_id, frame.clip_index)
        of_frame = _dice("frame", frame.video_id, frame.time_s)
        misseen = of_frame.choice(self.others) if of_frame.random() < MISSEEN else None
        if misseen is not None:
            self.misseen[frame.video_id, frame.time_s] = misseen
        is_repeated = clip.random() < SHARE
        made = []
        for sample, caption in enumerate(captions):
            dice = _dice("text", frame.video_id, frame.time_s, sample)
            kind = _drawn(dice)
            if is_repeated:
                kind, text = Damage.REPEATED, REPEATED_TEXT
            elif kind is None and misseen is not None:
                kind, text = Damage.WRONG, misseen
            elif kind is None:
                made.append(caption)
                continue
            else:
                text = self._text(kind, caption.text if misseen is None else misseen, dice)
            self.damaged[frame.video_id, frame.time_s, sample] = kind
            made.append(replace(caption, text=text, truncated=kind is Damage.TRUNCATED))
        return tuple(made)

    def _text(self, kind: Damage, text: str, dice: random.Random) -> str:
        words = text.split()
        if kind is Damage.EMPTY:
            return dice.choice(("", " ", "."))
        if kind is Damage.WRONG:
            return dice.choice([other for other in self.others if other != text])
        if kind is Damage.BOILERPLATE:
            return dice.choice(BOILERPLATE) + text
        if kind is Damage.TRUNCATED:
            return " ".join(words[: max(1, len(words) // 2)])
        if dice.random() < 0.5:
            at = dice.randrange(len(words))
            return " ".join([*words[:at], *[words[at]] * 4, *words[at + 1 :]])
        return " ".join([*words, *["left", "of", *words[-3:]] * 3])


def _drawn(dice: random.Random) -> Damage | None:
    """One way of damaging a text, or none."""
    kinds = (Damage.WRONG, Damage.EMPTY, Damage.LOOP, Damage.TRUNCATED, Damage.BOILERPLATE)
    place = int(dice.random() / SHARE)
    return kinds[place] if place < len(kinds) else None


def _dice(*key: object) -> random.Random:
    return random.Random("\0".join(map(str, key)))


def _resized(frame: Frame, size: FrameSize) -> Any:
    wanted = size.of(frame.pixels.shape[1], frame.pixels.shape[0])
    return np.asarray(Image.fromarray(frame.pixels).resize(wanted, Image.Resampling.BICUBIC))
