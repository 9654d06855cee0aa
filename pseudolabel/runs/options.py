"""How a run is carried out: nothing here changes a row."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from pseudolabel.errors import OptionError


def usable_cores() -> int:
    """Processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Workers, limits and commits."""

    workers: int = field(default_factory=usable_cores)  # decode processes
    video_timeout_s: float = 60.0  # a decoder that yields nothing for this long is given up
    commit_every_s: float = 30.0  # at most this much finished work is lost when killed
    retry_skipped: bool = False  # try videos again that an earlier start skipped

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise OptionError(f"--workers {self.workers}: must be 1 or more", hint="--workers 2")
        if self.video_timeout_s <= 0:
            raise OptionError(
                f"--video-timeout {self.video_timeout_s:g}: must be above 0", hint="60 seconds"
            )
        if self.commit_every_s < 0:
            raise OptionError(
                f"--commit-every {self.commit_every_s:g}: must be 0 or more", hint="30 seconds"
            )
