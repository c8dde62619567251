"""One searched key of a space: a range of numbers in its own scale, or choices."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from labkit.config import ConfigError, shown
from labkit.search import scale

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

Value = int | float | str | bool | None
Point = dict[str, Value]


@dataclass(frozen=True)
class Dimension:
    """One searched key: a range of numbers, or choices.

    Attributes:
        key: its override path.
        low, high: both ends belong to the range.
        log: evenly spread in the logarithm.
        integer: whole numbers only.
        step: distance of neighbouring values, counted from `low`; `high` comes down to the last of them.
        choices: instead of a range.
        when: other key -> its values for which this key is searched over (compared as written); it is left out of
            a point where they are others.

    Raises:
        ConfigError: the range is empty, or its parts do not go together.
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
        """The ends of the range; a choice has none."""
        assert self.low is not None
        assert self.high is not None
        return self.low, self.high

    def at(self, u: float) -> Value:
        """The value at a share `u` in [0, 1] of the dimension: in its own scale, 0 and 1 the ends.

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
        margin = 0.5 if gap is not None else 0.0
        return self.nearest_decimal(scale.between(low - margin, high + margin, u, self.log))

    def grid(self, n: int) -> list[Value]:
        """At most `n` values, evenly spread in its own scale, the ends among them; a choice gives all of its values.

        One value alone is the middle. Whole and stepped values that would coincide are given once.
        """
        if self.choices is not None:
            return list(self.choices)
        low, high = self.ends
        shares = [0.5] if n == 1 else [k / (n - 1) for k in range(n)]
        return list(dict.fromkeys(self.nearest_decimal(scale.between(low, high, u, self.log)) for u in shares))

    def suggest(self, trial: BaseTrial) -> Value:
        """A value by the sampler of an Optuna trial."""
        if self.choices is not None:
            return trial.suggest_categorical(self.key, self.choices)
        low, high = self.ends
        if self.integer:
            return trial.suggest_int(self.key, int(low), int(high), step=int(self.step or 1), log=self.log)
        return trial.suggest_float(self.key, low, high, step=self.step, log=self.log)

    def distribution(self) -> Any:
        """The same as an Optuna distribution."""
        from optuna import distributions

        if self.choices is not None:
            return distributions.CategoricalDistribution(self.choices)
        low, high = self.ends
        if self.integer:
            return distributions.IntDistribution(int(low), int(high), log=self.log, step=int(self.step or 1))
        return distributions.FloatDistribution(low, high, log=self.log, step=self.step)

    @property
    def gap(self) -> float | None:
        """Distance of neighbouring values; None where the range is continuous."""
        return self.step if self.step is not None else 1 if self.integer else None

    def nearest(self, value: float) -> float:
        """The nearest value of the range."""
        low, high = self.ends
        value = min(max(value, low), high)
        return self._number(value) if self.gap is None else self.nth(round((value - low) / self.gap))

    def nearest_decimal(self, value: float) -> float:
        """The nearest value of the range, as a decimal where it is one but for errors of rounding; an end as it is."""
        return self.nearest(value if value in self.ends else scale.decimal(value))

    def text(self) -> str:
        """The range in words: `1e-05..0.1 (log)`, `relu, tanh`."""
        if self.choices is not None:
            about = ", ".join(str(choice) if isinstance(choice, str) else shown(choice) for choice in self.choices)
        else:
            marks = [name for name, on in (("log", self.log), ("whole", self.integer)) if on]
            marks += [f"step {self.step:g}"] if self.step is not None else []
            about = "..".join(f"{end:.4g}" for end in self.ends) + (f" ({', '.join(marks)})" if marks else "")
        conditions = " and ".join(f"{key} is {' or '.join(map(str, values))}" for key, values in self.when.items())
        return f"{about} where {conditions}" if conditions else about

    def plain(self) -> dict[str, Any]:
        """As a JSON mapping, without what is at its default."""
        told = {name: value for name, value in vars(self).items() if value is not None and value is not False}
        told.pop("when")
        lists = {"choices": list(self.choices)} if self.choices is not None else {}
        when = {"when": {key: list(values) for key, values in self.when.items()}} if self.when else {}
        return {**told, **lists, **when}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> Dimension:
        """What `plain` wrote."""
        choices = tuple(plain["choices"]) if "choices" in plain else None
        when = {key: tuple(values) for key, values in plain.get("when", {}).items()}
        return Dimension(**{**plain, "choices": choices, "when": when})

    def between(self, low: float, high: float) -> Dimension:
        """The same dimension with other ends."""
        return dataclasses.replace(self, low=self._number(low), high=self._number(high))

    def nth(self, k: int) -> float:
        """The value `k` gaps above `low`, also outside the range."""
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


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
