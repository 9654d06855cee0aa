"""`caption_videos`: from videos to a run folder, and on from where it stopped."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.protocol import Captioner
from pseudolabel.captioners.scorer import Scorer
from pseudolabel.captions.options import ConsolidateOptions
from pseudolabel.records import Skipped, Video
from pseudolabel.runs.cluster.engine import RayEngine
from pseudolabel.runs.floor import Draw
from pseudolabel.runs.options import RunOptions, Share
from pseudolabel.runs.pipeline.engine import Engine, Recipe
from pseudolabel.runs.pipeline.tally import Tally
from pseudolabel.runs.storage.resume import DoneVideos, check_same_options, with_its_clips
from pseudolabel.runs.storage.shared_writer import SharedWriter
from pseudolabel.runs.storage.waiting import OnWait
from pseudolabel.runs.storage.writer import RunWriter
from pseudolabel.videos.options import ClipOptions, FrameOptions
from pseudolabel.videos.order import largest_first
from pseudolabel.videos.sources.listing import list_videos

COUNTED_AHEAD = 20_000  # inputs listed before captioning starts, so that progress knows its end


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
    on_wait: OnWait | None = None,
) -> Tally:
    """Caption every clip of every video, into a run folder.

    Started again with the same options on the same folder, it goes on where it stopped. What is
    committed survives anything; on Ctrl-C, finished videos are committed first.

    Args:
        inputs: Files, folders, globs, `@list.txt`, tables, `hf:` datasets and URLs, mixed freely;
            see `pseudolabel.videos.sources.listing.list_videos`.
        out: The run folder: a local path or any fsspec URL.
        clips: How videos are cut; by default into 8-second clips.
        frames: Which frames are captioned; by default the center one, or what a captioner that
            sees whole clips wants of each.
        captioner: Which captioner to load, or one that is loaded.
        scorer: Which image-text model compares texts with frames, or one that is loaded; None:
            texts have no scores.
        consolidate: How the captions of a clip's frames become its caption; by default that of
            the center frame.
        run: Workers, limits and commits; whether on Ray, or which share of the videos.
        on_progress: Called with the tally so far, a few times a second at most.
        on_wait: Called where `out` cannot be written for a moment, before each time that it is
            waited for: with what is wrong, and the seconds until it is tried again. It may be
            called from another thread. Processes of Ray wait without saying so.

    Returns:
        What this start of the run did.

    Raises:
        InputError: If an input is missing, or two videos claim one id.
        CaptionerError: If a model cannot be loaded or stops working.
        OptionError: If the strategy needs scores and there is no scorer.
        RunError: If `out` cannot be written, or was made with other options.
    """
    recipe = Recipe(
        clips or ClipOptions(),
        frames or FrameOptions(),
        captioner or CaptionOptions(),
        scorer,
        consolidate or ConsolidateOptions(),
    )
    run = run or RunOptions()
    listed = map(with_its_clips, _of_share(list_videos(inputs), run.share))
    ahead = list(itertools.islice(listed, COUNTED_AHEAD))
    tally = Tally()
    with _writer(out, run.share, on_wait) as writer, _engine(recipe, out, run) as engine:
        is_new = not writer.folder.exists()
        if not is_new:
            check_same_options(out, writer.folder.manifest()["options"], engine.options())
        done = DoneVideos(writer.folder, retry_skipped=run.retry_skipped)
        left = list(_left(ahead, done, tally))
        if len(ahead) < COUNTED_AHEAD:
            tally.total = len(left)
        videos = itertools.chain(left, _left(listed, done, tally))
        first = next(videos, None)
        if first is None:
            return tally
        engine.load()  # what cannot be loaded leaves no run behind
        if is_new:
            writer.write_manifest(engine.manifest())
        places = writer.folder.floor()["place"].to_pylist()
        todo = itertools.chain([first], videos)
        if isinstance(engine, RayEngine):
            engine.caption(todo, writer, tally, places=places, on_progress=on_progress)
        else:
            draw, sorted_ = Draw(places), largest_first(todo)
            engine.caption(sorted_, writer.commit, tally, run, draw=draw, on_progress=on_progress)
    return tally


def _writer(out: str, share: Share | None, on_wait: OnWait | None) -> RunWriter | SharedWriter:
    if share is None:
        return RunWriter(out, on_wait=on_wait)
    return SharedWriter(out, share, on_wait=on_wait)


def _engine(recipe: Recipe, out: str, run: RunOptions) -> Engine | RayEngine:
    return Engine(recipe) if run.ray is None else RayEngine(recipe, out, run)


def _of_share(videos: Iterator[Video | Skipped], share: Share | None) -> Iterator[Video | Skipped]:
    return videos if share is None else (video for video in videos if video.video_id in share)


def _left(
    videos: Iterable[Video | Skipped], done: DoneVideos, tally: Tally
) -> Iterator[Video | Skipped]:
    """Those that are not done; the others are counted."""
    for video in videos:
        if video in done:
            tally.already_done += 1
        else:
            yield video
