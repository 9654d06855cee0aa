"""Shares: starts that write to one run beside each other, each with videos of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pseudolabel.errors import OptionError, RunError
from pseudolabel.runs.caption import caption_videos
from pseudolabel.runs.options import RayOptions, RunOptions, Share
from pseudolabel.runs.pipeline.tally import Tally
from pseudolabel.runs.show import find_rows
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.runs.storage.shared_writer import SharedWriter
from pseudolabel.runs.storage.writer import RunWriter
from pseudolabel.videos.options import ClipOptions, FrameOptions
from reading_captioner import ReadingCaptioner
from video_factory import make_video

TESTS = Path(__file__).parent.parent
VIDEOS = 8


def test_shares_divide_the_videos_evenly() -> None:
    ids = [f"video {n}" for n in range(3000)]
    shares = [Share(number, 3) for number in (1, 2, 3)]
    owners = [[share.number for share in shares if video_id in share] for video_id in ids]
    assert all(len(owner) == 1 for owner in owners)
    counts = [owners.count([number]) for number in (1, 2, 3)]
    assert min(counts) > 900
    assert [owner for (owner,) in owners[:8]] == [2, 3, 1, 3, 2, 1, 3, 1], "another machine agrees"


@pytest.mark.parametrize("text", ["", "1", "0/4", "5/4", "-1/4", "1/0", "1/4/2", "a/b", "1.0/2"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="--shard"):
        Share.parse(text)


def test_ray_and_shares_are_refused_together() -> None:
    with pytest.raises(OptionError, match="--shard with --engine ray"):
        RunOptions(ray=RayOptions(), share=Share(1, 2))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    make_video(folder / "0.mp4", seconds=2)
    for number in range(1, VIDEOS):
        shutil.copy(folder / "0.mp4", folder / f"{number}.mp4")
    (folder / "bad.mp4").write_text("no video")
    return folder


def run(videos: Path, out: Path, share: Share | None = None, **options: Any) -> Tally:
    return caption_videos(
        [str(videos)],
        str(out),
        clips=ClipOptions(length_s=options.get("length_s", 0.4), min_clip_s=0.0),
        frames=FrameOptions(snap="exact"),
        captioner=ReadingCaptioner(batch_size=3),
        run=RunOptions(workers=1, share=share),
    )


def rows(out: Path, kind: Any = "clips") -> list[dict[str, Any]]:
    found = find_rows(str(out), kind=kind)
    return sorted(found, key=lambda row: (row["video_id"], row["clip_index"] or 0))


def test_shares_written_at_the_same_time_are_one_run(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    script = Path(__file__).parent / "shared_run.py"
    processes = [
        subprocess.Popen(
            [sys.executable, script, many, out, f"{number}/3"],
            env={**os.environ, "PYTHONPATH": str(TESTS)},
        )
        for number in (1, 2, 3)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    run(many, tmp_path / "alone")
    for kind in ("clips", "skipped"):
        assert rows(out, kind) == rows(tmp_path / "alone", kind)
    assert {part % 3 for part in RunFolder(str(out)).parts()} == {0, 1, 2}
    assert not list(out.glob("*.tmp"))
    assert run(many, out).already_done == VIDEOS + 1


def test_a_share_goes_on_where_it_stopped(many: Path, tmp_path: Path) -> None:
    first, second = Share(1, 2), Share(2, 2)
    done = run(many, tmp_path / "run", first)
    again = run(many, tmp_path / "run", first)
    rest = run(many, tmp_path / "run", second)
    assert (again.already_done, again.clips) == (done.videos + done.skipped_videos, 0)
    assert done.videos + rest.videos == VIDEOS
    assert 0 < done.videos < VIDEOS


def test_a_share_with_other_options_is_refused(many: Path, tmp_path: Path) -> None:
    run(many, tmp_path / "run", Share(1, 2))
    with pytest.raises(RunError, match=r"--clips was 'fixed:0\.4', now 'fixed:1'"):
        run(many, tmp_path / "run", Share(2, 2), length_s=1.0)


def test_the_first_manifest_stays(tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    with SharedWriter(out, Share(1, 2)) as one, SharedWriter(out, Share(2, 2)) as two:
        one.write_manifest({"id": "first", "options": {"--frames": 1}})
        two.write_manifest({"id": "second", "options": {"--frames": 1}})
        assert two.folder.manifest()["id"] == "first"
        with pytest.raises(RunError, match="--frames was 1, now 3"):
            two.write_manifest({"id": "third", "options": {"--frames": 3}})
    assert not list((tmp_path / "run").glob("*.tmp"))


def test_shares_keep_others_out(tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    with SharedWriter(out, Share(1, 2)):
        for other, why in ((Share(1, 2), "writing --shard 1/2"), (Share(1, 3), "one of 2 shards")):
            with pytest.raises(RunError, match=why):
                SharedWriter(out, other)
        with pytest.raises(RunError, match="another process is writing to this run"):
            RunWriter(out)
    with SharedWriter(out, Share(1, 3)):
        pass  # those of another count have ended
    (tmp_path / "run" / ".lock-1-of-2.tmp").touch()  # of a process that was killed
    with SharedWriter(out, Share(1, 3)), SharedWriter(out, Share(2, 3)):
        pass
    with RunWriter(out):
        assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]
    with RunWriter(str(tmp_path / "whole")) as whole, pytest.raises(RunError, match="writing to"):
        SharedWriter(whole.folder.path, Share(1, 2))


def test_numbers_of_shares_never_meet(tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    with SharedWriter(out, Share(3, 3)) as three, SharedWriter(out, Share(1, 3)) as one:
        assert [three.commit([]), three.commit([]), one.commit([])] == [2, 5, 0]
    (tmp_path / "run" / "run.json").write_text('{"format_version": 1}')
    with SharedWriter(out, Share(2, 3)) as two:
        assert [two.commit([]), two.commit([])] == [7, 10], "above all that is there"


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(RunError, match="not empty"):
        SharedWriter(str(tmp_path), Share(1, 2))


def test_where_there_are_no_locks_shares_work_as_well() -> None:
    out = "memory://shares/run"
    with SharedWriter(out, Share(1, 2)) as one, SharedWriter(out, Share(2, 2)) as two:
        one.write_manifest({"id": "first", "options": {}})
        two.write_manifest({"id": "second", "options": {}})
        assert two.folder.manifest()["id"] == "first"
        assert [one.commit([]), two.commit([])] == [0, 1]
