"""A folder of everything that breaks captioning tools: each becomes clips or a reason."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import Result

from video_factory import make_video

Invoke = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One good video among bad ones."""
    folder = tmp_path / "in"
    (folder / "folder.mp4").mkdir(parents=True)
    good = make_video(folder / "good.mp4", seconds=4, mux_options={"movflags": "faststart"})
    shutil.copy(good, folder / "folder.mp4" / "inside.mp4")
    data = good.read_bytes()
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is no video\n" * 50)
    (folder / "half.mp4").write_bytes(data[: len(data) * 2 // 3])
    (folder / "start.mp4").write_bytes(data[:200])
    (folder / "noise.mp4").write_bytes(os.urandom(50_000))
    Image.new("RGB", (64, 48), "red").save(folder / "image.mp4", "PNG")
    make_video(folder / "sound.mp4", seconds=0, audio_s=1)
    middle = len(data) // 2
    (folder / "damaged.mp4").write_bytes(data[:middle] + bytes(3000) + data[middle + 3000 :])
    os.mkfifo(folder / "pipe.mp4")
    (folder / "notes.txt").write_text("not a video, and not named like one")
    return folder


def test_nothing_stops_and_nothing_vanishes(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = invoke("caption", folder, "--out", run, "--model", "demo", "--clips", "fixed:1")
    assert result.exit_code == 0, result.output
    captioned = {row["video_id"] for row in rows(invoke, run)}
    skipped = {(row["video_id"], row["reason"]) for row in rows(invoke, run, "--skipped")}
    assert {"good.mp4", "folder.mp4/inside.mp4", "half.mp4", "damaged.mp4"} <= captioned
    assert {
        ("empty.mp4", "empty_file"),
        ("text.mp4", "not_a_video"),
        ("noise.mp4", "not_a_video"),
        ("image.mp4", "still_image"),
        ("sound.mp4", "no_video_stream"),
        ("half.mp4", "truncated"),
        ("pipe.mp4", "unreadable"),
    } <= skipped
    every = {str(path.relative_to(folder)) for path in folder.rglob("*.mp4") if not path.is_dir()}
    assert captioned | {video for video, _ in skipped} == every


def rows(invoke: Invoke, run: Path, *options: str) -> list[dict[str, str]]:
    result = invoke("show", run, "--json", *options)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_video_that_vanishes_while_running(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        make_video(folder / f"{number}.mp4", seconds=1)
    code = (
        "import os, sys\n"
        "from reading_captioner import ReadingCaptioner\n"
        "from pseudolabel.runs.caption import caption_videos\n"
        "class Removing(ReadingCaptioner):\n"
        "    @property\n"
        "    def frame_size(self):\n"  # asked for after listing, before the first decode
        "        if os.path.exists(sys.argv[3]): os.unlink(sys.argv[3])\n"
        "        return super().frame_size\n"
        "tally = caption_videos([sys.argv[1]], sys.argv[2], captioner=Removing())\n"
        "print(tally.videos, dict(tally.skipped))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, folder, tmp_path / "run", folder / "1.mp4"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "2 {'not_found': 1}"
