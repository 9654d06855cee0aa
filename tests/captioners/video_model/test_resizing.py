"""Positions stretched to other numbers of places."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from pseudolabel.captioners.video_model.resizing import stretched


def test_as_many_places_give_the_table_back_to_the_bit() -> None:
    table = torch.randn(7, 5)
    assert torch.equal(stretched(table, 7), table)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 13, 16])
def test_stretching_is_linear_interpolation_between_middles(count: int) -> None:
    table = torch.randn(8, 5)
    wanted = functional.interpolate(table.T[None], size=count, mode="linear")[0].T
    assert torch.allclose(stretched(table, count), wanted, atol=1e-6)


def test_one_place_is_the_middle() -> None:
    assert stretched(torch.tensor([0.0, 1, 2, 9]), 1).tolist() == [1.5]
    assert stretched(torch.tensor([0.0, 1, 9]), 1).tolist() == [1.0]


def test_further_axes_and_formats_are_kept() -> None:
    grid = torch.randn(4, 3, 5).bfloat16()
    assert stretched(grid, 6).shape == (6, 3, 5)
    assert stretched(grid, 6).dtype == torch.bfloat16
