"""Captioning in many processes with Ray: one machine's GPUs, or those of a cluster.

The driver lists videos, packs them into shards and says which part each becomes; an actor a GPU
captions shards and writes their parts. What dies is the actor's process, and its shards with it:

- A shard whose process died is tried once more, alone in its process, so that no other one is
  suspected with it.
- If it dies again, its videos are tried one by one. One that takes its process along becomes a
  skipped row.
- An error of the captioner or of the run folder is nobody's death: it ends the run, as it does
  without Ray.

A shard that is tried again becomes the same part, so it does not matter whether it was written
before its process died. Nor does it matter if a process outlives its driver for a moment and
still writes: a driver that goes on with a run leaves out the numbers that may be taken.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pseudolabel.errors import RunError
from pseudolabel.records import Skipped, SkipReason, Video
from pseudolabel.runs.cluster.crew import Crew
from pseudolabel.runs.cluster.shards import Listed, shards_of
from pseudolabel.runs.cluster.worker import Described, Stopped
from pseudolabel.runs.options import RunOptions
from pseudolabel.runs.pipeline.engine import Recipe
from pseudolabel.runs.pipeline.tally import Tally
from pseudolabel.runs.storage.writer import PartWriter, VideoRows

IN_FLIGHT = 2  # shards an actor has: one in work, one to go on with at once
TRIES = 2  # as for a video that kills its decode worker
MOST_DEATHS = 20  # in a row, with no shard done in between: it is not the videos then
MOST_FAILED_STARTS = 3  # the same, where no actor has loaded its models yet
TICK_S = 0.5  # the progress tells the time while nothing ends

OnProgress = Callable[[Tally], None]


@dataclass(slots=True, eq=False)
class _Shard:
    """Videos on their way, and the part that they become."""

    part: int
    videos: Sequence[Listed]
    deaths: int = 0  # of processes that had it

    @property
    def is_suspect(self) -> bool:
        return self.deaths > 0


@dataclass(slots=True, eq=False)
class _Process:
    """An actor, as the driver sees it."""

    actor: Any
    is_ready: bool = False  # its models are loaded
    shards: dict[Any, _Shard] = field(default_factory=dict)  # by what Ray calls their results

    @property
    def has_suspect(self) -> bool:
        return any(shard.is_suspect for shard in self.shards.values())


class RayEngine:
    """As `Engine`, over many processes; a context manager that ends them.

    Args:
        recipe: What to do with videos. Captioner and scorer may be loaded ones if they pickle.
        out: The run folder, within reach of every machine.
        run: Workers and limits; `run.ray` says where.

    Raises:
        MissingExtraError: If Ray is not installed.
        RunError: If there is no Ray at that address, or its processes do not start.
        CaptionerError: If a model cannot be found.
    """

    def __init__(self, recipe: Recipe, out: str, run: RunOptions) -> None:
        self._crew = Crew(recipe, out, run)
        try:
            self._first = self._crew.start()
            self._described: Described = self._answer("describe")
        except BaseException:
            self._crew.close()
            raise

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self._crew.close()

    def options(self) -> dict[str, Any]:
        """The recipe, under the names of the command's options, as a process there says it."""
        return self._described.options

    def manifest(self) -> dict[str, Any]:
        """The `run.json` of a new run."""
        return self._described.manifest

    def load(self) -> None:
        """Load the captioner in one process; the others follow when there is work.

        Raises:
            CaptionerError: If it cannot be loaded.
            RunError: If the process dies of it.
        """
        self._answer("load", self._described.options, ())

    def caption(
        self,
        videos: Iterator[Listed],
        writer: PartWriter,
        tally: Tally,
        *,
        places: Sequence[int] = (),
        on_progress: OnProgress | None = None,
    ) -> None:
        """Caption videos into parts of a run; what is committed stays, whatever happens.

        Args:
            videos: Taken lazily, some thousand ahead.
            writer: Of the run, whose lock somebody holds; writes what nobody else can.
            tally: Is added to.
            places: Of the clips that the run keeps for its floor of chance.
            on_progress: Called with the tally so far, at least twice a second.

        Raises:
            CaptionerError: If a model cannot be loaded or stops working.
            RunError: If a part cannot be written, or the processes keep dying.
        """
        numbers = itertools.count(writer.begin_crew())
        processes = tally.processes = self._crew.layout.processes
        shards = shards_of(videos, processes=processes)
        run = _Run(self._crew, writer, numbers, shards, tally, self._described, places)
        run.add(self._first)
        for _ in range(processes - 1):
            run.add(self._crew.start())
        started_s = time.perf_counter()
        while run.is_left():
            run.wait()
            tally.wall_s = time.perf_counter() - started_s
            if on_progress is not None:
                on_progress(tally)

    def _answer(self, method: str, *arguments: object) -> Any:
        """What the first process says; another one is asked, where it is killed before that."""
        import ray

        for start in range(MOST_FAILED_STARTS):
            try:
                return _checked(ray.get(getattr(self._first, method).remote(*arguments)))
            except _deaths() as error:
                self._crew.end(self._first)
                if start == MOST_FAILED_STARTS - 1:
                    raise RunError(
                        f"a captioning process dies before it can work: {_line(error)}",
                        hint="run without --engine ray to see more",
                    ) from error
                self._first = self._crew.start()
        raise AssertionError("the last start answers or raises")


class _Run:
    """Who works on which shard, and what is left."""

    def __init__(
        self,
        crew: Crew,
        writer: PartWriter,
        numbers: Iterator[int],
        shards: Iterable[Sequence[Listed]],
        tally: Tally,
        described: Described,
        places: Sequence[int],
    ) -> None:
        self._crew, self._writer = crew, writer
        self._numbers, self._tally = numbers, tally
        self._load_with = (described.options, places)
        # Taken as there is room for them: ten million videos do not wait in the driver.
        self._fresh = (_Shard(next(numbers), videos) for videos in shards)
        self._next: _Shard | None = next(self._fresh, None)
        self._suspects: deque[_Shard] = deque()
        self._starting: dict[Any, _Process] = {}
        self._processes: list[_Process] = []
        self._deaths = 0  # since the last shard that was done
        self._has_loaded = False  # any process

    def add(self, actor: Any) -> None:
        """Have a process load its models; it gets work when it has."""
        process = _Process(actor)
        self._processes.append(process)
        self._starting[actor.load.remote(*self._load_with)] = process

    def is_left(self) -> bool:
        """Whether there is anything to do, or in work."""
        return bool(self._next or self._suspects or any(p.shards for p in self._processes))

    def wait(self) -> None:
        """Give work to who is ready for it, and wait until something ends, or for a tick."""
        import ray

        self._hand_out()
        in_work = {result: p for p in self._processes for result in p.shards}
        told, _ = ray.wait([*self._starting, *in_work], timeout=TICK_S)
        for result in told:
            process = self._starting.get(result) or in_work[result]
            if process not in self._processes:
                continue  # it died with another shard just now
            try:
                answer = _checked(ray.get(result))
            except _deaths() as error:
                self._bury(process, _line(error))
                continue
            if self._starting.pop(result, None) is not None:
                process.is_ready = self._has_loaded = True
            else:
                del process.shards[result]
                self._tally.merge(answer)
                self._deaths = 0

    def _hand_out(self) -> None:
        for process in self._processes:
            while process.is_ready and (shard := self._for(process)) is not None:
                result = process.actor.caption.remote(shard.part, shard.videos)
                process.shards[result] = shard

    def _for(self, process: _Process) -> _Shard | None:
        """A suspect gets a process for itself, and the first that is free."""
        if self._suspects:
            return None if process.shards else self._suspects.popleft()
        if len(process.shards) >= IN_FLIGHT or process.has_suspect:
            return None
        shard, self._next = self._next, self._next and next(self._fresh, None)
        return shard

    def _bury(self, process: _Process, why: str) -> None:
        """Replace a process, and settle what becomes of its shards."""
        self._deaths += 1
        if self._deaths >= (MOST_DEATHS if self._has_loaded else MOST_FAILED_STARTS):
            raise RunError(
                f"captioning processes died {self._deaths} times in a row, last with: {why}",
                hint="what is done is kept; run without --engine ray to see more",
            )
        self._processes.remove(process)
        self._starting = {r: p for r, p in self._starting.items() if p is not process}
        self._crew.end(process.actor)
        for shard in process.shards.values():
            shard.deaths += 1
            if shard.deaths < TRIES:
                self._suspects.append(shard)
            elif len(shard.videos) > 1:
                self._suspects += [
                    _Shard(next(self._numbers), [video], TRIES - 1) for video in shard.videos
                ]
            else:
                self._give_up(shard, why)
        self.add(self._crew.start())

    def _give_up(self, shard: _Shard, why: str) -> None:
        rows = [VideoRows((), (_lost(video, why),)) for video in shard.videos]
        self._writer.write(shard.part, rows)
        for row in rows:
            self._tally.add(row)


def _lost(video: Listed, why: str) -> Skipped:
    if isinstance(video, Skipped):
        return video
    assert isinstance(video, Video)
    return Skipped(
        video_id=video.video_id,
        source=video.source,
        stage="caption",
        reason=SkipReason.WORKER_LOST,
        detail=f"the captioning process died on it, alone as well: {why}",
        listed=video.listed,
    )


def _deaths() -> tuple[type[Exception], ...]:
    """What Ray raises where a process, or its machine, is gone; not what code in it raises."""
    from ray import exceptions

    return (
        exceptions.RayActorError,
        exceptions.WorkerCrashedError,
        exceptions.OutOfMemoryError,
        exceptions.NodeDiedError,
    )


def _checked(answer: Any) -> Any:
    if isinstance(answer, Stopped):
        raise answer.error()
    return answer


def _line(error: BaseException) -> str:
    """What Ray says of a death, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
