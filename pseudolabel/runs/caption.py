"""`caption_videos`: from videos to a run folder, and on from where it stopped."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace

from pseudolabel.captioners.load import identify, load_captioner
from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.protocol import Captioner
from pseudolabel.captioners.scorer import Scorer, load_scorer
from pseudolabel.captions.options import ConsolidateOptions
from pseudolabel.records import Skipped, Video
from pseudolabel.runs.assembly import Assembly, CaptionedVideo
from pseudolabel.runs.consolidator import Consolidator, check_scored, model_name
from pseudolabel.runs.floor import Draw
from pseudolabel.runs.manifest import described_options, new_manifest
from pseudolabel.runs.options import RunOptions
from pseudolabel.runs.pipeline import Timings, caption_events
from pseudolabel.runs.resume import DoneVideos, check_same_options
from pseudolabel.runs.scoring import FrameScorer
from pseudolabel.runs.writer import RunWriter, VideoRows
from pseudolabel.videos import scenes
from pseudolabel.videos.options import ClipOptions, FrameOptions
from pseudolabel.videos.pool import DecodePool
from pseudolabel.videos.sources.listing import list_videos

COMMIT_CLIPS = 5_000  # a part this large is committed at once
COUNTED_AHEAD = 20_000  # inputs listed before captioning starts, so that progress knows its end
FRAMES_AHEAD = 64  # decoded frames that may wait, at least; the pool also bounds their bytes


@dataclass(slots=True)
class Tally:
    """What a start of a run has done so far; `caption_videos` gives the final one back."""

    total: int | None = None  # videos to do, where the inputs are few enough to be counted
    already_done: int = 0  # videos an earlier start had done
    videos: int = 0  # with at least one captioned clip
    clips: int = 0
    frames: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # rows, by reason
    flags: Counter[str] = field(default_factory=Counter)  # clips, by flag of their own row
    skipped_videos: int = 0  # videos without any captioned clip
    video_s: float = 0.0  # length of the captioned videos
    wall_s: float = 0.0  # from the first decode to the last commit
    captioning_s: float = 0.0  # of it, inside the captioner
    scoring_s: float = 0.0  # of it, inside the scorer
    decode_cpu_s: float = 0.0  # processor time of the decode workers

    def add(self, rows: VideoRows) -> None:
        """Count one finished video."""
        self.clips += len(rows.clips)
        self.videos += bool(rows.clips)
        self.skipped_videos += not rows.clips
        self.skipped.update(row.reason.value for row in rows.skipped)
        self.flags.update(flag.value for clip in rows.clips for flag in clip.flags)
        if rows.clips:
            info = rows.clips[0].clip.info
            self.video_s += info.end_s - info.first_frame_s


def caption_videos(
    inputs: Sequence[str],
    out: str,
    *,
    clips: ClipOptions | None = None,
    frames: FrameOptions | None = None,
    captioner: CaptionOptions | Captioner | None = None,
    scorer: str | Scorer | None = None,
    consolidate: ConsolidateOptions | None = None,
    run: RunOptions | None = None,
    on_progress: Callable[[Tally], None] | None = None,
) -> Tally:
    """Caption every clip of every video, into a run folder.

    Started again with the same options on the same folder, it goes on where it stopped. What is
    committed survives anything; on Ctrl-C, finished videos are committed first.

    Args:
        inputs: Files, folders, globs, `@list.txt`, tables, `hf:` datasets and URLs, mixed freely;
            see `pseudolabel.videos.sources.listing.list_videos`.
        out: The run folder: a local path or any fsspec URL.
        clips: How videos are cut; by default into 8-second clips.
        frames: Which frames are captioned; by default the center one.
        captioner: Which captioner to load, or one that is loaded.
        scorer: Which image-text model compares texts with frames, or one that is loaded; None:
            texts have no scores.
        consolidate: How the captions of a clip's frames become its caption; by default that of
            the center frame.
        run: Workers, limits and commits.
        on_progress: Called with the tally so far, a few times a second at most.

    Returns:
        What this start of the run did.

    Raises:
        InputError: If an input is missing, or two videos claim one id.
        CaptionerError: If a model cannot be loaded or stops working.
        OptionError: If the strategy needs scores and there is no scorer.
        RunError: If `out` cannot be written, or was made with other options.
    """
    clips, frames, run = clips or ClipOptions(), frames or FrameOptions(), run or RunOptions()
    wanted = captioner or CaptionOptions()
    if clips.mode == "scenes" or clips.mark_cuts:
        scenes.check_installed("--clips scenes" if clips.mode == "scenes" else "--mark-cuts")
    consolidate = consolidate or ConsolidateOptions()
    check_scored(consolidate, scorer is not None)
    listed = list_videos(inputs)
    ahead = list(itertools.islice(listed, COUNTED_AHEAD))
    identity = identify(wanted) if isinstance(wanted, CaptionOptions) else wanted.identity
    tally = Tally()
    with RunWriter(out) as writer, ExitStack() as models:
        consolidator = models.enter_context(Consolidator(consolidate))
        judge = _load_scorer(scorer, wanted, models)
        options = {
            **described_options(clips, frames, identity),
            "--scorer": judge and model_name(**asdict(judge.identity)),
            **consolidator.described(),
        }
        is_new = not writer.folder.exists()
        if not is_new:
            check_same_options(out, writer.folder.manifest()["options"], options)
        done = DoneVideos(writer.folder, retry_skipped=run.retry_skipped)
        left = list(_left(ahead, done, tally))
        if len(ahead) < COUNTED_AHEAD:
            tally.total = len(left)
        videos = itertools.chain(left, _left(listed, done, tally))
        first = next(videos, None)
        if first is None:
            return tally
        model = load_captioner(wanted) if isinstance(wanted, CaptionOptions) else wanted
        if isinstance(wanted, CaptionOptions):
            models.callback(model.close)
        if is_new:
            made_by = {
                "captioner": asdict(identity),
                "scorer": judge and asdict(judge.identity),
                **consolidator.manifest(),
            }
            writer.write_manifest(new_manifest(options, made_by))
        started_s = time.perf_counter()
        with DecodePool(
            itertools.chain([first], videos),
            clips=clips,
            frames=frames,
            size=model.frame_size,
            workers=run.workers,
            frames_ahead=max(FRAMES_AHEAD, 2 * model.largest_batch),
            timeout_s=run.video_timeout_s,
        ) as pool:
            frame_scorer = None if judge is None else FrameScorer(judge, model.frame_size)
            timings = Timings()
            captioned = caption_events(pool, model, Assembly(), timings, frame_scorer)
            commits = _Commits(writer, consolidator, tally, run.commit_every_s)
            _commit_all(captioned, commits, timings, started_s, on_progress)
    return tally


def _load_scorer(
    scorer: str | Scorer | None, captioner: CaptionOptions | Captioner, models: ExitStack
) -> Scorer | None:
    if not isinstance(scorer, str):
        return scorer
    where = captioner if isinstance(captioner, CaptionOptions) else CaptionOptions()
    loaded = load_scorer(scorer, device=where.device, dtype=where.dtype)
    models.callback(loaded.close)
    return loaded


def _left(
    videos: Iterable[Video | Skipped], done: DoneVideos, tally: Tally
) -> Iterator[Video | Skipped]:
    """Those that are not done; the others are counted."""
    for video in videos:
        if video in done:
            tally.already_done += 1
        else:
            yield video


class _Commits:
    """Finished videos, on their way to the run folder."""

    def __init__(
        self, writer: RunWriter, consolidator: Consolidator, tally: Tally, every_s: float
    ) -> None:
        self._writer, self._consolidator = writer, consolidator
        self.tally = tally
        self._every_s = every_s
        self._draw = Draw(writer.folder.floor()["place"].to_pylist())
        self._finished: list[VideoRows] = []
        self._committed_s = time.perf_counter()

    def add(self, videos: Sequence[CaptionedVideo]) -> None:
        """Consolidate videos, and commit what is finished when it is time."""
        drawn = (replace(v, pairs=tuple(self._draw.smallest(v.pairs))) for v in videos)
        self._keep(self._consolidator.add(list(drawn)))
        is_due = time.perf_counter() - self._committed_s >= self._every_s
        if self._finished and (is_due or self._clips() >= COMMIT_CLIPS):
            self.commit()
            self._committed_s = time.perf_counter()

    def finish(self) -> None:
        """Consolidate what still waits for that."""
        self._keep(self._consolidator.finish())

    def commit(self) -> None:
        """Commit what is finished."""
        if self._finished:
            batch, self._finished = self._finished, []
            self._writer.commit(batch)

    def _keep(self, videos: list[VideoRows]) -> None:
        self._finished += videos
        for rows in videos:
            self.tally.add(rows)

    def _clips(self) -> int:
        return sum(len(video.clips) for video in self._finished)


def _commit_all(
    captioned: Iterable[Sequence[CaptionedVideo]],
    commits: _Commits,
    timings: Timings,
    started_s: float,
    on_progress: Callable[[Tally], None] | None,
) -> None:
    tally = commits.tally
    try:
        for videos in captioned:
            commits.add(videos)
            tally.frames, tally.captioning_s = timings.frames, timings.captioning_s
            tally.scoring_s, tally.decode_cpu_s = timings.scoring_s, timings.decode_cpu_s
            tally.wall_s = time.perf_counter() - started_s
            if on_progress is not None:
                on_progress(tally)
        commits.finish()
    finally:
        # Also on Ctrl-C and on errors: what is finished is kept.
        commits.commit()
        tally.wall_s = time.perf_counter() - started_s
