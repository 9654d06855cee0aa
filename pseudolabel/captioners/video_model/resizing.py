"""Learned positions, for more or fewer places than they were learned for."""

from __future__ import annotations

import torch


def stretched(table: torch.Tensor, count: int) -> torch.Tensor:
    """A table of positions along its first axis, `(N, ...)`, as `(count, ...)`.

    Row i stands for the middle of the i-th of N equal parts of a whole, so a value in between is
    a mix of the two nearest rows. N places give the table back, to the bit; one place gives the
    middle of the table.
    """
    rows = len(table)
    places = (torch.arange(count, device=table.device) + 0.5) * (rows / count) - 0.5
    away = places.clamp(0, rows - 1)[:, None] - torch.arange(rows, device=table.device)
    # As a product, rather than torch's interpolate: that has no deterministic backward on CUDA.
    weights = (1 - away.abs()).clamp(min=0).to(table.dtype)
    stretched_table: torch.Tensor = torch.tensordot(weights, table, dims=1)
    return stretched_table
