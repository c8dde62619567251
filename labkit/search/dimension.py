"""One searched key of a space: a range of numbers in its own scale, or choices."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Required, TypeAlias, TypedDict

from labkit.config import ConfigError, shown
from labkit.search import scale

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import BaseTrial

Value = int | float | str | bool | None
Point = dict[str, Value]  # searched key -> its value
Json: TypeAlias = Value | Sequence["Json"] | Mapping[str, "Json"]  # what a configuration or a storage writes


class PlainDimension(TypedDict, total=False):
    """A dimension as a storage keeps it, without what is at its default; keys as in `Dimension`."""

    key: Required[str]
    low: float
    high: float
    log: bool
    integer: bool
    step: float
    choices: list[Value]
    when: dict[str, list[Value]]


@dataclass(frozen=True)
class Dimension:
    """One searched key: a range of numbers, or choices.

    Attributes:
        key: Override path, such as `optimizer.lr`.
        low, high: Ends of the range, both part of it.
        log: True where the values are evenly spread in the logarithm.
        integer: True where only whole numbers are tried.
        step: Distance of neighbouring values, counted from `low`; `high` comes down to the last of them.
        choices: Values instead of a range.
        when: Other key -> its values for which this key is searched over (compared as written); a point in which
            they are others lacks this key.

    Raises:
        ConfigError: The range is empty, or its parts do not go together.
    """

    key: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    integer: bool = False
    step: float | None = None
    choices: tuple[Value, ...] | None = None
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problem = _choice_problem(self) if self.choices is not None else _range_problem(self)
        if problem:
            raise ConfigError(f"{self.key}: {problem}.")
        if self.choices is None:
            low, high = self.ends
            steps = math.floor((high - low) / self.step + 1e-9) if self.step is not None else None
            object.__setattr__(self, "low", self._number(low))
            object.__setattr__(self, "high", self._number(high) if steps is None else self.nth(steps))

    @property
    def ends(self) -> tuple[float, float]:
        """Return the ends of the range; a choice has none."""
        assert self.low is not None
        assert self.high is not None
        return self.low, self.high

    def at(self, u: float) -> Value:
        """Return the value at a share `u` in [0, 1] of the dimension: in its own scale, 0 and 1 the ends.

        Values of a stepped or whole-numbered range, and choices, have equal shares; of a logarithmic whole-numbered
        range every value has the share that its interval [v - 1/2, v + 1/2] has in the logarithm.
        """
        if self.choices is not None:
            return self.choices[min(int(u * len(self.choices)), len(self.choices) - 1)]
        low, high = self.ends
        gap = self.gap
        if gap is not None and not self.log:
            count = round((high - low) / gap) + 1
            return self.nth(min(int(u * count), count - 1))
        # Half a step beyond both ends, else rounding would give the first and the last whole number half their share.
        margin = 0.5 if gap is not None else 0.0
        return self.nearest_decimal(scale.between(low - margin, high + margin, u, self.log))

    def grid(self, n: int) -> list[Value]:
        """Return at most `n` values, evenly spread in its own scale, both ends included; all values of a choice.

        One value alone is the middle. Whole and stepped values that would coincide are given once.
        """
        if self.choices is not None:
            return list(self.choices)
        low, high = self.ends
        shares = [0.5] if n == 1 else [k / (n - 1) for k in range(n)]
        return list(dict.fromkeys(self.nearest_decimal(scale.between(low, high, u, self.log)) for u in shares))

    def suggest(self, trial: BaseTrial) -> Value:
        """Draw a value by the sampler of an Optuna trial."""
        if self.choices is not None:
            return trial.suggest_categorical(self.key, self.choices)
        low, high = self.ends
        if self.integer:
            return trial.suggest_int(self.key, int(low), int(high), step=int(self.step or 1), log=self.log)
        return trial.suggest_float(self.key, low, high, step=self.step, log=self.log)

    def distribution(self) -> BaseDistribution:
        """Return the same as a distribution of Optuna's."""
        from optuna import distributions

        if self.choices is not None:
            return distributions.CategoricalDistribution(self.choices)
        low, high = self.ends
        if self.integer:
            return distributions.IntDistribution(int(low), int(high), log=self.log, step=int(self.step or 1))
        return distributions.FloatDistribution(low, high, log=self.log, step=self.step)

    @property
    def gap(self) -> float | None:
        """Return the distance of neighbouring values; None where the range is continuous."""
        return self.step if self.step is not None else 1 if self.integer else None

    def nearest(self, value: float) -> float:
        """Return the value of the range that is nearest."""
        low, high = self.ends
        value = min(max(value, low), high)
        return self._number(value) if self.gap is None else self.nth(round((value - low) / self.gap))

    def nearest_decimal(self, value: float) -> float:
        """Return the nearest value of the range, freed from errors of rounding: 0.3 for 0.30000000000000004."""
        return self.nearest(value if value in self.ends else scale.decimal(value))

    def text(self) -> str:
        """Return the range in words: `1e-05..0.1 (log)`, `relu, tanh`."""
        if self.choices is not None:
            about = ", ".join(str(choice) if isinstance(choice, str) else shown(choice) for choice in self.choices)
        else:
            marks = [name for name, on in (("log", self.log), ("whole", self.integer)) if on]
            marks += [f"step {self.step:g}"] if self.step is not None else []
            about = "..".join(f"{end:.4g}" for end in self.ends) + (f" ({', '.join(marks)})" if marks else "")
        conditions = " and ".join(f"{key} is {' or '.join(map(str, values))}" for key, values in self.when.items())
        return f"{about} where {conditions}" if conditions else about

    def plain(self) -> PlainDimension:
        """Return it as a JSON mapping, without what is at its default."""
        plain: PlainDimension = {"key": self.key}
        if self.choices is None:
            plain["low"], plain["high"] = self.ends
        if self.log:
            plain["log"] = True
        if self.integer:
            plain["integer"] = True
        if self.step is not None:
            plain["step"] = self.step
        if self.choices is not None:
            plain["choices"] = list(self.choices)
        if self.when:
            plain["when"] = {key: list(values) for key, values in self.when.items()}
        return plain

    @staticmethod
    def from_plain(plain: PlainDimension) -> Dimension:
        """Return the dimension that `plain` wrote."""
        return Dimension(
            plain["key"],
            plain.get("low"),
            plain.get("high"),
            plain.get("log", False),
            plain.get("integer", False),
            plain.get("step"),
            tuple(plain["choices"]) if "choices" in plain else None,
            {key: tuple(values) for key, values in plain.get("when", {}).items()},
        )

    def between(self, low: float, high: float) -> Dimension:
        """Return the same dimension with other ends."""
        return dataclasses.replace(self, low=self._number(low), high=self._number(high))

    def nth(self, k: int) -> float:
        """Return the value `k` gaps above `low`, also outside the range."""
        gap = Decimal(str(self.gap))  # 3 steps of 0.1 from 0 are 0.3, not 0.30000000000000004
        return self._number(float(Decimal(str(self.low)) + k * gap))

    def _number(self, value: float) -> float:
        return round(value) if self.integer else float(value)


def _choice_problem(dimension: Dimension) -> str:
    assert dimension.choices is not None
    if dimension.low is not None or dimension.high is not None:
        return "expected a range or choices, got both"
    if dimension.log or dimension.integer or dimension.step is not None:
        return "log, integer and step belong to a range, got choices"
    if not dimension.choices:
        return "expected at least one choice, got none"
    if len({shown(choice) for choice in dimension.choices}) < len(dimension.choices):
        return f"expected different choices, got {', '.join(map(shown, dimension.choices))}"
    return ""


def _range_problem(dimension: Dimension) -> str:
    low, high, step = dimension.low, dimension.high, dimension.step
    if low is None or high is None or not all(_is_number(end) for end in (low, high)):
        return f"expected a range between two numbers, got {shown(low)} and {shown(high)}"
    if low > high:
        return f"expected a range whose low end comes first, got {low:g}..{high:g}"
    if dimension.log and low <= 0:
        return f"expected a logarithmic range above 0, got {low:g}..{high:g}"
    if step is not None and not (_is_number(step) and step > 0):
        return f"expected a step above 0, got {shown(step)}"
    if dimension.integer and any(number != round(number) for number in (low, high, step or 1)):
        return f"expected whole numbers, got {dimension.text()}"
    if step is not None and dimension.log:
        return "a logarithmic range has no step"
    return ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
