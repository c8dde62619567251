"""Sums of gradient sizes: each tensor's total, however long it is and whoever its neighbours are."""

from __future__ import annotations

import pytest
import torch

from labkit.engine import sizes
from labkit.engine.sizes import Sizes, sizes_layout
from labkit.engine.vector import Layout

SHAPES = ((3, 2), (3,), (7, 5), (5, 5), (2,), (4, 9), (1,))


@pytest.mark.parametrize("members", [1, 4])
@pytest.mark.parametrize("cached", [1, 8, 37, 1000], ids="{} numbers at once".format)
def test_totals_are_those_of_every_tensor(members: int, cached: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "_CACHED_NUMBERS", cached)
    layout = Layout(SHAPES, members)
    gradient, folded = torch.empty(layout.size, dtype=torch.float64), sizes_layout(SHAPES, members)
    sums = torch.zeros(folded.size, dtype=torch.float64)
    measured, expected = Sizes(layout, gradient, sums), torch.zeros(len(SHAPES), members, dtype=torch.float64)
    for _ in range(3):
        gradient.copy_(torch.randn(layout.size, dtype=torch.float64))
        measured.measure()
        expected += torch.stack([view.flatten(1).abs().sum(1) for view in layout.views(gradient)])
    found = torch.stack([row.sum(1) for row in folded.rows(sums)])
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    assert sums.numel() <= len(SHAPES) * max(cached, members)
