"""Skips against a plain re-implementation: point a is added to point b's output, after the activation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from labkit.models.entries import Sizing
from labkit.models.network import layers
from tests.models.model_cases import Sample, assert_backward_is_the_gradient, model, network

NETWORKS = ["extended", "extended_skips_a", "extended_skips_b"]


def plain_extended(x: Tensor, parameters: list[Tensor], skips: list[tuple[int, int]]) -> Tensor:
    """The extended Boulder network of one member: three strided convolutions, ten more, two linear layers."""
    pairs = list(zip(parameters[::2], parameters[1::2], strict=True))
    points = [x]
    for i, (weight, bias) in enumerate(pairs[:-2], start=1):
        y = torch.sigmoid(functional.conv2d(points[-1], weight, bias, stride=2 if i <= 3 else 1, padding=1))
        points.append(y + sum(points[a] for a, b in skips if b == i))
    hidden = torch.sigmoid(functional.linear(points[-1].flatten(1), *pairs[-2]))
    return functional.linear(hidden, *pairs[-1])


@pytest.mark.parametrize("name", NETWORKS)
def test_extended_networks(name: str) -> None:
    sample = Sample(network(name), members=2, shared=False)
    scores, _ = sample.forward(sample.parameters)
    for m in range(2):
        expected = plain_extended(sample.x[m], [p[m] for p in sample.parameters], model(name).skips)
        torch.testing.assert_close(scores[m], expected, rtol=1e-10, atol=1e-10)


def test_skips_change_the_function() -> None:
    scores = [Sample(network(name), 1, True) for name in NETWORKS]
    first, second, third = (sample.forward(sample.parameters)[0] for sample in scores)
    assert not torch.allclose(first, second)
    assert not torch.allclose(second, third)


def test_residual_blocks() -> None:
    """x + W2 tanh(W1 x + b), without an activation after the sum."""
    sample = Sample(network("residual", "model.blocks=2", shape=(2,)), members=2, shared=True)
    scores, _ = sample.forward(sample.parameters)
    for m in range(2):
        lift_w, lift_b, *blocks, last_w, last_b = (p[m] for p in sample.parameters)
        x = torch.tanh(sample.x[0] @ lift_w.T + lift_b)
        for w1, b1, w2 in (blocks[:3], blocks[3:]):
            x = x + torch.tanh(x @ w1.T + b1) @ w2.T
        torch.testing.assert_close(scores[m], x @ last_w.T + last_b, rtol=1e-10, atol=1e-10)


def test_from_the_input_several_into_one_point_and_across_dropout_and_norm() -> None:
    entries = [
        {"linear": {"units": 6, "batch_norm": True, "dropout": 0.0}},
        {"linear": {"units": 6}},
        {"linear": {"units": 6}},
        {"linear": {"units": "classes"}},
    ]
    skips = [(0, 1), (0, 3), (1, 2), (1, 3), (2, 3)]
    net = layers(layers=entries, activation="tanh", skips=skips).build((6,), Sizing(3))
    sample = Sample(net, members=2, shared=True)
    scores, _ = sample.forward(sample.parameters)
    for m in range(2):
        w1, b1, gamma, beta, w2, b2, w3, b3, w4, b4 = (p[m] for p in sample.parameters)
        x = sample.x[0]
        normed = functional.batch_norm(x @ w1.T + b1, None, None, gamma, beta, training=True)
        p1 = torch.tanh(normed) + x
        p2 = torch.tanh(p1 @ w2.T + b2) + p1
        p3 = torch.tanh(p2 @ w3.T + b3) + x + p1 + p2
        torch.testing.assert_close(scores[m], p3 @ w4.T + b4, rtol=1e-10, atol=1e-10)
    assert_backward_is_the_gradient(sample)
