"""The gradient and Jacobian test: Taylor remainders along random directions, the step halved each time.

For a right derivative `|f(x + e d) - f(x)|` falls as e, ratio 1/2, and `|f(x + e d) - f(x) - e J d|` as e^2, ratio 1/4;
with a wrong one the second falls only as e (Ben-Gurion lab, tasks 1.1, 2.1 and 2.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labkit.checks.check_verdict import CheckVerdict
from labkit.checks.maps import Map, inner, length, moved, unit_direction

HALVINGS = 18
DIRECTIONS = 3  # their root mean square: along a single one the first or second derivative may vanish by chance
FIRST_STEP = 0.1  # of the length of the variables
SLOPES = ((1.0, 0.05), (2.0, 0.1))  # of both remainders over the middle decade of steps, and their tolerances
LINEAR = 1e-12  # a remainder below this share of the values is rounding: f is linear in these variables
_ROUNDING = 100 * float(np.finfo(np.float64).eps)  # likewise: below it a single remainder says nothing
_MOST_HALVINGS = 60  # to stay on one piece of a kinked function


@dataclass(frozen=True)
class Remainders:
    """Remainders against steps, largest step first; root mean squares over the directions.

    Attributes:
        steps: Steps e, each half of the one before, shape (T,).
        zeroth: `||f(x + e d) - f(x)||`, shape (T,).
        first: `||f(x + e d) - f(x) - e J d||`, shape (T,).
        scale: Size of the values that are subtracted.
    """

    steps: np.ndarray
    zeroth: np.ndarray
    first: np.ndarray
    scale: float

    @property
    def linear(self) -> bool:
        """True where nothing but rounding remains: f is linear along d, as a layer is in its weights alone."""
        return bool(self.first.max() <= LINEAR * self.scale)

    @property
    def middle(self) -> np.ndarray:
        """The mask of the steps in the middle decade, on a logarithmic scale, of those with remainders above rounding.

        Of a linear f only the zeroth remainder counts. Shape (T,), boolean.
        """
        places = np.log10(self.steps)
        known = places[(self.zeroth if self.linear else self.first) > _ROUNDING * self.scale]
        if len(known) < 3:
            return np.zeros(len(places), dtype=bool)
        return np.asarray(np.abs(places - (known[0] + known[-1]) / 2) <= 0.5)

    @property
    def slopes(self) -> tuple[float, float]:
        """The slopes of both remainders, fitted on the middle decade; of a linear f the second is NaN."""
        return self._slope(self.zeroth), np.nan if self.linear else self._slope(self.first)

    @property
    def ratios(self) -> tuple[float, float]:
        """The medians over the middle decade of a remainder by the one before: 1/2 and 1/4."""
        return self._ratio(self.zeroth), np.nan if self.linear else self._ratio(self.first)

    def _slope(self, values: np.ndarray) -> float:
        middle = self.middle & (values > 0)
        if middle.sum() < 3:  # two points lie on a line whatever they are
            return float("nan")
        return float(np.polyfit(np.log(self.steps[middle]), np.log(values[middle]), 1)[0])

    def _ratio(self, values: np.ndarray) -> float:
        middle = values[self.middle & (values > 0)]
        return float(np.median(middle[1:] / middle[:-1])) if len(middle) > 1 else float("nan")


def derivative(f: Map) -> list[dict[str, Tensor]]:
    """Return the Jacobian at the point, row by row: the hand-written `J'u` for every unit vector u of the output."""
    shape = f.value(f.point).shape
    units = torch.zeros(shape.numel(), *shape, dtype=torch.float64)
    for i, unit in enumerate(units):
        unit.view(-1)[i] = 1
    return [f.pullback(unit) for unit in units]


def remainders(f: Map, rows: Sequence[Mapping[str, Tensor]], names: Sequence[str], seed: int) -> Remainders:
    """Return both remainders along `DIRECTIONS` random unit directions.

    Args:
        f: Function under test.
        rows: Jacobian as `derivative` gives it, a row for each number of the output: variable -> tensor of its shape.
        names: Variables that move.
        seed: Seed of the first direction.

    Raises:
        AssertionError: The point lies on a kink, so that no step stays on its linear pieces.
    """
    ways = [unit_direction(f.point, names, seed + i) for i in range(DIRECTIONS)]
    steps = _smooth_steps(f, ways, FIRST_STEP * max(1.0, length({name: f.point[name] for name in names})))
    start = f.value(f.point)
    squares = torch.zeros(2, len(steps), dtype=torch.float64)
    for way in ways:
        slope = torch.tensor([inner(way, row) for row in rows], dtype=start.dtype).view(start.shape)
        for i, step in enumerate(steps):
            change = f.value(moved(f.point, way, step)) - start
            squares[0, i] += change.square().sum()
            squares[1, i] += (change - step * slope).square().sum()
    zeroth, first = (squares / DIRECTIONS).sqrt().numpy()
    return Remainders(np.array(steps), zeroth, first, float(start.square().sum()) ** 0.5 + float(zeroth.max()))


def _smooth_steps(f: Map, ways: Sequence[Mapping[str, Tensor]], largest: float) -> list[float]:
    """Return `HALVINGS + 1` halved steps, the first as large as can be without leaving the point's linear pieces."""
    here = f.pieces(f.point)
    steps: list[float] = []
    for i in range(_MOST_HALVINGS):
        step = largest / 2**i
        stays = not here or all(_same(here, f.pieces(moved(f.point, way, step))) for way in ways)
        steps = [*steps, step] if stays else []
        if len(steps) > HALVINGS:
            return steps
    raise AssertionError("the point lies on a kink")


def _same(here: Sequence[Tensor], there: Sequence[Tensor]) -> bool:
    return all(bool((a == b).all()) for a, b in zip(here, there, strict=True))


def judge(test: str, subject: str, variable: str, found: Remainders, kinked: bool) -> CheckVerdict:
    """Return the verdict on one pair of remainders.

    Args:
        test: Name of the test.
        subject: Layer or network under test.
        variable: Group of variables that moved.
        found: Remainders along them.
        kinked: True for a function with kinks; the verdict then notes that no step crosses one.
    """
    (zeroth, first), (half, quarter) = found.slopes, found.ratios
    share = abs(zeroth - SLOPES[0][0]) / SLOPES[0][1]
    if found.linear:
        brief = f"{zeroth:.3f} linear"
        measured = f"slope {zeroth:.3f}, ratio {half:.3f}; linear, remainder {found.first.max() / found.scale:.0e}"
        expected = f"1 ± {SLOPES[0][1]}, remainder below {LINEAR:.0e} of the values"
    else:
        brief = f"{zeroth:.3f} {first:.3f}"
        measured = f"slopes {zeroth:.3f} and {first:.3f}, ratios {half:.3f} and {quarter:.3f}"
        expected = " and ".join(f"{slope:.0f} ± {tolerance}" for slope, tolerance in SLOPES)
        share = float(np.maximum(share, abs(first - SLOPES[1][0]) / SLOPES[1][1]))  # a NaN stays one
    note = "no step crosses a kink" if kinked else ""
    return CheckVerdict(test, subject, variable, brief, measured, expected, share, note)


def taylor_test(test: str, subject: str, f: Map, seed: int = 0) -> dict[str, tuple[CheckVerdict, Remainders]]:
    """Do the test in each group of variables and in all jointly; return verdict and remainders by group."""
    rows, kinked = derivative(f), bool(f.pieces(f.point))
    found = {group: remainders(f, rows, names, seed) for group, names in f.selections().items()}
    return {group: (judge(test, subject, group, curve, kinked), curve) for group, curve in found.items()}
