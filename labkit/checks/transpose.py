"""The transposed-Jacobian test: `u'(J v) = v'(J'u)` for random u and v (Ben-Gurion lab, task 2.1).

`J'u` is the hand-written backward pass. A Jacobian put together from it could not fail this test, so `J v` comes from
elsewhere: autograd differentiates the forward pass, and its own transposed product, which is linear in u, is transposed
once more (the double-transpose trick).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from labkit.checks.check_verdict import CheckVerdict
from labkit.checks.maps import Map, inner, unit_direction

TOLERANCE = 1e-12
PAIRS = 3


def push(f: Map, direction: Mapping[str, Tensor]) -> Tensor:
    """Return `J v` at the point by autograd alone.

    Args:
        f: Function of any output shape, which the result has too.
        direction: The direction v: variable -> tensor of its shape.
    """
    leaves = {name: value.clone().requires_grad_() for name, value in f.point.items()}
    y = f.value(leaves)
    u = torch.zeros_like(y).requires_grad_()
    names = list(direction)
    transposed = torch.autograd.grad(y, [leaves[n] for n in names], u, create_graph=True, materialize_grads=True)
    terms = [(t * direction[n]).sum() for t, n in zip(transposed, names, strict=True)]
    return torch.autograd.grad(torch.stack(terms).sum(), u)[0]


def transpose_test(subject: str, f: Map, seed: int = 0) -> dict[str, CheckVerdict]:
    """Return the verdict on the largest difference over a few pairs, in each group of variables and in all jointly."""
    return {group: _verdict(subject, f, group, names, seed) for group, names in f.selections().items()}


def _verdict(subject: str, f: Map, group: str, names: tuple[str, ...], seed: int) -> CheckVerdict:
    gaps = []
    for pair in range(PAIRS):
        v = unit_direction(f.point, names, seed + 2 * pair)
        forwards = push(f, v)
        u = unit_direction({"u": forwards}, ("u",), seed + 2 * pair + 1)["u"]
        size = max(1.0, float(forwards.square().sum()) ** 0.5)
        gaps.append(abs(float((u * forwards).sum()) - inner(v, f.pullback(u))) / size)
    worst = max(gaps, key=lambda gap: (gap != gap, gap))  # a NaN is the worst
    measured, expected = f"|u'(Jv) - v'(J'u)| {worst:.1e}", f"at most {TOLERANCE:.0e}"
    return CheckVerdict("transpose", subject, group, f"{worst:.0e}", measured, expected, worst / TOLERANCE)
