"""How far a captioner has come to look at its videos: the gates, which begin shut."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def gate_opening(checkpoint: Path) -> float | None:
    """The mean of |tanh| of the attention gates: 0 where the video has no say, 1 where it has all.

    A low loss with shut gates means that it has learned to speak, and not to look.

    Args:
        checkpoint: A folder that `train` wrote; None comes of one without weights.
    """
    from safetensors import safe_open

    found: list[float] = []
    for path in sorted(checkpoint.glob("model*.safetensors")):
        with safe_open(path, framework="np") as weights:
            found += [
                abs(float(np.tanh(weights.get_tensor(name).item())))
                for name in weights.keys()  # noqa: SIM118 -- it is no dict
                if name.endswith(".attention_gate")
            ]
    return float(np.mean(found)) if found else None
