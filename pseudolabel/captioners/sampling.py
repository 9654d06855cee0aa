"""Drawing tokens so that a text depends on its own frame only.

A generator shared by a batch would tie each text to the batch's size and order. Here a token is
the argmax of log-probability plus Gumbel noise, which draws from the same distribution, and the
noise is a hash of what it is for: seed, video, time, sample, step and token.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pseudolabel.records import Frame

if TYPE_CHECKING:
    import torch

_GOLDEN = -7046029254386353131  # 2^64 / golden ratio, as int64: SplitMix64's increment
_MIX_1 = -4658895280553007687
_MIX_2 = -7723592293110705685


def row_keys(frames: Sequence[Frame], *, samples: int, seed: int) -> list[int]:
    """One int64 a row of the batch: `samples` rows a frame, a frame's rows side by side."""
    return [
        _key(f"{seed}\0{frame.video_id}\0{round(frame.time_s * 1e6)}\0{sample}")
        for frame in frames
        for sample in range(samples)
    ]


def _key(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def gumbel_noise(keys: torch.Tensor, step: int, vocabulary: int) -> torch.Tensor:
    """Standard Gumbel noise, float32 `(rows, vocabulary)`, for int64 keys `(rows,)` and a step.

    Bit for bit a function of its arguments, row by row, on any device.
    """
    import torch

    tokens = torch.arange(1, vocabulary + 1, device=keys.device, dtype=torch.int64)
    states = _mix(keys + torch.full_like(keys, step + 1) * _GOLDEN)
    bits = _mix(states[:, None] + tokens * _GOLDEN)
    # The upper 32 bits as a small uniform: float32 is finest near 0, where the large noise is.
    uniform = (_shift_right(bits, 32).to(torch.float32) + 0.5) * 2.0**-32
    return -torch.log(-torch.log1p(-uniform.clamp_max(1 - 2.0**-24)))


def _mix(values: torch.Tensor) -> torch.Tensor:
    """SplitMix64's finaliser; int64 products wrap around as unsigned ones do."""
    values = (values ^ _shift_right(values, 30)) * _MIX_1
    values = (values ^ _shift_right(values, 27)) * _MIX_2
    return values ^ _shift_right(values, 31)


def _shift_right(values: torch.Tensor, bits: int) -> torch.Tensor:
    """Logical shift: PyTorch's own repeats the sign."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)
