"""The plan that runs anywhere: the timed world on disk, its texts, and tiny models.

Everything goes the production way: real video files, captioned by the demo captioner through the
pipeline, exported as a release; transcripts as files; images in a folder with captions.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.claims.labelled import Labelled
from pseudolabel.claims.models import TinyModels
from pseudolabel.claims.plan import SEED, Plan, View
from pseudolabel.claims.world import CLIP_S, COLORS, TimedVideo, TimedWorld
from pseudolabel.demo.files import write_demo_video
from pseudolabel.demo.transcripts import write_transcripts
from pseudolabel.errors import RunError, TrainingError
from pseudolabel.files import explained, write_whole
from pseudolabel.release.export import export
from pseudolabel.release.manifest import MANIFEST
from pseudolabel.release.options import ReleaseOptions
from pseudolabel.runs.caption import caption_videos
from pseudolabel.training.data.frames import FramesOptions, extract_frames
from pseudolabel.training.data.options import DataOptions
from pseudolabel.training.train_options import ModelOptions, TrainOptions
from pseudolabel.videos.options import ClipOptions, FrameOptions

# Worlds that share no video with another one, nor with what the demo captioner was trained on.
_PRETRAIN, _LABELLED, _TEST, _IMAGES = 4_000_000, 4_100_000, 4_200_000, 4_300_000
_SIZES, _LABELS, _CAPTIONS = "sizes.json", "labels.jsonl", "captions.csv"
_PICTURE_SIZE = (96, 72)
_CLIPS = f"fixed:{CLIP_S:g}"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything there is, and how long is learned.

    There is so much to learn from first that it comes four or five times only: a captioner that
    sees 1,200 clips thirty times knows them by heart, wrong texts and all, and which texts they
    were shows no more than chance.
    """

    videos: int = 600  # to learn from first
    labelled_videos: int = 40
    test_videos: int = 50
    clips: int = 12  # of a video
    colors: int = len(COLORS)  # of what the videos to learn from first show
    images: int = 7200
    models: TinyModels = field(default_factory=TinyModels)
    pretrain_steps: int = 2000
    tune_steps: int = 600
    batch_size: int = 16
    learning_rate: float = 1e-3
    tune_rate: float = 1e-3
    seeds: tuple[int, ...] = (0, 1, 2)


NARROW_COLORS = len(COLORS) // 2  # images show twice as many

QUICK = Sizes(
    videos=3,
    labelled_videos=2,
    test_videos=2,
    clips=4,
    images=16,
    pretrain_steps=4,
    tune_steps=4,
    batch_size=4,
    seeds=(0,),
)


def make_synthetic(out: Path, sizes: Sizes, say: Say) -> Plan:
    """Write the world with everything that arms learn from; what is there is not made again.

    Args:
        out: The folder of all of it.
        sizes: How much.
        say: Told what is being done.

    Returns:
        The plan.

    Raises:
        TrainingError: If the folder holds a world of other sizes.
        RunError, ReleaseError: If it cannot be written.
    """
    _begin(out, sizes)
    clips = sizes.clips
    say(f"videos: {sizes.videos} to learn from first, {sizes.labelled_videos} with labels, "
        f"{sizes.test_videos} to test on; {clips} clips of {CLIP_S:g} s each")  # fmt: skip
    shown = TimedWorld(_PRETRAIN, clips, COLORS[: sizes.colors])
    world = _write_videos(out / "world", shown.videos(sizes.videos))
    labelled = _write_videos(
        out / "labelled-world", TimedWorld(_LABELLED, clips).videos(sizes.labelled_videos)
    )
    test = _write_videos(out / "test-world", TimedWorld(_TEST, clips).videos(sizes.test_videos))
    say("transcripts, half of them of something else or late")
    truths = {video.video.video_id: video.video.truth for video in world}
    write_transcripts(out / "transcripts", truths)
    say(f"{sizes.images} images with captions")
    _write_images(out / "images", sizes.images)
    say("captions of the demo captioner, as a release")
    release, frames = _write_release(out, sizes.models)
    _write_models(out, sizes, [world, labelled, test])
    pseudolabels = DataOptions(data=release, videos=frames)
    spoken = replace(pseudolabels, text="asr", transcripts=str(out / "transcripts"))
    images = str(out / "images")
    return Plan(
        arms={
            "nothing": None,
            "asr": spoken,
            "pseudolabels": pseudolabels,
            "images": DataOptions(images=images),
            "both": replace(pseudolabels, images=images),
        },
        labelled=_labelled(out / "labelled-world"),
        test=_labelled(out / "test-world"),
        model=ModelOptions(
            encoder=str(out / "models" / SEED / "encoder"),
            language_model=str(out / "models" / SEED / "writer"),
            train_encoder=True,
            train_lm=True,
        ),
        view=View(frames=sizes.models.frames, frame_size=sizes.models.side, workers=0),
        pretrain=_train_options(sizes, sizes.pretrain_steps, sizes.learning_rate),
        tune=_train_options(sizes, sizes.tune_steps, sizes.tune_rate),
        seeds=sizes.seeds,
        is_synthetic=True,
        about=f"Videos to learn from first show {sizes.colors} of {len(COLORS)} colors, images, "
        "labelled clips and test clips all of them.",
    )


def _begin(out: Path, sizes: Sizes) -> None:
    """Write down how much there is to be, or see that what is there was to be as much."""
    path, described = out / _SIZES, asdict(replace(sizes, seeds=()))
    if path.is_file():
        if json.loads(path.read_text(encoding="utf-8")) != json.loads(json.dumps(described)):
            raise TrainingError(
                f"{out}: was begun with other sizes, or with --quick where now there is none",
                hint="choose another --out",
            )
        return
    with explained(out, RunError):
        out.mkdir(parents=True, exist_ok=True)
        write_whole(path, (json.dumps(described, indent=1) + "\n").encode())


def _train_options(sizes: Sizes, steps: int, rate: float) -> TrainOptions:
    return TrainOptions(
        steps=steps,
        batch_size=sizes.batch_size,
        learning_rate=rate,
        warmup=0.05,
        max_tokens=20,
        dtype="float32",
        save_every=steps,
        keep=1,
    )


def _labelled(folder: Path) -> Labelled:
    return Labelled(str(folder / _LABELS), str(folder / "videos"), _CLIPS)


def _write_videos(folder: Path, videos: Sequence[TimedVideo]) -> Sequence[TimedVideo]:
    """Videos, and last of all what a person says of their clips."""
    if (folder / _LABELS).is_file():
        return videos
    (folder / "videos").mkdir(parents=True, exist_ok=True)
    rows = []
    for timed in videos:
        write_demo_video(folder / "videos" / timed.video.video_id, timed.video)
        for index, clip in enumerate(timed.clips):
            row = {
                "video_id": timed.video.video_id,
                "clip_index": index,
                "start_s": clip.span.start_s,
                "end_s": clip.span.end_s,
                "caption": clip.label,
            }
            rows.append(json.dumps(row) + "\n")
    write_whole(folder / _LABELS, "".join(rows).encode())
    return videos


def _write_images(folder: Path, count: int) -> None:
    from PIL import Image

    if (folder / _CAPTIONS).is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(["file_name", "caption"])
    world = TimedWorld(_IMAGES)
    for number in range(count):
        pixels, caption = world.picture(number)
        name = f"{number:05d}.jpg"
        Image.fromarray(pixels).resize(_PICTURE_SIZE).save(folder / name, quality=90)
        rows.writerow([name, caption])
    write_whole(folder / _CAPTIONS, table.getvalue().encode())


def _write_release(out: Path, models: TinyModels) -> tuple[str, str]:
    """A release of the demo captioner's captions, and the frames that are learned from."""
    run, release, frames = out / "run", out / "release", out / "frames"
    if not (release / MANIFEST).is_file():
        caption_videos(
            [str(out / "world" / "videos")],
            str(run),
            clips=ClipOptions.parse(_CLIPS),
            frames=FrameOptions(1, "exact"),
            captioner=CaptionOptions(model="demo"),
        )
        export([str(run)], str(release), ReleaseOptions("1.0.0", "cc0-1.0", name="timed-world"))
    options = FramesOptions(frames=models.frames, size=models.side)
    extract_frames(str(release), str(frames), options, videos=str(out / "world" / "videos"))
    return str(release), str(frames)


def _write_models(out: Path, sizes: Sizes, worlds: Sequence[Sequence[TimedVideo]]) -> None:
    """For each seed an encoder and a language model, which know all words of this world."""
    texts = [clip.label for world in worlds for video in world for clip in video.clips]
    spoken = [path.read_text("utf-8") for path in sorted((out / "transcripts").glob("*.vtt"))]
    lines = [line for text in spoken for line in text.splitlines() if "-->" not in line]
    for seed in sizes.seeds:
        folder = out / "models" / str(seed)
        if not (folder / "writer" / "tokenizer.json").is_file():
            sizes.models.write(folder, [*texts, *lines], seed=seed)
