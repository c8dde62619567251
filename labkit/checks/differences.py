"""Central finite differences against their step (Montreal lab, 'Validate Gradients using Finite Difference')."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labkit.checks.check_verdict import CheckVerdict
from labkit.checks.maps import Map

COUNTS = tuple(k * 10**i for i in range(6) for k in (1, 5))  # N; the step is 1 / N
ENTRIES = 10
TOLERANCE = 1e-7  # of the best N, relative to the largest entry of the gradient
FALL, FALL_TOLERANCE = -2.0, 0.1  # the error's slope against N while rounding is small
_SMOOTH = (10, 1000)  # where it is fitted: above, rounding begins to show; below, further terms of Taylor's series


@dataclass(frozen=True)
class Differences:
    """Finite differences of the first entries of one tensor.

    Attributes:
        counts: N; the step is 1 / N.
        errors: Largest `|difference - derivative|` over the entries, one for each N, the shape of `counts`.
        gradient: Derivatives of the entries by hand, at most `ENTRIES` numbers.
    """

    counts: np.ndarray
    errors: np.ndarray
    gradient: np.ndarray

    @property
    def slope(self) -> float:
        """The slope of the error against N on logarithmic axes: -2 for central differences of a smooth function."""
        low, high = _SMOOTH
        smooth = (self.counts >= low) & (self.counts <= high) & (self.errors > 0)
        return float(np.polyfit(np.log(self.counts[smooth]), np.log(self.errors[smooth]), 1)[0])


def central_differences(f: Map, name: str, count: int) -> np.ndarray:
    """Return `(f(theta_i + 1/N) - f(theta_i - 1/N)) N / 2` for the first ten entries of a variable, row-major.

    The point is never written to, so there is nothing to restore.

    Args:
        f: Scalar function.
        name: Name of the variable theta.
        count: N.
    """
    found = []
    for i in range(min(ENTRIES, f.point[name].numel())):
        step = torch.zeros_like(f.point[name])
        step.view(-1)[i] = 1 / count
        up, down = (f.value({**f.point, name: f.point[name] + sign * step}) for sign in (1, -1))
        found.append(float(up - down) * count / 2)
    return np.array(found)


def first_entries(f: Map, name: str) -> Tensor:
    """Return the first ten derivatives of a scalar f in variable `name` by hand, row-major."""
    return f.pullback(torch.ones(1, dtype=torch.float64))[name].flatten()[:ENTRIES]


def differences(f: Map, name: str) -> Differences:
    """Return the errors for every N of `COUNTS`, and the gradient that they are measured against."""
    gradient = first_entries(f, name).numpy()
    errors = [float(np.abs(central_differences(f, name, count) - gradient).max()) for count in COUNTS]
    return Differences(np.array(COUNTS), np.array(errors), gradient)


def difference_tests(subject: str, variable: str, found: Differences, smooth: bool) -> list[CheckVerdict]:
    """Return a verdict on the smallest error, and for a smooth function one on how fast the error falls.

    A gradient that is zero in all ten entries fails: nothing would be tested.

    Args:
        subject: Network under test.
        variable: Words for the entries that were tested.
        found: Differences of those entries.
        smooth: True for a function without kinks, whose error must fall as N^-2.
    """
    size = float(np.abs(found.gradient).max())
    best = int(found.errors.argmin())
    zeros = int((found.gradient == 0).sum())
    error = float(found.errors[best]) / size if size > 0 else float("nan")
    note = f"|dL/dtheta| up to {size:.1e}, {zeros} of {len(found.gradient)} entries exactly 0"
    smallest = CheckVerdict(
        "differences",
        subject,
        variable,
        f"{error:.0e}",
        f"smallest error {found.errors[best]:.1e} at N = {found.counts[best]}, relative {error:.1e}",
        f"relative at most {TOLERANCE:.0e}",
        error / TOLERANCE,
        note,
    )
    if not smooth:
        return [smallest]
    share = abs(found.slope - FALL) / FALL_TOLERANCE
    measured, expected = f"error falls as N^{found.slope:.3f}", f"N^({FALL:.0f} ± {FALL_TOLERANCE})"
    brief, where = f"N^{found.slope:.3f}", f"{variable}, N from {_SMOOTH[0]} to {_SMOOTH[1]}"
    return [smallest, CheckVerdict("differences", subject, where, brief, measured, expected, share)]
