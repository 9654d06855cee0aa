"""What to cut from a video, and which frames to take: frozen options, contradictions refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from pseudolabel.errors import OptionError

ClipMode = Literal["fixed", "whole", "scenes", "spans", "transcript"]
Snap = Literal["keyframe", "exact"]


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """How videos are cut into clips."""

    mode: ClipMode = "fixed"
    length_s: float = 8.0  # of a fixed clip; the paper's figure 1
    min_clip_s: float = 2.0  # a last fixed piece shorter than this joins the one before
    mark_cuts: bool = False  # look for shot changes inside clips
    scene_threshold: float = 27.0  # of PySceneDetect's content detector
    transcripts: str | None = None  # folder of transcripts; None: beside the video, or inside it

    def __post_init__(self) -> None:
        # Asked this way round, what is no number ("nan") is refused as well.
        if not self.length_s > 0:
            raise OptionError(
                f"--clips fixed:{self.length_s:g}: a clip must be longer than 0 s",
                hint="--clips fixed:8 cuts clips of 8 seconds",
            )
        if not self.min_clip_s >= 0:
            raise OptionError(
                f"--min-clip {self.min_clip_s:g}: must be 0 or more seconds", hint="--min-clip 2"
            )
        if not self.scene_threshold > 0:
            raise OptionError(
                f"--clips scenes:{self.scene_threshold:g}: the threshold must be above 0",
                hint="--clips scenes:27; a lower one finds more cuts",
            )

    @classmethod
    def parse(
        cls,
        text: str,
        *,
        min_clip_s: float = 2.0,
        mark_cuts: bool = False,
        transcripts: str | None = None,
    ) -> ClipOptions:
        """Read `fixed:8`, `whole`, `scenes`, `scenes:27`, `spans` or `transcript`.

        Raises:
            OptionError: If the text is none of these.
        """
        mode, _, number = text.partition(":")
        hint = "one of: fixed, fixed:SECONDS, whole, scenes, scenes:THRESHOLD, spans, transcript"
        if mode not in get_args(ClipMode) or (number and mode not in ("fixed", "scenes")):
            raise OptionError(f"--clips {text}: not a way to cut clips", hint=hint)
        try:
            value = float(number) if number else None
        except ValueError:
            raise OptionError(f"--clips {text}: {number!r} is not a number", hint=hint) from None
        return cls(
            mode=mode,  # type: ignore[arg-type]  # checked above
            length_s=value if value is not None and mode == "fixed" else 8.0,
            scene_threshold=value if value is not None and mode == "scenes" else 27.0,
            min_clip_s=min_clip_s,
            mark_cuts=mark_cuts,
            transcripts=transcripts,
        )


@dataclass(frozen=True, slots=True)
class FrameOptions:
    """Which frames of a clip are captioned; what is None is up to the captioner.

    Most captioners take one keyframe; one that watches videos, several exact frames.
    """

    count: int | None = None  # 1 is the clip's center; more are spread evenly
    snap: Snap | None = None  # nearest keyframe if one lies inside the clip; or the exact frame

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1:
            raise OptionError(f"--frames {self.count}: must be 1 or more", hint="--frames 1")
        if self.snap is not None and self.snap not in get_args(Snap):
            raise OptionError(
                f"--snap {self.snap}: not a way to pick frames", hint="one of: keyframe, exact"
            )

    def settled(self, count: int = 1, snap: Snap = "keyframe") -> tuple[int, Snap]:
        """Count and snap; what stands here where nothing was asked for."""
        return self.count or count, self.snap or snap
