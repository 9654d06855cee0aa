"""How a run is carried out: nothing here changes a row."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from pseudolabel.errors import OptionError
from pseudolabel.runs.cores import usable_cores


@dataclass(frozen=True, slots=True)
class Share:
    """The part of the videos that is this process's, where several write to one run."""

    number: int  # from 1
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise OptionError(
                f"--shard {self.number}/{self.count}: there is no such shard",
                hint=f"1/{self.count} to {self.count}/{self.count}" if self.count > 0 else "1/8",
            )

    @classmethod
    def parse(cls, text: str) -> Share:
        """Read `NUMBER/COUNT`.

        Raises:
            OptionError: If the text is none.
        """
        match = re.fullmatch(r"(\d+)/(\d+)", text, re.ASCII)
        if match is None:
            raise OptionError(f"--shard {text}: not a shard", hint="such as 1/8, up to 8/8")
        return cls(int(match[1]), int(match[2]))

    def __contains__(self, video_id: str) -> bool:
        digest = hashlib.blake2b(video_id.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.number - 1


@dataclass(frozen=True, slots=True)
class RayOptions:
    """Captioning in many processes, on one machine or many, with Ray."""

    address: str | None = None  # of a cluster; None: a Ray of its own, on this machine
    workers: int | None = None  # decode processes beside each captioner; None: a GPU's share

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise OptionError(f"--workers {self.workers}: must be 1 or more", hint="--workers 2")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Workers, limits and commits."""

    workers: int = field(default_factory=usable_cores)  # decode processes
    video_timeout_s: float = 60.0  # a decoder that yields nothing for this long is given up
    commit_every_s: float = 30.0  # at most this much finished work is lost when killed
    retry_skipped: bool = False  # try videos again that an earlier start skipped
    ray: RayOptions | None = None  # None: in this process
    share: Share | None = None  # None: all videos, and nobody else writes to the run

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise OptionError(f"--workers {self.workers}: must be 1 or more", hint="--workers 2")
        # Asked this way round, what is no number ("nan") is refused as well.
        if not self.video_timeout_s > 0:
            raise OptionError(
                f"--video-timeout {self.video_timeout_s:g}: must be above 0", hint="60 seconds"
            )
        if not self.commit_every_s >= 0:
            raise OptionError(
                f"--commit-every {self.commit_every_s:g}: must be 0 or more", hint="30 seconds"
            )
        if self.ray is not None and self.share is not None:
            raise OptionError(
                "--shard with --engine ray: Ray shares the videos out itself",
                hint="use one of the two",
            )
