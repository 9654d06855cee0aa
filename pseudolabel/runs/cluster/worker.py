"""What runs inside a Ray actor: an engine, fed with shards that do not wait for each other.

Nothing here knows Ray. Videos of a shard follow those of the one before through the same pipeline,
so that the captioner does not wait at a shard's end; each shard is committed when its last video
is captioned.
"""

from __future__ import annotations

import os
import platform
import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pseudolabel.errors import MissingExtraError, PseudolabelError, RunError
from pseudolabel.runs.cluster.shards import Listed
from pseudolabel.runs.floor import Draw
from pseudolabel.runs.options import RunOptions
from pseudolabel.runs.pipeline.engine import Engine, Recipe
from pseudolabel.runs.pipeline.profile import Timings
from pseudolabel.runs.pipeline.tally import Tally
from pseudolabel.runs.storage.writer import PartWriter, VideoRows
from pseudolabel.videos.order import largest_first


@dataclass(frozen=True, slots=True)
class Stopped:
    """An error for the user, on its way to the driver; any other one travels as it is."""

    kind: type[PseudolabelError]
    message: str
    hint: str | None

    @classmethod
    def by(cls, error: PseudolabelError) -> Stopped:
        """What is told of an error."""
        return cls(type(error), str(error), error.hint)

    def error(self) -> PseudolabelError:
        """The error again."""
        kind = RunError if issubclass(self.kind, MissingExtraError) else self.kind
        return kind(self.message, hint=self.hint)


@dataclass(frozen=True, slots=True)
class Described:
    """What a run with the worker's models says of itself."""

    options: dict[str, Any]
    manifest: dict[str, Any]


@dataclass(slots=True, eq=False)
class _Shard:
    """A shard in work."""

    part: int
    videos: Sequence[Listed]
    rows: list[VideoRows] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    told: Future[Tally] = field(default_factory=Future)


class ShardWorker:
    """Captions shards, and commits each as a part of its own.

    Args:
        recipe: What to do with videos.
        out: The run folder, which somebody else holds the lock of.
        run: Limits.
        workers: Decode processes.
        folder: From which relative paths start, if this machine has it.
    """

    def __init__(
        self, recipe: Recipe, out: str, run: RunOptions, workers: int, folder: str
    ) -> None:
        with suppress(OSError):
            os.chdir(folder)
        # Every finished video comes at once: it is known then which shard is complete.
        self._run = replace(run, workers=workers, commit_every_s=0, ray=None)
        self._recipe = recipe
        self._writer = PartWriter(out)
        self._draw = Draw()
        self._engine: Engine | None = None
        self._waiting: queue.SimpleQueue[_Shard] = queue.SimpleQueue()
        self._owners: dict[str, deque[_Shard]] = {}  # by video id: shards that wait for its rows
        self._lock = threading.Lock()  # videos are taken in one thread, rows come in another
        self._in_work: list[_Shard] = []
        self._before = Tally()  # what was known when a shard was told last
        threading.Thread(target=self._work, name="shards", daemon=True).start()

    def describe(self) -> Described | Stopped:
        """What the run says of itself; the captioner need not be loaded for that."""
        try:
            engine = self._engine = self._engine or Engine(self._recipe)
            return Described(engine.options(), engine.manifest())
        except PseudolabelError as error:
            return Stopped.by(error)

    def load(self, options: dict[str, Any], places: Sequence[int]) -> Stopped | None:
        """Load the captioner.

        Args:
            options: What `describe` says elsewhere; here it must say the same.
            places: Of the clips that the run keeps for its floor of chance.
        """
        self._draw = Draw(places)
        told = self.describe()
        if isinstance(told, Stopped):
            return told
        place = self._writer.folder
        if place.is_local and not place.fs.exists(place.root):
            return Stopped(
                RunError,
                f"{place.path}: not there on {platform.node()}",
                "--out on a disk that all machines share, or a URL",
            )
        if told.options != options:
            names = [name for name in options if options[name] != told.options.get(name)]
            differing = ", ".join(
                f"{name} is {options[name]!r} or {told.options.get(name)!r}" for name in names
            )
            return Stopped(
                RunError,
                f"the machines of this cluster would not write the same: {differing}",
                "name the --dtype and the --model@revision, or use machines of one kind",
            )
        try:
            assert self._engine is not None
            self._engine.load()
        except PseudolabelError as error:
            return Stopped.by(error)
        return None

    def caption(self, part: int, videos: Sequence[Listed]) -> Tally | Stopped:
        """Caption a shard and write it as a part; called by several threads at a time.

        Returns:
            What was done, when it is committed.
        """
        shard = _Shard(part, videos)
        self._waiting.put(shard)
        try:
            return shard.told.result()
        except PseudolabelError as error:
            return Stopped.by(error)

    # -- in the worker's own thread -------------------------------------------------------------

    def _work(self) -> None:
        while True:
            first = self._waiting.get()
            try:
                self._stream(first)
            except BaseException as error:  # raised again where the shard is waited for
                for shard in self._in_work:
                    shard.told.set_exception(error)
            self._in_work.clear()
            self._owners.clear()

    def _stream(self, first: _Shard) -> None:
        """Caption a shard, and those that come before its last video is taken."""
        assert self._engine is not None
        self._take(first)
        self._before, tally = Tally(), Tally()
        self._engine.caption(
            self._videos(first),
            self._keep,
            tally,
            self._run,
            draw=self._draw,
            on_progress=self._tell,
        )
        for shard in self._in_work:  # inputs that share an id came as one
            if len(shard.rows) < len(shard.videos):
                self._writer.write(shard.part, shard.rows)
        self._tell(tally, all_of_them=True)

    def _take(self, shard: _Shard) -> None:
        self._in_work.append(shard)
        with self._lock:
            for video in shard.videos:
                self._owners.setdefault(video.video_id, deque()).append(shard)

    def _videos(self, shard: _Shard) -> Iterator[Listed]:
        """Ends when no shard waits: who takes videos must not be held up in between."""
        while True:
            yield from largest_first(iter(shard.videos))
            try:
                shard = self._waiting.get_nowait()
            except queue.Empty:
                return
            self._take(shard)

    def _keep(self, videos: Sequence[VideoRows]) -> None:
        for rows in videos:
            shard = self._owner(_video_id(rows))
            shard.rows.append(rows)
            shard.tally.add(rows)
            if len(shard.rows) == len(shard.videos):
                self._writer.write(shard.part, shard.rows)

    def _owner(self, video_id: str) -> _Shard:
        with self._lock:
            owners = self._owners[video_id]
            shard = owners.popleft()
            if not owners:
                del self._owners[video_id]
            return shard

    def _tell(self, tally: Tally, *, all_of_them: bool = False) -> None:
        """Give what is committed its answer, with the time that passed since the last one."""
        committed = [s for s in self._in_work if all_of_them or len(s.rows) == len(s.videos)]
        for shard in committed:
            for spent in fields(Timings):
                before = getattr(self._before, spent.name)
                setattr(shard.tally, spent.name, getattr(tally, spent.name) - before)
            self._before = replace(tally)
            self._in_work.remove(shard)
            shard.told.set_result(shard.tally)


def _video_id(rows: VideoRows) -> str:
    return rows.clips[0].clip.video.video_id if rows.clips else rows.skipped[0].video_id
