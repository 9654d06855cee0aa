"""Where the time of a run goes: measured always, at a few clock readings a batch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Timings:
    """Seconds, of the thread that captions unless said otherwise.

    Waiting, captioning, scoring, finishing and the rest add up to the wall time, of as many
    processes as caption beside each other; preparing, generating and reading are parts of
    captioning that not every captioner tells.
    """

    wall_s: float = 0.0  # from the first decode to the last commit
    processes: int = 1  # that caption; all that follows is of all of them
    waiting_s: float = 0.0  # for a batch of frames
    captioning_s: float = 0.0  # inside the captioner
    preparing_s: float = 0.0  # of it: frames to the model's inputs
    generating_s: float = 0.0  # of it: inside the model's `generate`, the device's work done
    reading_s: float = 0.0  # of it: tokens to texts and scores
    scoring_s: float = 0.0  # inside the scorer
    finishing_s: float = 0.0  # for captions to be consolidated and rows to be written
    consolidating_s: float = 0.0  # in any thread: captions of frames to captions of clips
    committing_s: float = 0.0  # in any thread: rows to the run folder
    ahead_s: float = 0.0  # in another thread: a batch is copied while another is generated
    decode_cpu_s: float = 0.0  # processor time of the decode workers
    frames: int = 0  # captioned

    @property
    def all_walls_s(self) -> float:
        """The wall time of each process, added up."""
        return self.wall_s * self.processes

    @property
    def other_s(self) -> float:
        """The rest of the wall time."""
        told = (self.waiting_s, self.captioning_s, self.scoring_s, self.finishing_s)
        return max(0.0, self.all_walls_s - sum(told))

    @property
    def generating_share(self) -> float | None:
        """How much of the wall time is `generate`; None where the captioner does not tell.

        At most this share of the speed of light is reached, which is that of `generate` alone on
        a machine that does nothing else.
        """
        return self.generating_s / self.all_walls_s if self.generating_s else None
