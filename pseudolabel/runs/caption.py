"""`caption_videos`: from videos to a run folder, and on from where it stopped."""

from __future__ import annotations

import hashlib
import itertools
import json
import platform
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from pseudolabel.captioners.load import identify, load_captioner
from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.protocol import Captioner, CaptionerIdentity
from pseudolabel.captions.consolidate import center
from pseudolabel.contract import FORMAT_VERSION
from pseudolabel.records import Skipped, Video
from pseudolabel.runs.assembly import Assembly
from pseudolabel.runs.options import RunOptions
from pseudolabel.runs.pipeline import Timings, caption_events
from pseudolabel.runs.resume import DoneVideos, check_same_options
from pseudolabel.runs.writer import RunWriter, VideoRows
from pseudolabel.videos import scenes
from pseudolabel.videos.options import ClipOptions, FrameOptions
from pseudolabel.videos.pool import DecodePool
from pseudolabel.videos.sources.listing import list_videos

COMMIT_CLIPS = 5_000  # a part this large is committed at once
COUNTED_AHEAD = 20_000  # inputs listed before captioning starts, so that progress knows its end
FRAMES_AHEAD = 64  # decoded frames that may wait, at least; the pool also bounds their bytes
RECORDED_PACKAGES = ("pseudolabel", "torch", "transformers", "av", "numpy")


@dataclass(slots=True)
class Tally:
    """What a start of a run has done so far; `caption_videos` gives the final one back."""

    total: int | None = None  # videos to do, where the inputs are few enough to be counted
    already_done: int = 0  # videos an earlier start had done
    videos: int = 0  # with at least one captioned clip
    clips: int = 0
    frames: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # rows, by reason
    skipped_videos: int = 0  # videos without any captioned clip
    video_s: float = 0.0  # length of the captioned videos
    wall_s: float = 0.0  # from the first decode to the last commit
    captioning_s: float = 0.0  # of it, inside the captioner
    decode_cpu_s: float = 0.0  # processor time of the decode workers

    def add(self, rows: VideoRows) -> None:
        """Count one finished video."""
        self.clips += len(rows.clips)
        self.videos += bool(rows.clips)
        self.skipped_videos += not rows.clips
        self.skipped.update(row.reason.value for row in rows.skipped)
        if rows.clips:
            info = rows.clips[0].info
            self.video_s += info.end_s - info.first_frame_s


def caption_videos(
    inputs: Sequence[str],
    out: str,
    *,
    clips: ClipOptions | None = None,
    frames: FrameOptions | None = None,
    captioner: CaptionOptions | Captioner | None = None,
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
        run: Workers, limits and commits.
        on_progress: Called with the tally so far, a few times a second at most.

    Returns:
        What this start of the run did.

    Raises:
        InputError: If an input is missing, or two videos claim one id.
        CaptionerError: If the captioner cannot be loaded or stops working.
        RunError: If `out` cannot be written, or was made with other options.
    """
    clips, frames, run = clips or ClipOptions(), frames or FrameOptions(), run or RunOptions()
    wanted = captioner or CaptionOptions()
    if clips.mode == "scenes" or clips.mark_cuts:
        scenes.check_installed("--clips scenes" if clips.mode == "scenes" else "--mark-cuts")
    listed = list_videos(inputs)
    ahead = list(itertools.islice(listed, COUNTED_AHEAD))
    identity = identify(wanted) if isinstance(wanted, CaptionOptions) else wanted.identity
    options = described_options(clips, frames, identity)
    tally = Tally()
    with RunWriter(out) as writer:
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
        try:
            if is_new:
                writer.write_manifest(_manifest(options, identity))
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
                _caption_and_commit(pool, model, writer, tally, run, started_s, on_progress)
        finally:
            if isinstance(wanted, CaptionOptions):
                model.close()
    return tally


def _left(
    videos: Iterable[Video | Skipped], done: DoneVideos, tally: Tally
) -> Iterator[Video | Skipped]:
    """Those that are not done; the others are counted."""
    for video in videos:
        if video in done:
            tally.already_done += 1
        else:
            yield video


def _caption_and_commit(
    pool: DecodePool,
    model: Captioner,
    writer: RunWriter,
    tally: Tally,
    run: RunOptions,
    started_s: float,
    on_progress: Callable[[Tally], None] | None,
) -> None:
    timings = Timings()
    finished: list[VideoRows] = []
    committed_s = started_s
    try:
        for complete in caption_events(pool, model, Assembly(center), timings):
            finished += complete
            for rows in complete:
                tally.add(rows)
            now_s = time.perf_counter()
            is_due = now_s - committed_s >= run.commit_every_s
            if finished and (is_due or sum(len(v.clips) for v in finished) >= COMMIT_CLIPS):
                batch, finished = finished, []
                writer.commit(batch)
                committed_s = now_s
            tally.frames, tally.captioning_s = timings.frames, timings.captioning_s
            tally.wall_s, tally.decode_cpu_s = now_s - started_s, timings.decode_cpu_s
            if on_progress is not None:
                on_progress(tally)
    finally:
        # Also on Ctrl-C and on errors: what is finished is kept.
        if finished:
            writer.commit(finished)
        tally.wall_s = time.perf_counter() - started_s


def described_options(
    clips: ClipOptions, frames: FrameOptions, identity: CaptionerIdentity
) -> dict[str, Any]:
    """Everything that can change a row, under the names of the command's options."""
    mode: str = clips.mode
    if mode == "fixed":
        mode += f":{clips.length_s:g}"
    elif mode == "scenes":
        mode += f":{clips.scene_threshold:g}"
    return {
        "--clips": mode,
        "--min-clip": clips.min_clip_s if clips.mode == "fixed" else None,
        "--mark-cuts": clips.mark_cuts,
        "--transcripts": clips.transcripts if clips.mode == "transcript" else None,
        "--frames": frames.count,
        "--snap": frames.snap,
        "--strategy": "center",
        "--model": identity.model,
        "revision": identity.revision,
        "--prompt": identity.prompt,
        "decoding": identity.decoding,
        "--max-new-tokens": identity.max_new_tokens,
        "--dtype": identity.dtype,
    }


def _manifest(options: dict[str, Any], identity: CaptionerIdentity) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "id": secrets.token_hex(8),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "options": options,
        "fingerprint": hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest(),
        "captioner": asdict(identity),
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in RECORDED_PACKAGES},
        },
    }
