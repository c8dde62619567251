"""Softmax cross-entropy against torch's, and where a naive one would overflow."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from labkit.nn.loss import cross_entropy, cross_entropy_backward, squared_weights


def scores_and_labels(members: int, groups: int, scale: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(4)
    scores = scale * torch.randn(members, 6, 5, generator=draw, dtype=torch.float64)
    return scores, torch.randint(5, (groups, 6), generator=draw)


@pytest.mark.parametrize(("members", "groups"), [(1, 1), (3, 1), (3, 3)])
@pytest.mark.parametrize("scale", [3.0, 1e4])
def test_loss_and_gradient_are_torchs(members: int, groups: int, scale: float) -> None:
    scores, labels = scores_and_labels(members, groups, scale)
    scores.requires_grad_()
    loss, _ = cross_entropy(scores, labels)
    expected = torch.stack([functional.cross_entropy(scores[m], labels[m % groups]) for m in range(members)])
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=1e-10)
    by_torch = torch.autograd.grad(expected.sum(), scores)[0]
    by_autograd = torch.autograd.grad(loss.sum(), scores, retain_graph=True)[0]
    torch.testing.assert_close(by_autograd, by_torch, rtol=1e-10, atol=1e-10)
    _, saved = cross_entropy(scores.detach(), labels)
    torch.testing.assert_close(cross_entropy_backward(saved, labels), by_torch, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_it_cannot_overflow(dtype: torch.dtype) -> None:
    scores = torch.tensor([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4], [1e4, -1e4, 0.0]], dtype=dtype)
    labels = torch.tensor([1, 0, 2, 0])
    for row, label in zip(scores, labels, strict=True):
        loss, saved = cross_entropy(row.view(1, 1, 3), label.view(1, 1))
        torch.testing.assert_close(loss[0], functional.cross_entropy(row, label))
        gradient = cross_entropy_backward(saved, label.view(1, 1))
        torch.testing.assert_close(gradient[0, 0], row.softmax(0) - functional.one_hot(label, 3).to(dtype))


def test_members_do_not_see_each_other() -> None:
    scores, labels = scores_and_labels(3, 1)
    before, saved = cross_entropy(scores, labels)
    scores[1] = torch.nan
    after, saved_after = cross_entropy(scores, labels)
    assert torch.equal(after[::2], before[::2])
    assert torch.isnan(after[1])
    gradients = [cross_entropy_backward(value, labels) for value in (saved, saved_after)]
    assert torch.equal(gradients[0][::2], gradients[1][::2])


def test_squared_weights_by_hand() -> None:
    weights = [torch.tensor([[[1.0, 2.0]], [[3.0, 0.0]]]), torch.tensor([[[2.0]], [[1.0]]])]
    l2 = torch.tensor([[0.1, 0.5], [1.0, 0.0]])
    assert squared_weights(weights, l2).tolist() == pytest.approx([0.1 * 5 + 0.5 * 4, 9.0])
