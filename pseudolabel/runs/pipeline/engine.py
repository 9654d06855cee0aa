"""One machine's engine: videos in, rows out, with models that are loaded once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pseudolabel.captioners.load import introduce, load_captioner
from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.protocol import Captioner, ClipCaptioner
from pseudolabel.captioners.scorer import Scorer, load_scorer
from pseudolabel.captions.options import ConsolidateOptions
from pseudolabel.records import Skipped, Video
from pseudolabel.runs.floor import Draw
from pseudolabel.runs.options import RunOptions
from pseudolabel.runs.pipeline.assembly import Assembly, CaptionedVideo
from pseudolabel.runs.pipeline.beside import Beside
from pseudolabel.runs.pipeline.captioning import caption_events
from pseudolabel.runs.pipeline.consolidator import Consolidator, check_scored, model_name
from pseudolabel.runs.pipeline.scoring import FrameScorer
from pseudolabel.runs.pipeline.tally import Tally
from pseudolabel.runs.storage.manifest import described_options, new_manifest
from pseudolabel.runs.storage.writer import VideoRows
from pseudolabel.videos import scenes
from pseudolabel.videos.options import ClipOptions, FrameOptions
from pseudolabel.videos.pool import DecodePool

COMMIT_CLIPS = 5_000  # rows of so many clips are committed at once
FRAMES_AHEAD = 64  # decoded frames that may wait, at least; the pool also bounds their bytes

Commit = Callable[[Sequence[VideoRows]], object]  # what to do with rows of whole videos
Finish = Callable[[list[CaptionedVideo]], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that can change a row.

    Raises:
        OptionError: If the strategy needs scores and there is no scorer.
        MissingExtraError: If scenes are asked for and PySceneDetect is not installed.
    """

    clips: ClipOptions = field(default_factory=ClipOptions)
    frames: FrameOptions = field(default_factory=FrameOptions)
    captioner: CaptionOptions | Captioner = field(default_factory=CaptionOptions)
    scorer: str | Scorer | None = None
    consolidate: ConsolidateOptions = field(default_factory=ConsolidateOptions)

    def __post_init__(self) -> None:
        if self.clips.mode == "scenes" or self.clips.mark_cuts:
            wants = "--clips scenes" if self.clips.mode == "scenes" else "--mark-cuts"
            scenes.check_installed(wants)
        check_scored(self.consolidate, self.scorer is not None)


class Engine:
    """The models of a recipe, and the pipeline over them; a context manager.

    A scorer and a text encoder are loaded at once, the captioner when the first video comes.

    Args:
        recipe: What to do with videos.

    Raises:
        CaptionerError: If a model cannot be found or loaded.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._open = ExitStack()
        wanted = recipe.captioner
        introduced = introduce(wanted)
        self.identity = introduced.identity
        self._frames = FrameOptions(*recipe.frames.settled(*introduced.wanted_frames.settled()))
        self._captioner = None if isinstance(wanted, CaptionOptions) else wanted
        try:
            self._consolidator = self._open.enter_context(Consolidator(recipe.consolidate))
            self._scorer = self._load_scorer()
        except BaseException:
            self._open.close()
            raise

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def options(self) -> dict[str, Any]:
        """The recipe, under the names of the command's options."""
        return {
            **described_options(self._recipe.clips, self._frames, self.identity),
            "--scorer": self._scorer and model_name(**asdict(self._scorer.identity)),
            **self._consolidator.described(),
        }

    def manifest(self) -> dict[str, Any]:
        """The `run.json` of a new run."""
        made_by = {
            "captioner": asdict(self.identity),
            "scorer": self._scorer and asdict(self._scorer.identity),
            **self._consolidator.manifest(),
        }
        return new_manifest(self.options(), made_by)

    def caption(
        self,
        videos: Iterator[Video | Skipped],
        commit: Commit,
        tally: Tally,
        run: RunOptions,
        *,
        draw: Draw | None = None,
        on_progress: Callable[[Tally], None] | None = None,
    ) -> None:
        """Caption videos, and commit their rows when it is time; also on Ctrl-C and on errors.

        Args:
            videos: Taken one by one, as decode workers are free.
            commit: Takes rows of whole videos.
            tally: Is added to.
            run: Workers, limits and commits.
            draw: Which clips are kept for the floor of chance, as far as is known.
            on_progress: Called with the tally so far, a few times a second at most.

        Raises:
            CaptionerError: If a model cannot be loaded or stops working.
        """
        captioner = self.load()
        sees_clips = isinstance(captioner, ClipCaptioner)
        frames_a_time = self._frames.settled()[0] if sees_clips else 1
        scorer = None
        if self._scorer is not None:
            scorer = FrameScorer(self._scorer, captioner.frame_size)
        rows = _Rows(self._consolidator, commit, tally, run.commit_every_s, draw or Draw())
        started_s = time.perf_counter() - tally.wall_s

        def finish(finished: list[CaptionedVideo]) -> None:
            rows.add(finished)
            tally.wall_s = time.perf_counter() - started_s
            if on_progress is not None:
                on_progress(tally)

        with DecodePool(
            videos,
            clips=self._recipe.clips,
            frames=self._frames,
            size=captioner.frame_size,
            workers=run.workers,
            frames_ahead=max(FRAMES_AHEAD, 2 * captioner.largest_batch * frames_a_time),
            timeout_s=run.video_timeout_s,
        ) as pool:
            assembly = Assembly(seen_together=sees_clips)
            try:
                with self._finishing(finish) as hand_over:
                    for finished in caption_events(pool, captioner, assembly, tally, scorer):
                        handed_s = time.perf_counter()
                        hand_over(finished)
                        tally.finishing_s += time.perf_counter() - handed_s
                    ended_s = time.perf_counter()
                rows.finish()
            finally:
                rows.commit()
                tally.wall_s = time.perf_counter() - started_s
            tally.finishing_s += time.perf_counter() - ended_s

    def load(self) -> Captioner:
        """Load the captioner, if it is not loaded yet.

        Raises:
            CaptionerError: If it cannot be loaded.
        """
        if self._captioner is None:
            assert isinstance(self._recipe.captioner, CaptionOptions)
            self._captioner = load_captioner(self._recipe.captioner)
            self._open.callback(self._captioner.close)
        return self._captioner

    @contextmanager
    def _finishing(self, finish: Finish) -> Iterator[Finish]:
        """Gives what hands videos to `finish`: beside the captioner, where no model is needed."""
        if self._recipe.consolidate.text_encoder or self._recipe.consolidate.llm:
            yield finish  # two models at once are slower than one after the other
        else:
            with Beside(finish) as beside:
                yield beside.put

    def _load_scorer(self) -> Scorer | None:
        scorer, captioner = self._recipe.scorer, self._recipe.captioner
        if not isinstance(scorer, str):
            return scorer
        where = captioner if isinstance(captioner, CaptionOptions) else CaptionOptions()
        loaded = load_scorer(scorer, device=where.device, dtype=where.dtype)
        self._open.callback(loaded.close)
        return loaded


class _Rows:
    """Finished videos, on their way to a commit."""

    def __init__(
        self,
        consolidator: Consolidator,
        commit: Commit,
        tally: Tally,
        every_s: float,
        draw: Draw,
    ) -> None:
        self._consolidator, self._commit = consolidator, commit
        self._tally, self._draw = tally, draw
        self._every_s = every_s
        self._finished: list[VideoRows] = []
        self._committing = threading.Lock()  # a second Ctrl-C may leave a commit to its thread
        self._committed_s = time.perf_counter()

    def add(self, videos: Sequence[CaptionedVideo]) -> None:
        """Consolidate videos, and commit what is finished when it is time."""
        began_s = time.perf_counter()
        drawn = (replace(v, pairs=tuple(self._draw.smallest(v.pairs))) for v in videos)
        self._keep(self._consolidator.add(list(drawn)))
        self._tally.consolidating_s += time.perf_counter() - began_s
        is_due = time.perf_counter() - self._committed_s >= self._every_s
        if self._finished and (is_due or self._clips() >= COMMIT_CLIPS):
            self.commit()
            self._committed_s = time.perf_counter()

    def finish(self) -> None:
        """Consolidate what still waits for that."""
        began_s = time.perf_counter()
        self._keep(self._consolidator.finish())
        self._tally.consolidating_s += time.perf_counter() - began_s

    def commit(self) -> None:
        """Commit what is finished."""
        with self._committing:
            if self._finished:
                began_s = time.perf_counter()
                batch, self._finished = self._finished, []
                self._commit(batch)
                self._tally.committing_s += time.perf_counter() - began_s

    def _keep(self, videos: list[VideoRows]) -> None:
        self._finished += videos
        for rows in videos:
            self._tally.add(rows)

    def _clips(self) -> int:
        return sum(len(video.clips) for video in self._finished)
