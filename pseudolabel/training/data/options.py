"""What a captioner learns from: frozen options, contradictions refused."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, get_args

from pseudolabel.errors import OptionError
from pseudolabel.records import FrameSize
from pseudolabel.runs.cores import usable_cores

TextKind = Literal["caption", "samples", "asr"]
Fit = Literal["stretch", "crop"]
Kind = Literal["video", "image"]

KINDS: tuple[Kind, ...] = get_args(Kind)
MOST_TIMEOUT_S = 1e6  # systems do not wait for much longer
_USUAL_SIDE = 224
_MIX_HINT = "such as --mix video=1,image=1: of every two batches one is of images"


def processes_here() -> int:
    """Those that train together on this machine, as their launcher says."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _readers() -> int:
    """One a core, shared out among the processes of this machine."""
    return max(1, usable_cores() // processes_here())


@dataclass(frozen=True, slots=True)
class Mix:
    """How many batches of each kind, in proportion; every batch is of one kind."""

    video: Fraction = Fraction(1)
    image: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        if min(self.video, self.image) < 0 or self.video + self.image == 0:
            raise OptionError(f"--mix {self}: shares are 0 or more, and not all 0", hint=_MIX_HINT)

    def __str__(self) -> str:
        return f"video={float(self.video):g},image={float(self.image):g}"

    @classmethod
    def parse(cls, text: str) -> Mix:
        """Read `video=1,image=1`; what is not named is 0.

        Raises:
            OptionError: If it is not that.
        """
        shares = dict.fromkeys(KINDS, Fraction(0))
        named: set[str] = set()
        for piece in text.split(","):
            name, _, share = (part.strip() for part in piece.partition("="))
            if name not in KINDS or name in named:
                raise OptionError(f"--mix {text}: {name!r} is not video or image", hint=_MIX_HINT)
            named.add(name)
            try:
                shares[name] = Fraction(share)
            except (ValueError, ZeroDivisionError):
                raise OptionError(
                    f"--mix {text}: {share!r} is not a number", hint=_MIX_HINT
                ) from None
        return cls(**shares)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What is changed in pictures before they are learned from; nothing unless asked for.

    A clip's frames are all changed alike. Hue stays: captions name colors.
    """

    flip: bool = False  # half of the clips, left and right; captions say which is which
    crop: float = 1.0  # the least share of the picture that is kept; 1: all of it
    color: float = 0.0  # brightness, contrast and saturation change by up to this share

    def __post_init__(self) -> None:
        if not 0.05 <= self.crop <= 1:
            raise OptionError(
                f"--crop {self.crop:g}: the share of the picture that is kept is 0.05 to 1",
                hint="--crop 0.6, or 1 for no cropping",
            )
        if not 0 <= self.color < 1:
            raise OptionError(
                f"--color {self.color:g}: must be 0 or more and below 1", hint="--color 0.2"
            )


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Where clips and images come from, and how they are read.

    Raises:
        OptionError: If a value, or a pair of options, is not allowed.
    """

    data: str | None = None  # a release or run here, or USER/REPO[@1.2.0]
    videos: str | None = None  # a folder of videos, or what `pseudolabel frames` wrote
    images: str | None = None  # a dataset, a folder with captions, or tars; see `images`
    text: TextKind = "caption"
    transcripts: str | None = None  # for asr; a folder or file, as `compare` takes it
    mix: Mix | None = None  # None: as many batches of each as there are kinds
    frames: int = 8  # of a clip, evenly spread
    frame_size: int | None = None  # pixels, of the square that the model sees; None: 224
    fit: Fit = "stretch"  # the whole picture, as captioners see it; or its middle, undistorted
    augmentation: Augmentation = Augmentation()
    validation: float = 0.05  # share of the videos held out, where the release has no such split
    workers: int = field(default_factory=_readers)  # processes that read; 0: none beside
    clip_timeout_s: float = 60.0  # a clip that takes longer to decode is replaced
    seed: int = 0

    def __post_init__(self) -> None:
        self._check_sources()
        if self.text not in get_args(TextKind):
            raise OptionError(
                f"--text {self.text}: no such text", hint="one of: caption, samples, asr"
            )
        if self.fit not in get_args(Fit):
            raise OptionError(f"--fit {self.fit}: not a way to fit", hint="one of: stretch, crop")
        if (self.text == "asr") != (self.transcripts is not None):
            raise OptionError(
                "--text asr and --transcripts go together",
                hint="--text asr --transcripts FOLDER, with transcripts named as the videos",
            )
        for name, least in (("frames", 1), ("frame_size", 16), ("workers", 0), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                option = name.replace("_", "-")
                raise OptionError(
                    f"--{option} {value}: must be {least} or more",
                    hint=f"--{option} {max(least, 8)}",
                )
        if not 0 <= self.validation < 1:
            raise OptionError(
                f"--validation {self.validation:g}: a share of 0 or more and below 1",
                hint="--validation 0.05",
            )
        if not 0 < self.clip_timeout_s <= MOST_TIMEOUT_S:
            raise OptionError(
                f"--clip-timeout {self.clip_timeout_s:g}: must be above 0, and "
                f"{MOST_TIMEOUT_S:g} or less",
                hint="60 seconds",
            )

    def _check_sources(self) -> None:
        if self.data is None and self.images is None:
            raise OptionError(
                "nothing to learn from: neither --data nor --images", hint="--data RELEASE"
            )
        mix = self.shares
        for kind, option, given in (
            ("video", "--data", self.data),
            ("image", "--images", self.images),
        ):
            if getattr(mix, kind) > 0 and given is None:
                raise OptionError(f"--mix {mix} wants {kind}s", hint=f"give {option}")
            if getattr(mix, kind) == 0 and given is not None:
                raise OptionError(
                    f"--mix {mix} takes none from {option} {given}", hint=f"leave {option} out"
                )

    @property
    def shares(self) -> Mix:
        """The mix that was asked for, or as many batches of each kind that is given."""
        given = (Fraction(self.data is not None), Fraction(self.images is not None))
        return self.mix or Mix(*given)

    @property
    def side(self) -> int:
        """Pixels of the square that the model sees."""
        return self.frame_size or _USUAL_SIDE

    @property
    def picture_size(self) -> FrameSize:
        """What frames are decoded to: larger than the model sees where a part is cut out."""
        side = self.side
        if self.augmentation.crop < 1:
            side = round(side * min(2.0, self.augmentation.crop**-0.5))
        return FrameSize(side, side, "stretch" if self.fit == "stretch" else "cover")
