"""The relative error of two gradients, and what its size says (KTH lab, exercise 2; Stanford cs231n)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from labkit.checks.check_verdict import CheckVerdict
from labkit.checks.maps import Map, Tensors

EPSILON = 1e-6  # two numbers far below it are equal: rounding of an exact 0 is no error
# Upper ends of the bands, best first; the checks ask for the first.
BANDS = ((1e-7, "good"), (1e-4, "acceptable only with kinks"), (1e-2, "uncomfortable"), (float("inf"), "wrong"))


def relative_error(one: Tensor, other: Tensor) -> float:
    """Return the largest `|g - g'| / max(1e-6, |g| + |g'|)` over the entries; two zeros give 0, a NaN anywhere NaN.

    Source: KTH lab, exercise 2.

    Args:
        one: Gradient, any shape.
        other: Gradient of the same shape.
    """
    size = torch.clamp(one.abs() + other.abs(), min=EPSILON)
    return float(((one - other).abs() / size).max())


def band(error: float) -> str:
    """Return the word for an error of that size; NaN is wrong."""
    return next((name for limit, name in BANDS if error <= limit), BANDS[-1][1])


def autograd_gradient(f: Map) -> Tensors:
    """Return the gradient of a scalar f by torch's autograd through the forward pass alone; 0 for unused variables."""
    leaves = {name: value.clone().requires_grad_() for name, value in f.point.items()}
    found = torch.autograd.grad(f.value(leaves).sum(), list(leaves.values()), materialize_grads=True)
    return dict(zip(leaves, found, strict=True))


def relative_error_test(subject: str, f: Map) -> list[CheckVerdict]:
    """Compare every parameter tensor by hand with autograd; return a verdict on the worst of each group."""
    errors = _errors(f.pullback(torch.ones(f.value(f.point).shape, dtype=torch.float64)), autograd_gradient(f))
    verdicts = []
    for group in dict.fromkeys(f.groups.values()):
        worst = max((name for name in errors if f.groups[name] == group), key=lambda name: _nan_last(errors[name]))
        brief, said = f"{errors[worst]:.0e}", band(errors[worst])
        measured = f"{errors[worst]:.1e} in {worst} ({said})"
        expected = f"at most {BANDS[0][0]:.0e} ({BANDS[0][1]}), epsilon {EPSILON:.0e}"
        share = errors[worst] / BANDS[0][0]
        verdicts.append(CheckVerdict("relative_error", subject, group, f"{brief} {said}", measured, expected, share))
    return verdicts


def _errors(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: relative_error(value, theirs[name]) for name, value in ours.items()}


def _nan_last(value: float) -> tuple[bool, float]:
    return value != value, value
