"""How a captioner learns: what is refused before anything is read."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pseudolabel.errors import OptionError
from pseudolabel.training.data.frames import FramesOptions
from pseudolabel.training.data.options import DataOptions
from pseudolabel.training.train_options import TrainOptions


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": math.inf},
        {"max_norm": math.inf},
        {"learning_rate": math.nan},
        {"weight_decay": math.nan},
        {"seed": 1 << 32},
    ],
)
def test_numbers_that_torch_cannot_take_are_refused(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(OptionError, match=f"--{name.replace('_', '-')} "):
        TrainOptions(**wrong)


@pytest.mark.parametrize("timeout_s", [0.0, math.inf, math.nan])
def test_a_time_that_systems_cannot_wait_is_refused(timeout_s: float) -> None:
    with pytest.raises(OptionError, match="--clip-timeout "):
        DataOptions(data="release", clip_timeout_s=timeout_s)
    with pytest.raises(OptionError, match="--clip-timeout "):
        FramesOptions(clip_timeout_s=timeout_s)
