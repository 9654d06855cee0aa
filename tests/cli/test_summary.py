"""Where the time of a run went, as programs read it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from video_factory import make_video


def test_the_steps_add_up_to_the_wall_time(invoke: Callable[..., Result], tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4", seconds=1)
    out = tmp_path / "run"
    result = invoke("caption", tmp_path / "a.mp4", "--out", out, "--model", "demo", "--json")
    summary = json.loads(result.stdout)
    profile = summary["profile"]
    steps = {name: value for name, value in profile.items() if name.endswith("_s")}
    assert sum(steps.values()) == pytest.approx(summary["wall_s"], abs=0.01)
    assert {"waiting_s", "generating_s", "reading_s", "finishing_s"} <= steps.keys()
    assert min(profile["beside"].values()) >= 0
    share = profile["generating_s"] / summary["wall_s"]
    assert profile["generating_share"] == pytest.approx(share, abs=0.01)
