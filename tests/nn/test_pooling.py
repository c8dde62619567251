"""Max pooling against torch's own: windows that overlap or leave gaps, and largest values that occur twice."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from labkit.nn.layer import Context
from labkit.nn.pooling import MaxPool


@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 2), (2, 1), (2, 3), (3, 3), (1, 1)])
@pytest.mark.parametrize("sides", [(9,), (9, 8)])
def test_equals_torch_where_values_repeat(kernel: int, stride: int, sides: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 3, (2, 4, 3, *sides), generator=generator).double()
    layer = MaxPool(len(sides), kernel, stride)
    y, saved = layer.forward(x, (), (), Context())
    dy = torch.randn(y.shape, generator=generator, dtype=torch.float64)
    dx = layer.backward(dy, saved, (), (), True)

    leaf = x.flatten(0, 1).requires_grad_()
    own = (functional.max_pool1d, functional.max_pool2d)[len(sides) - 1](leaf, kernel, stride)
    own.backward(dy.flatten(0, 1))
    assert torch.equal(y.flatten(0, 1), own)
    assert dx is not None
    assert leaf.grad is not None
    torch.testing.assert_close(dx.flatten(0, 1), leaf.grad, rtol=0, atol=1e-14)
    watched = x.clone().requires_grad_()
    recorded, _ = layer.forward(watched, (), (), Context())
    assert torch.equal(recorded, y)
    recorded.backward(dy)
    assert watched.grad is not None
    torch.testing.assert_close(watched.grad, dx, rtol=0, atol=1e-14)


def test_not_a_number_stays_one() -> None:
    x = torch.tensor([[[[1.0, torch.nan, 3.0, 4.0]]]])
    y, _ = MaxPool(1).forward(x, (), (), Context())
    assert y[0, 0, 0, 0].isnan()
    assert y[0, 0, 0, 1] == 4
