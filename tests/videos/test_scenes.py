from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pseudolabel.errors import MissingExtraError
from video_factory import make_video

Read = Callable[..., Any]


@pytest.fixture(scope="module")
def three_shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Red for 2 s, blue for 1 s, nearly white for 2 s."""
    colors = [(200, 20, 20)] * 50 + [(20, 20, 200)] * 25 + [(230, 240, 230)] * 50
    pictures = [np.full((64, 96, 3), color, np.uint8) for color in colors]
    path = tmp_path_factory.mktemp("scenes") / "shots.mp4"
    return make_video(path, seconds=5, pictures=pictures, bframes=2)


def test_scenes_are_the_stretches_between_cuts(three_shots: Path, read: Read) -> None:
    pytest.importorskip("scenedetect")
    outcome = read(three_shots, clips="scenes")
    spans = [(plan.span.start_s, plan.span.end_s) for plan in outcome.plans]
    assert np.allclose(spans, [(0, 2), (2, 3), (3, 5)], atol=1e-6)
    assert all(plan.cuts_s is None for plan in outcome.plans)
    main = [int(np.argmax(frame.pixels.mean(axis=(0, 1)))) for frame in outcome.frames]
    assert main == [0, 2, 1]


def test_cuts_are_marked_inside_fixed_clips(three_shots: Path, read: Read) -> None:
    pytest.importorskip("scenedetect")
    outcome = read(three_shots, clips="fixed:2.5", mark_cuts=True)
    assert [len(plan.cuts_s) for plan in outcome.plans] == [1, 1]
    assert outcome.plans[0].cuts_s[0] == pytest.approx(2.0)
    assert outcome.plans[1].cuts_s[0] == pytest.approx(3.0)


def test_no_cut_is_an_empty_tuple_and_not_looking_is_none(three_shots: Path, read: Read) -> None:
    pytest.importorskip("scenedetect")
    assert read(three_shots, clips="fixed:1.9", mark_cuts=True).plans[0].cuts_s == ()
    assert read(three_shots, clips="fixed:1.9").plans[0].cuts_s is None


def test_a_missing_detector_names_the_extra(
    three_shots: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scenedetect", None)
    with pytest.raises(MissingExtraError) as caught:
        read(three_shots, clips="scenes")
    assert "--clips scenes" in str(caught.value)
    assert caught.value.hint == "pip install 'pseudolabel[scenes]'"
