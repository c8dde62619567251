"""What single layers promise beyond the contract of all: padding, running statistics, dropout's extremes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from labkit.nn.dropout import Dropout
from labkit.nn.layer import Context, Draws
from labkit.nn.normalisation import BatchNorm
from tests.nn.layer_cases import CASES, call

NORMS = [pytest.param((5,), nn.BatchNorm1d, id="1d"), pytest.param((4, 3, 2), nn.BatchNorm2d, id="2d")]


@pytest.mark.parametrize(("shape", "peer"), NORMS)
@pytest.mark.parametrize("shared", [True, False], ids=["one batch", "batches"])
def test_running_statistics_are_torchs(shape: tuple[int, ...], peer: type, shared: bool) -> None:
    members, channels = 3, shape[0]
    draw = torch.Generator().manual_seed(2)
    gamma, beta = torch.randn(2, members, channels, generator=draw, dtype=torch.float64)
    buffers = [torch.full((members, channels), value, dtype=torch.float64) for value in (0.0, 1.0)]
    peers = [peer(channels).double() for _ in range(members)]
    for m, norm in enumerate(peers):
        norm.load_state_dict({"weight": gamma[m], "bias": beta[m]}, strict=False)
    for training in (True, True, True, False):
        x = 3 * torch.randn(1 if shared else members, 6, *shape, generator=draw, dtype=torch.float64) + 2
        y, _ = BatchNorm().forward(x, [gamma, beta], buffers, Context(training=training))
        for m, norm in enumerate(peers):
            expected = norm.train(training)(x[0 if shared else m])
            torch.testing.assert_close(y[m], expected.detach(), rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(buffers[0][m], norm.running_mean, rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(buffers[1][m], norm.running_var, rtol=1e-12, atol=1e-12)


def test_batch_norm_of_one_value_uses_the_running_statistics() -> None:
    case = CASES["batch_norm of vectors"]
    lonely = call(case, 3, size=1)
    y, _ = lonely.forward()
    lonely.context.training = False
    assert torch.equal(y, lonely.forward()[0])
    assert torch.isfinite(y).all()


def test_a_padded_text_gives_what_the_text_alone_gives() -> None:
    made = call(CASES["rnn"], 3)
    lengths = made.context.lengths
    assert lengths is not None
    padded, _ = made.forward()
    noise = made.x + 100 * (torch.arange(6).view(1, 1, -1, 1) >= lengths[..., None, None])
    assert torch.equal(made.forward(noise)[0], padded)


def test_padding_gives_the_embedding_no_gradient() -> None:
    made = call(CASES["embedding"], 3)
    dy = torch.ones(3, 5, 6, 4, dtype=torch.float64) * (made.x != 0).unsqueeze(-1)
    (gradient,), _ = made.gradients(dy, need_dx=False)
    assert (gradient[:, 0] == 0).all()
    for m in range(3):
        uses = torch.bincount(made.x[m].flatten(), minlength=7)
        assert torch.equal(gradient[m, 1:, 0], uses[1:].double())


def dropout(
    rates: list[float], x: torch.Tensor, seeds: list[int], training: bool = True
) -> tuple[torch.Tensor, object]:
    unique = sorted(set(seeds))
    generators = [torch.Generator().manual_seed(seed) for seed in unique]
    draws = Draws(generators, torch.tensor([unique.index(seed) for seed in seeds]))
    context = Context(training=training, rates=torch.tensor(rates, dtype=x.dtype).unsqueeze(1), draws=draws)
    return Dropout(0).forward(x, [], [], context)


def test_dropout_of_nothing_some_and_all() -> None:
    x = torch.rand(1, 100, 200, generator=torch.Generator().manual_seed(3)) + 1
    rates = [0.0, 0.3, 1.0]
    y, saved = dropout(rates, x, [1, 2, 3])
    assert torch.equal(y[0], x[0])
    assert (y[2] == 0).all()
    dropped = y[1] == 0
    assert dropped.float().mean() == pytest.approx(0.3, abs=0.01)
    torch.testing.assert_close(y[1][~dropped], x[0][~dropped] / 0.7)
    assert y[1].mean() == pytest.approx(x.mean().item(), rel=0.02)
    dx = Dropout(0).backward(torch.ones_like(y), saved, [], [], need_dx=True)
    assert dx is not None
    assert torch.isfinite(dx).all()
    assert torch.equal(dx[2], torch.zeros_like(dx[2]))
    torch.testing.assert_close(dx[1], (~dropped) / 0.7)


def test_dropout_is_nothing_in_evaluation() -> None:
    x = torch.randn(2, 4, 3)
    assert torch.equal(dropout([1.0, 0.5], x, [0, 1], training=False)[0], x)


def test_equal_seeds_see_equal_draws_whoever_trains_beside_them() -> None:
    x = torch.ones(1, 8, 9)
    alone, _ = dropout([0.5], x, [7])
    beside, _ = dropout([0.9, 0.5, 0.5, 0.5], x, [3, 7, 1, 7])
    assert torch.equal(beside[1], alone[0])
    assert torch.equal(beside[3], alone[0])
    assert not torch.equal(beside[2], alone[0])
