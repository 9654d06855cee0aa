"""A folder of short videos, and runs over it with a captioner that reads frame numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from video_factory import make_video


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four videos of 2 s at 25 frames a second, one of them in a folder of its own."""
    folder = tmp_path_factory.mktemp("videos")
    (folder / "more").mkdir()
    for name in ("a.mp4", "b.mp4", "c.mp4", "more/a.mp4"):
        make_video(folder / name, seconds=2)
    return folder
