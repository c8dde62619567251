"""Activations at the ends of the number line, against torch's own."""

from __future__ import annotations

import pytest
import torch

from labkit.nn.activation import ACTIVATIONS
from tests.nn.layer_cases import ACTIVATIONS as PEERS

EXTREMES = [-1e4, -710.0, -100.0, -89.0, -40.0, -1.0, -1e-8, 0.0, 1e-8, 1.0, 40.0, 89.0, 100.0, 710.0, 1e4]
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
every = pytest.mark.parametrize("name", list(ACTIVATIONS))


def test_the_table_of_references_is_complete() -> None:
    assert set(PEERS) == set(ACTIVATIONS)


@every
@DTYPES
@pytest.mark.parametrize("recording", [False, True], ids=["by hand", "autograd"])
def test_extreme_inputs(name: str, dtype: torch.dtype, recording: bool) -> None:
    x = torch.tensor(EXTREMES, dtype=dtype, requires_grad=recording)
    y, saved = ACTIVATIONS[name].forward(x)
    peer = x.detach().clone().requires_grad_()
    expected = PEERS[name](peer)
    (slope_expected,) = torch.autograd.grad(expected.sum(), peer)
    if recording:
        (slope,) = torch.autograd.grad(y.sum(), x)
    else:
        slope = ACTIVATIONS[name].backward(torch.ones_like(y), saved)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(y.detach(), expected.detach(), rtol=tolerance, atol=tolerance)
    smooth = x.detach() != 0 if name == "leaky_relu" else torch.ones_like(y, dtype=torch.bool)
    torch.testing.assert_close(slope[smooth], slope_expected[smooth], rtol=tolerance, atol=tolerance)


@every
@pytest.mark.parametrize("recording", [False, True], ids=["by hand", "autograd"])
def test_nan_stays_nan(name: str, recording: bool) -> None:
    x = torch.tensor([1.0, torch.nan, -1.0], requires_grad=recording)
    y, _ = ACTIVATIONS[name].forward(x)
    assert torch.isnan(y).tolist() == [False, True, False]


@pytest.mark.parametrize(("name", "slope"), [("relu", 0.0), ("leaky_relu", 0.1)])
def test_the_slope_at_zero_is_the_documented_one(name: str, slope: float) -> None:
    x = torch.zeros(1, requires_grad=True)
    y, _ = ACTIVATIONS[name].forward(x)
    assert torch.autograd.grad(y.sum(), x)[0].item() == pytest.approx(slope)
    assert ACTIVATIONS[name].backward(torch.ones(1), y.detach()).item() == pytest.approx(slope)
