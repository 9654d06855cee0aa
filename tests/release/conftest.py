"""Runs to make releases of."""

from __future__ import annotations

from pathlib import Path

import pytest

from run_factory import skipped_video, video_rows, write_run


@pytest.fixture
def run(tmp_path: Path) -> str:
    """Thirty videos of two clips in two parts, and one that could not be captioned."""
    videos = [video_rows(f"v{i:02}.mp4", (f"a cat {i}", f"a dog {i}")) for i in range(30)]
    lost = video_rows("lost.mp4", (), skipped=[skipped_video("lost.mp4")])
    return write_run(tmp_path / "run", videos[:20], [*videos[20:], lost])
