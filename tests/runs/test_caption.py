"""From videos to a run folder, with the production pipeline and a captioner that reads."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pseudolabel.contract import load_schema
from pseudolabel.errors import InputError, RunError
from pseudolabel.runs.caption import caption_videos
from pseudolabel.runs.options import RunOptions
from pseudolabel.runs.pipeline.tally import Tally
from pseudolabel.runs.show import find_rows
from pseudolabel.videos.options import ClipOptions, FrameOptions
from reading_captioner import ReadingCaptioner
from video_factory import make_video

CLIPS = ClipOptions(length_s=0.4, min_clip_s=0.0)
EXACT = FrameOptions(snap="exact")


def run(
    inputs: Path | list[Path],
    out: Path | str,
    captioner: ReadingCaptioner | None = None,
    **options: Any,
) -> Tally:
    defaults: dict[str, Any] = {"clips": CLIPS, "frames": EXACT, "run": RunOptions(workers=2)}
    listed = inputs if isinstance(inputs, list) else [inputs]
    return caption_videos(
        [str(i) for i in listed],
        str(out),
        captioner=captioner or ReadingCaptioner(),
        **(defaults | options),
    )


def captions(out: Path | str) -> dict[tuple[str, int], str]:
    return {(row["video_id"], row["clip_index"]): row["caption"] for row in find_rows(str(out))}


def test_every_clip_gets_the_caption_of_its_own_frame(videos: Path, tmp_path: Path) -> None:
    tally = run(videos, tmp_path / "run")
    assert captions(tmp_path / "run") == {
        (name, clip): f"frame {10 * clip + 5}"
        for name in ("a.mp4", "b.mp4", "c.mp4", "more/a.mp4")
        for clip in range(5)
    }
    assert (tally.videos, tally.clips, tally.frames, tally.total) == (4, 20, 20, 4)
    assert tally.video_s == pytest.approx(8.0, abs=0.1)
    assert not tally.skipped


def test_batches_are_full_across_videos(videos: Path, tmp_path: Path) -> None:
    captioner = ReadingCaptioner(batch_size=7)  # five clips a video
    run(videos, tmp_path / "run", captioner)
    assert captioner.batches == [7, 7, 6]


@pytest.mark.parametrize(("workers", "batch_size"), [(1, 1), (3, 64)])
def test_rows_do_not_depend_on_workers_or_batches(
    videos: Path, tmp_path: Path, workers: int, batch_size: int
) -> None:
    run(videos, tmp_path / "one")
    run(videos, tmp_path / "two", ReadingCaptioner(batch_size), run=RunOptions(workers=workers))
    assert list_sorted(tmp_path / "one") == list_sorted(tmp_path / "two")


def list_sorted(out: Path) -> list[dict[str, Any]]:
    return sorted(find_rows(str(out)), key=lambda row: (row["video_id"], row["clip_index"]))


def test_rows_fit_their_published_schema(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no video")
    run([videos, tmp_path / "bad.mp4"], tmp_path / "run", frames=FrameOptions(count=3))
    rows = list(find_rows(str(tmp_path / "run")))
    assert all(len(row["frames"]) == 3 for row in rows)
    for row in rows:
        jsonschema.validate(row, load_schema("run_clip.v1"))
    (skipped,) = find_rows(str(tmp_path / "run"), kind="skipped")
    jsonschema.validate(skipped, load_schema("run_skipped.v1"))
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    jsonschema.validate(manifest, load_schema("run.v1"))


def test_started_again_it_does_nothing_twice(videos: Path, tmp_path: Path) -> None:
    run(videos, tmp_path / "run")
    before = list_sorted(tmp_path / "run")
    captioner = ReadingCaptioner()
    tally = run(videos, tmp_path / "run", captioner)
    assert (tally.already_done, tally.clips, captioner.batches) == (4, 0, [])
    assert list_sorted(tmp_path / "run") == before


def test_new_videos_join_a_run(videos: Path, tmp_path: Path) -> None:
    grown = tmp_path / "grown"
    shutil.copytree(videos, grown)
    run(grown, tmp_path / "run")
    make_video(grown / "d.mp4", seconds=1)
    tally = run(grown, tmp_path / "run")
    assert (tally.already_done, tally.videos) == (4, 1)
    assert ("d.mp4", 0) in captions(tmp_path / "run")


def test_a_touched_video_is_done_and_a_changed_one_is_not(videos: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(videos, copy)
    run(copy, tmp_path / "run")
    os.utime(copy / "a.mp4")  # same bytes, another modification time
    make_video(copy / "b.mp4", seconds=1)  # another video of the same name
    tally = run(copy, tmp_path / "run")
    assert (tally.already_done, tally.videos) == (3, 1)
    found = captions(tmp_path / "run")
    assert sorted(clip for name, clip in found if name == "b.mp4") == [0, 1, 2]
    assert len(found) == 18


def test_a_table_that_gives_other_clips_is_asked_again(videos: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(videos, copy)
    table = copy / "table.csv"
    table.write_text("video,start_s,end_s\na.mp4,0,0.4\nb.mp4,0,0.4\n")
    run(table, tmp_path / "run")
    table.write_text("video,start_s,end_s\na.mp4,0,0.4\nb.mp4,0,0.4\nb.mp4,0.4,0.8\n")
    tally = run(table, tmp_path / "run")
    assert (tally.already_done, tally.clips) == (1, 2)
    assert {*captions(tmp_path / "run")} == {("a.mp4", 0), ("b.mp4", 0), ("b.mp4", 1)}
    os.utime(copy / "a.mp4")  # its bytes are the same, and its clips
    assert run(table, tmp_path / "run").already_done == 2
    table.write_text("video\na.mp4\nb.mp4\n")
    assert run(table, tmp_path / "run").clips == 10


def test_other_options_are_refused_by_name(videos: Path, tmp_path: Path) -> None:
    run(videos, tmp_path / "run")
    with pytest.raises(RunError, match=r"--snap was 'exact', now 'keyframe'"):
        run(videos, tmp_path / "run", frames=FrameOptions(snap="keyframe"))
    with pytest.raises(RunError, match=r"--clips was 'fixed:0.4', now 'whole'"):
        run(videos, tmp_path / "run", clips=ClipOptions(mode="whole"))


def test_refused_frames_become_skipped_clips(videos: Path, tmp_path: Path) -> None:
    tally = run(videos / "a.mp4", tmp_path / "run", ReadingCaptioner(refuses=[15]))
    assert (tally.clips, dict(tally.skipped)) == (4, {"captioner_refused": 1})
    (skipped,) = find_rows(str(tmp_path / "run"), kind="skipped")
    assert (skipped["clip_index"], skipped["start_s"]) == (1, 0.4)
    assert "frame 15 is refused" in skipped["detail"]


def test_one_refused_frame_of_several_leaves_the_clip(videos: Path, tmp_path: Path) -> None:
    clips = ClipOptions(length_s=1.0, min_clip_s=0.0)
    frames = FrameOptions(count=2, snap="exact")
    out = tmp_path / "run"
    run(videos / "a.mp4", out, ReadingCaptioner(refuses=[6]), clips=clips, frames=frames)
    rows = list_sorted(out)
    assert [len(row["frames"]) for row in rows] == [1, 2]


def test_skipped_videos_are_tried_again_when_asked(videos: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.mp4").write_text("not yet a video")
    out = tmp_path / "run"
    run(source, out)
    stamp = (source / "a.mp4").stat()
    again = run(source, out, run=RunOptions(workers=1, retry_skipped=True))
    assert dict(again.skipped) == {"not_a_video": 1}
    assert len(list(find_rows(str(out), kind="skipped"))) == 1, "tried twice, told once"
    shutil.copy(videos / "a.mp4", source / "a.mp4")
    assert stamp.st_size != (source / "a.mp4").stat().st_size
    run(source, out)  # another content: no need to ask
    assert len(captions(out)) == 5
    assert not list(find_rows(str(out), kind="skipped"))


def test_no_input_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        run(tmp_path / "nowhere", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_of_something_else_is_not_written_into(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty"):
        run(videos, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_error_of_the_captioner_keeps_what_is_finished(videos: Path, tmp_path: Path) -> None:
    class Failing(ReadingCaptioner):
        def caption(self, frames: Any) -> Any:
            if len(self.batches) == 3:
                raise KeyboardInterrupt
            return super().caption(frames)

    with pytest.raises(KeyboardInterrupt):
        run(videos, tmp_path / "run", Failing(batch_size=5), run=RunOptions(workers=1))
    kept = captions(tmp_path / "run")
    assert len(kept) >= 10
    run(videos, tmp_path / "run")
    assert len(captions(tmp_path / "run")) == 20


def test_a_run_folder_may_be_a_url(videos: Path) -> None:
    run(videos, "memory://bucket/run")
    assert len(captions("memory://bucket/run")) == 20
    assert run(videos, "memory://bucket/run").already_done == 4


def test_many_commits_make_many_parts_and_one_run(videos: Path, tmp_path: Path) -> None:
    run(videos, tmp_path / "run", run=RunOptions(workers=1, commit_every_s=0))
    assert len(list((tmp_path / "run").glob("clips-*.parquet"))) > 1
    assert len(captions(tmp_path / "run")) == 20
