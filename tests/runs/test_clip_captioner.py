"""Captioners that see whole clips, through the production pipeline into runs and releases."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.parquet as pq
import pytest
from typer.testing import Result

from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captions.options import ConsolidateOptions
from pseudolabel.contract import captioned_clip, load_schema
from pseudolabel.errors import RunError
from pseudolabel.evaluation.reviewing.clips import page_clip
from pseudolabel.evaluation.reviewing.rows import read_reviewed
from pseudolabel.release.export import export
from pseudolabel.release.options import ReleaseOptions
from pseudolabel.release.validate import validate
from pseudolabel.runs.caption import caption_videos
from pseudolabel.runs.cluster.worker import Described, ShardWorker
from pseudolabel.runs.consolidate import consolidate
from pseudolabel.runs.options import RunOptions, Share
from pseudolabel.runs.pipeline.engine import Recipe
from pseudolabel.runs.pipeline.tally import Tally
from pseudolabel.runs.show import find_rows
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.videos.options import ClipOptions, FrameOptions
from pseudolabel.videos.sources.listing import list_videos
from reading_captioner import ReadingClipCaptioner
from tiny_video_captioner import write_checkpoint
from video_factory import make_video, moving_picture

CLIPS = ClipOptions(length_s=0.4, min_clip_s=0.0)  # ten frames each, five a video
Row = dict[str, Any]


def run(
    inputs: Path, out: Path | str, captioner: ReadingClipCaptioner | None = None, **options: Any
) -> Tally:
    defaults: dict[str, Any] = {"clips": CLIPS, "run": RunOptions(workers=2)}
    return caption_videos(
        [str(inputs)],
        str(out),
        captioner=captioner or ReadingClipCaptioner(),
        **(defaults | options),
    )


def rows(out: Path | str) -> list[Row]:
    return sorted(find_rows(str(out)), key=lambda row: (row["video_id"], row["clip_index"]))


def captions(out: Path | str) -> dict[tuple[str, int], str]:
    return {(row["video_id"], row["clip_index"]): row["caption"] for row in rows(out)}


def test_every_clip_gets_the_caption_of_all_its_frames(videos: Path, tmp_path: Path) -> None:
    captioner = ReadingClipCaptioner(batch_size=3)
    tally = run(videos, tmp_path / "run", captioner)
    assert captions(tmp_path / "run") == {
        (name, clip): f"frames {' '.join(str(10 * clip + n) for n in (1, 3, 6, 8))}"
        for name in ("a.mp4", "b.mp4", "c.mp4", "more/a.mp4")
        for clip in range(5)
    }
    assert captioner.batches == [3] * 6 + [2], "full across videos"
    assert (tally.clips, tally.frames, tally.skipped) == (20, 80, {})


@pytest.mark.parametrize(("workers", "batch_size"), [(1, 1), (3, 64)])
def test_rows_do_not_depend_on_workers_or_batches(
    videos: Path, tmp_path: Path, workers: int, batch_size: int
) -> None:
    run(videos, tmp_path / "one")
    other = ReadingClipCaptioner(batch_size)
    run(videos, tmp_path / "two", other, run=RunOptions(workers=workers))
    assert rows(tmp_path / "one") == rows(tmp_path / "two")


def test_a_row_says_that_its_frames_were_seen_together(videos: Path, tmp_path: Path) -> None:
    run(videos / "a.mp4", tmp_path / "run")
    row = rows(tmp_path / "run")[1]
    jsonschema.validate(row, load_schema("run_clip.v1"))
    assert row["seen_together"] is True
    times = [frame["time_s"] for frame in row["frames"]]
    assert times == pytest.approx([0.44, 0.52, 0.64, 0.72])
    (part,) = row["parts"]
    assert (part["frame"], part["sample"], part["last_frame"]) == (0, 0, 3)
    assert (part["first_s"], part["last_s"]) == (times[0], times[-1])
    assert all(frame["captions"] == row["frames"][0]["captions"] for frame in row["frames"])
    assert all(frame["perceptual_hash"] for frame in row["frames"])
    assert captioned_clip(row).seen_together


def test_frames_are_the_captioners_unless_asked_for(videos: Path, tmp_path: Path) -> None:
    video = videos / "a.mp4"
    run(video, tmp_path / "own")
    run(video, tmp_path / "two", frames=FrameOptions(count=2))
    run(video, tmp_path / "keys", frames=FrameOptions(snap="keyframe"))
    described = [
        RunFolder(str(tmp_path / out)).manifest()["options"] for out in ("own", "two", "keys")
    ]
    told = [[options[name] for name in ("--frames", "--snap")] for options in described]
    assert told == [[4, "exact"], [2, "exact"], [4, "keyframe"]]
    assert captions(tmp_path / "two")["a.mp4", 0] == "frames 2 7"


def test_it_goes_on_where_it_stopped(videos: Path, tmp_path: Path) -> None:
    some = tmp_path / "some"
    shutil.copytree(videos, some)
    (some / "c.mp4").unlink()
    run(some, tmp_path / "run")
    captioner = ReadingClipCaptioner()
    shutil.copy2(videos / "c.mp4", some / "c.mp4")
    tally = run(some, tmp_path / "run", captioner, frames=FrameOptions(count=4, snap="exact"))
    assert {video for video, *_ in captioner.seen} == {"c.mp4"}
    assert (tally.already_done, tally.clips) == (3, 5)
    with pytest.raises(RunError, match="--frames"):
        run(some, tmp_path / "run", frames=FrameOptions(count=3))


def test_a_clip_is_captioned_from_the_frames_it_has(tmp_path: Path) -> None:
    make_video(tmp_path / "slow.mp4", seconds=2, fps=5)  # two frames in 0.4 s
    run(tmp_path / "slow.mp4", tmp_path / "run")
    assert captions(tmp_path / "run")["slow.mp4", 1] == "frames 2 3"
    assert [part["last_frame"] for row in rows(tmp_path / "run") for part in row["parts"]] == [
        1
    ] * 5


def test_a_refusal_skips_its_clip(videos: Path, tmp_path: Path) -> None:
    run(videos / "a.mp4", tmp_path / "run", ReadingClipCaptioner(refuses=[13]))
    assert sorted(clip for _, clip in captions(tmp_path / "run")) == [0, 2, 3, 4]
    (skipped,) = find_rows(str(tmp_path / "run"), kind="skipped")
    assert (skipped["clip_index"], skipped["detail"]) == (1, "frame 13 is refused")


def test_shares_of_it_are_the_whole(videos: Path, tmp_path: Path) -> None:
    run(videos, tmp_path / "whole")
    for number in (1, 2):
        run(videos, tmp_path / "shares", run=RunOptions(workers=1, share=Share(number, 2)))
    assert captions(tmp_path / "shares") == captions(tmp_path / "whole")


def test_the_process_of_a_gpu_sees_whole_clips_as_well(videos: Path, tmp_path: Path) -> None:
    listed: Any = list(list_videos([str(videos)]))
    recipe = Recipe(clips=CLIPS, captioner=ReadingClipCaptioner(batch_size=7))
    made = ShardWorker(recipe, str(tmp_path), RunOptions(), 1, str(Path.cwd()))
    described = made.describe()
    assert isinstance(described, Described)
    assert described.options["--frames"] == 4
    assert made.load(described.options, ()) is None
    with ThreadPoolExecutor() as threads:
        shards = [threads.submit(made.caption, part, listed[part::2]) for part in range(2)]
        tallies = [shard.result() for shard in shards]
    assert [tally.clips for tally in tallies if isinstance(tally, Tally)] == [10, 10]
    folder = RunFolder(str(tmp_path))
    found = [row for part in range(2) for row in folder.rows_of(part, "clips").to_pylist()]
    assert all(len(row["caption"].split()) == 5 and row["seen_together"] for row in found)


# -- with a tiny model --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos in which things move, each differently."""
    folder = tmp_path_factory.mktemp("moving")
    for number, name in enumerate(("a.mp4", "b.mp4", "c.mp4"), 1):
        pictures = [moving_picture(number * at) for at in range(20)]
        make_video(folder / name, pictures=pictures, seconds=4, fps=5)
    return folder


@pytest.fixture(scope="module")
def watched(moving: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a tiny model over them, with samples and scores."""
    folder = tmp_path_factory.mktemp("watched")
    write_checkpoint(folder / "model", clip_frames=4)
    watch(moving, folder / "model", folder / "run")
    return folder


def watch(moving: Path, model: Path, out: Path, *, batch_size: int = 4, workers: int = 2) -> Tally:
    options = CaptionOptions(
        model=f"video:{model}",
        max_new_tokens=8,
        samples=2,
        dtype="float32",
        device="cpu",
        batch_size=batch_size,
    )
    return caption_videos(
        [str(moving)],
        str(out),
        clips=ClipOptions(length_s=1.0, min_clip_s=0.0),
        captioner=options,
        scorer="demo",
        run=RunOptions(workers=workers),
    )


def test_a_models_texts_are_the_same_in_any_batch(
    moving: Path, watched: Path, tmp_path: Path
) -> None:
    tally = watch(moving, watched / "model", tmp_path / "run", batch_size=1, workers=1)
    assert tally.clips == 12
    assert captions(tmp_path / "run") == captions(watched / "run")
    assert len(set(captions(tmp_path / "run").values())) > 6, "it looks"
    manifest = RunFolder(str(tmp_path / "run")).manifest()
    assert manifest["captioner"]["backend"] == "video"
    assert (manifest["options"]["--frames"], manifest["options"]["--snap"]) == (4, "exact")
    again = watch(moving, watched / "model", tmp_path / "run")
    assert (again.already_done, again.clips) == (3, 0)


def test_a_text_is_scored_with_all_its_frames(watched: Path) -> None:
    for row in rows(watched / "run"):
        own = [frame["captions"][row["parts"][0]["sample"]] for frame in row["frames"]]
        assert len({caption["similarity"] for caption in own}) > 1, "each frame's own"
        mean = sum(caption["similarity"] for caption in own) / len(own)
        assert row["similarity"] == row["clip_similarity"] == pytest.approx(mean, abs=1e-3)


@pytest.mark.parametrize("strategy", ["center", "medoid", "best", "timeline"])
def test_strategies_choose_among_samples(watched: Path, tmp_path: Path, strategy: Any) -> None:
    consolidate(str(watched / "run"), str(tmp_path / "out"), ConsolidateOptions(strategy))
    for row in rows(tmp_path / "out"):
        jsonschema.validate(row, load_schema("run_clip.v1"))
        (part,) = row["parts"]
        assert (part["frame"], part["last_frame"]) == (0, 3)
        assert row["caption"] == row["frames"][2]["captions"][part["sample"]]["text"]
    if strategy == "center":
        assert rows(tmp_path / "out") == rows(watched / "run")


def test_a_release_says_it_too(watched: Path, tmp_path: Path) -> None:
    export([str(watched / "run")], str(tmp_path / "release"), ReleaseOptions("1.0.0", "cc-by-4.0"))
    assert not validate(str(tmp_path / "release"))
    released = {
        config: pq.read_table(tmp_path / "release" / "data" / config).to_pylist()
        for config in ("clips", "frames")
    }
    assert len(released["frames"]) == 4 * len(released["clips"]) == 48
    for row in released["clips"]:
        jsonschema.validate(row, load_schema("clip.v1"))
        assert row["seen_together"]
        assert len(row["samples"]) == 2, "once, not with every frame"
        assert row["caption"] in row["samples"]

    found = read_reviewed(str(tmp_path / "release"), most=20)
    page = page_clip(found.rows.to_pylist()[0], {})
    assert page.values["texts"] == 2
    assert [len(frame.texts) for frame in page.frames] == [2] * 4
    notes = ["seen together with the one before" in frame.note for frame in page.frames]
    assert notes == [False, True, True, True]


def test_on_the_terminal(
    invoke: Callable[..., Result], moving: Path, watched: Path, tmp_path: Path
) -> None:
    model = ("--model", f"video:{watched / 'model'}", "--max-new-tokens", 4)
    result = invoke("caption", moving / "a.mp4", "--out", tmp_path / "run", *model)
    assert result.exit_code == 0, result.stderr
    shown = invoke("show", tmp_path / "run")
    assert "4 frames" in shown.stdout
    refused = invoke("caption", moving, "--out", tmp_path / "no", *model, "--prompt", "a photo of")
    assert refused.exit_code == 1
    assert "--prompt 'a photo of' with --model video:" in refused.stderr
    assert not (tmp_path / "no").exists()
