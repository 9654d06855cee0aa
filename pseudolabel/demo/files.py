"""The demo world on disk: H.264 files, and `truth.jsonl` with one scene a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pseudolabel.demo.truth import TrueScene, Truth
from pseudolabel.demo.world import DEMO_SEED, DemoVideo, World
from pseudolabel.errors import InputError, RunError
from pseudolabel.files import replacing
from pseudolabel.records import Span
from pseudolabel.videos.writing import write_video

TRUTH_NAME = "truth.jsonl"
KEYFRAME_EVERY_S = 2  # besides the first frame of each scene


def write_world(folder: Path, count: int = 12, seed: int = DEMO_SEED) -> tuple[DemoVideo, ...]:
    """Write the first `count` videos of a world, and last of all what is true of them.

    The same count and seed write the same bytes on the same machine.

    Args:
        folder: Where to; it is made, and files of the same names are replaced.
        count: How many videos, 1 or more.
        seed: Of the world.

    Raises:
        RunError: If the folder cannot be written.
    """
    videos = World(seed).videos(count)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for video in videos:
            write_demo_video(folder / video.video_id, video)
        _write_truth(folder / TRUTH_NAME, (video.truth for video in videos))
    except OSError as error:
        raise RunError(
            f"cannot write the demo's videos to {folder}: {error.strerror or error}",
            hint="--out DIR: a folder that can be written, on a disk with room for 10 MB",
        ) from error
    return videos


def write_demo_video(path: Path, video: DemoVideo) -> None:
    """Write one video: a keyframe at every cut, and at most two seconds apart.

    Raises:
        OSError: If the file cannot be written.
    """
    write_video(
        path,
        video.render(),
        fps=video.fps,
        gop=KEYFRAME_EVERY_S * video.fps,
        keyframes={scene.start_frame for scene in video.scenes},
    )


def read_truth(folder: Path) -> dict[str, Truth]:
    """Read back what `write_world` wrote: the truth of each video, by video id.

    Raises:
        InputError: If the folder has no truth, or what it has is not one.
    """
    path = folder / TRUTH_NAME
    scenes: dict[str, list[TrueScene]] = {}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            scene = TrueScene(Span(float(row["start_s"]), float(row["end_s"])), str(row["caption"]))
            scenes.setdefault(str(row["video_id"]), []).append(scene)
        if not scenes:
            raise ValueError("it has no lines")
        return {video_id: Truth(video_id, tuple(found)) for video_id, found in scenes.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not the truth of a demo world: {error}",
            hint="`pseudolabel demo --out DIR` writes a world and its truth",
        ) from error


def _write_truth(path: Path, truths: Iterable[Truth]) -> None:
    """One scene a line."""
    with replacing(path) as out:
        for truth in truths:
            for scene in truth.scenes:
                row = {
                    "video_id": truth.video_id,
                    "start_s": scene.span.start_s,
                    "end_s": scene.span.end_s,
                    "caption": scene.caption,
                }
                out.write(json.dumps(row).encode() + b"\n")
