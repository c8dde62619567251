"""The place of a parameter's values on an axis: numbers on their own scale, everything else side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.report import cells
from labkit.report.canvas import finite, plain_numbers, short, wide
from labkit.report.search_table import PlainDimension, SearchTable, StagePoints

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito again; stages in the order in which they ran.
STAGES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_FEW = 8  # values of a grid that are shown side by side
_MANY = 2.5  # trials for each of them, from which on they would hide each other on an axis of numbers


@dataclass(frozen=True)
class Scale:
    """The axis of one parameter.

    Attributes:
        key: Name of the parameter.
        log: True for a logarithmic axis.
        options: Values side by side, as text; empty for an axis of numbers.
        zero: Place of the value 0 on a logarithmic axis; None if it does not occur or needs no such place.
        values: All values that occur, numbers only.
    """

    key: str
    log: bool
    options: tuple[str, ...]
    zero: float | None
    values: tuple[float, ...]

    @property
    def tilted(self) -> bool:
        """True where the options have names too long to stand side by side."""
        return sum(len(_short_option(option)) + 2 for option in self.options) > 38

    def place(self, text: str | None) -> float | None:
        """Return the place of a value on the axis; None for one that is missing here."""
        if self.options:
            return float(self.options.index(text)) if text in self.options else None
        value = _number(text)
        return self.zero if value == 0 and self.zero is not None else value


def scale(table: SearchTable, key: str) -> Scale:
    """Return the axis for one parameter of a search: numbers on a log scale where they were searched so."""
    texts = [e.params[key] for part in table.parts for e in part.entries if key in e.params]
    numbers = [value for text in texts if (value := _number(text)) is not None]
    declared = [d for part in table.parts if (d := dimension(part, key))]
    # One text that is no number, such as null, and the axis has no scale to put it on.
    side_by_side = len(numbers) < len(texts) or any(d.get("choices") for d in declared)
    distinct = set(numbers)
    crowded = len(distinct) <= _FEW and len(numbers) > _MANY * len(distinct)
    if side_by_side or (crowded and not declared) or len(distinct) < 2:
        choices = [str(choice) for d in declared for choice in d.get("choices") or ()]
        return Scale(key, False, _options(texts, choices), None, tuple(numbers))
    # A declared range says itself whether it was searched on a log scale; of other values their spread decides.
    positive = sorted(value for value in distinct if value > 0)
    spread = wide(positive, 30) if not declared else any(d.get("log") for d in declared)
    log = spread and min(distinct) >= 0
    return Scale(key, log, (), _left_of(positive) if log and 0 in distinct else None, tuple(numbers))


def dimension(part: StagePoints, key: str) -> PlainDimension | None:
    """Return a stage's declaration of a parameter, `low`, `high`, `log`, or `choices`; None if it was not searched."""
    names = (key, key.removesuffix("._target_"))
    return next((d for d in part.stage.space if d.get("key") in names), None)


def limits(part: StagePoints, key: str) -> tuple[float, float] | None:
    """Return the numeric range that a stage searched, low and high end; None if it is of another kind."""
    found = dimension(part, key)
    if found is None or found.get("low") is None or found.get("high") is None:
        return None
    return float(found["low"]), float(found["high"])


def colours(table: SearchTable) -> dict[str, str]:
    """Return the colour of each stage, by name."""
    names = [part.stage.name for part in reversed(table.parts)]
    return {name: STAGES[i % len(STAGES)] for i, name in enumerate(names)}


def dress(axes: Axes, where: Scale, ends: tuple[float, float], horizontal: bool = True) -> None:
    """Set scale, ends, ticks and label of the axis that shows a parameter.

    Args:
        axes: Panel, whose marks have been drawn.
        where: Axis of the parameter.
        ends: Low and high end on the axis, as `axis_ends` gives them.
        horizontal: True for the x-axis, False for the y-axis.
    """
    from matplotlib.ticker import LogLocator

    axis = axes.xaxis if horizontal else axes.yaxis
    set_scale: Callable[[str], None] = axes.set_xscale if horizontal else axes.set_yscale
    set_ends: Callable[[tuple[float, float]], object] = axes.set_xlim if horizontal else axes.set_ylim
    axis.set_label_text(where.key + (", log scale" if where.log else ""))
    if where.options:
        _name_options(axes, where)
    elif where.log:
        set_scale("log")
        decades = math.log10(ends[1] / ends[0])
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.3 else (1.0,), numticks=8))
    set_ends(ends)
    if not where.options:
        plain_numbers(axis, 4)
    if where.zero is not None:
        _mark_zero(axes, where, horizontal)


def _name_options(axes: Axes, where: Scale) -> None:
    labels = [_short_option(option) for option in where.options]
    axes.set_xticks(range(len(labels)), labels, rotation=25 if where.tilted else 0)
    for label in axes.get_xticklabels() if where.tilted else []:
        label.set(ha="right", rotation_mode="anchor")


def _short_option(option: str) -> str:
    text = cells.brief(option)
    return text if len(text) <= 18 else f"{text[:16]}..."


def _mark_zero(axes: Axes, where: Scale, horizontal: bool) -> None:
    """Draw a tick "0" apart from the logarithmic ones, and a broken line between."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    zero, axis = where.zero or 0.0, axes.xaxis if horizontal else axes.yaxis
    smallest = min(value for value in where.values if value > 0)
    decades = range(math.ceil(math.log10(smallest) - 1e-9), math.floor(math.log10(max(where.values)) + 1e-9) + 1)
    step = max(1, len(decades) // 4)
    axis.set_minor_locator(NullLocator())
    axis.set_major_locator(FixedLocator([zero, *(10.0**d for d in decades[::step])]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: "0" if math.isclose(value, zero) else short(value)))
    line = axes.axvline if horizontal else axes.axhline
    line(math.sqrt(zero * smallest), color="#999999", linestyle=(0, (2, 3)), linewidth=1)


def axis_ends(where: Scale, values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the axis, a little beyond the values on their scale."""
    if where.options:
        return -0.6, len(where.options) - 0.4
    low, high = min(values), max(values)
    if where.log and low > 0:
        ratio = (high / low) ** 0.05 if high > low else 1.5
        return low / ratio, high * ratio
    room = 0.05 * (high - low) or 0.5 * abs(high) or 0.5
    return low - room, high + room


def _left_of(positive: Sequence[float]) -> float:
    """Return a place for 0: as far below the smallest value as it is from the next, at least a factor of 3."""
    ratio = positive[1] / positive[0] if len(positive) > 1 else 10.0
    return positive[0] / min(max(ratio, 3.0), 30.0)


def _options(texts: Sequence[str], choices: Sequence[str]) -> tuple[str, ...]:
    """Return values in the order of the choices; of the others numbers in theirs, then texts in the alphabet's."""
    known = sorted(dict.fromkeys(texts))
    numbers = {text: value for text in known if (value := _number(text)) is not None}
    order = [*choices, *sorted(numbers, key=lambda text: numbers[text]), *known]
    return tuple(text for text in dict.fromkeys(order) if text in known)


def _number(text: str | None) -> float | None:
    try:
        return next(iter(finite([float(text or "")])), None)
    except ValueError:
        return None
