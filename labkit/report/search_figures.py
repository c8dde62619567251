"""Figures of a search: the objective against each searched parameter."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

from labkit.report import cells
from labkit.report.canvas import blank, legend_below, margins, plain_numbers, style
from labkit.report.ranked_entries import Entry
from labkit.report.search_axes import Scale, axis_ends, colours, dress, limits, scale
from labkit.report.search_table import SearchTable, StagePoints

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure

__all__ = ["objective_by_parameter"]

_GOLDEN = (math.sqrt(5) - 1) / 2  # multiples of it, modulo 1, spread evenly however many there are
_MOST = 6  # parameters in one figure
TOP, _PANEL, _GAP, LABEL = 0.5, 2.6, 0.8, 0.62  # inches: title, a row of panels, between rows, axis labels
_ORDER = ("best", "median", "diverged or failed", "pruned", "range of")  # of a legend, after the stages


def objective_by_parameter(table: SearchTable, title: str = "") -> Figure:
    """Draw the objective against each searched parameter: stages by colour, bars of one standard deviation over seeds.

    Ranges that later stages zoomed on are shaded, and shown closer in a panel of their own. A trial without a result
    is a mark at the foot: a cross if it diverged or failed, a triangle if it was pruned. Of many parameters the first
    six are shown, the searched ones before others.
    """
    scales = [scale(table, key) for key in table.keys[:_MOST]]
    pairs = [(where, part) for where in scales if (part := _closest(table, where)) is not None]
    zoomed = {where.key for where, _ in pairs}
    panels: list[tuple[Scale, StagePoints | None]] = [panel for pair in pairs for panel in ((pair[0], None), pair)]
    panels += [(where, None) for where in scales if where.key not in zoomed]
    columns = min(max(len(panels), 1), 2 if pairs else 3)
    rows = max(math.ceil(len(panels) / columns), 1)
    tilt = 0.35 if any(where.tilted for where in scales) else 0.0
    with style():
        figure = blank(
            {1: 7.0, 2: 9.8}.get(columns, 10.2),
            TOP + _PANEL * rows + (_GAP + tilt) * (rows - 1) + LABEL + tilt + 0.46,
            title or f"{table.objective} by parameter",
        )
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, (where, part) in zip(grid.flat, panels, strict=False):
            _panel(axes, table, where, part)
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_visible(False)
        if not panels:
            figure.text(0.5, 0.5, "no parameter differs between the trials", ha="center", color="#777777")
        below = legend_below(figure, handles(list(grid.flat)))
        margins(figure, 0.75, 0.2, TOP, LABEL + tilt + below, gap=0.8)
        figure.subplots_adjust(hspace=(_GAP + tilt) / _PANEL)
    return figure


def _closest(table: SearchTable, where: Scale) -> StagePoints | None:
    """Return the last stage that searched a parameter within other limits than the first one did; None without one."""
    ranges = [(part, known) for part in reversed(table.parts) if (known := limits(part, where.key))]
    if where.options or not ranges or ranges[-1][1] == ranges[0][1]:
        return None
    return ranges[-1][0]


def _panel(axes: Axes, table: SearchTable, where: Scale, closer: StagePoints | None) -> None:
    """Draw one parameter's panel, limited to the range of the stage `closer` where that is not None."""
    ends = (
        axis_ends(where, limits(closer, where.key) or ends_of(table, where))
        if closer
        else axis_ends(where, ends_of(table, where))
    )
    inside: list[float] = []
    for order, part in enumerate(reversed(table.parts)):
        colour = colours(table)[part.stage.name]
        bars = _points(axes, table, where, part, colour, ends)
        inside = bars if part is closer else inside + bars  # the closer panel is as high as its own stage needs
        known = limits(part, where.key)
        if known and order and not closer and not where.options:
            axes.axvspan(*known, color=colour, alpha=0.09, linewidth=0, label=f"range of {part.stage.name}")
    _ring(axes, table, where)
    if where.options and len(table.parts) == 1:
        _medians(axes, table, where)
    dress(axes, where, ends)
    axes.set_ylabel(cells.unit(table.objective))
    if inside:
        room = 0.08 * (max(inside) - min(inside)) or 0.5
        axes.set_ylim(min(inside) - 1.6 * room, max(inside) + room)
    if closer:
        axes.set_title(f"closer: the range of {closer.stage.name}", loc="left", fontsize=9, color="#444444")
    plain_numbers(axes.yaxis)


def axis_value(table: SearchTable, value: float) -> float:
    """Return the objective's value in the unit of its axis: shares in per cent."""
    return 100 * value if cells.is_percent(table.objective) else value


def ends_of(table: SearchTable, where: Scale) -> list[float]:
    """Return all that the axis has to hold: values, the place of 0, and the ranges of the stages."""
    known = [end for part in table.parts for end in limits(part, where.key) or ()]
    positive = [value for value in [*where.values, *known] if value > 0 or not where.log]
    return [*positive, *([where.zero] if where.zero is not None else [])] or [1.0]


def _points(
    axes: Axes, table: SearchTable, where: Scale, part: StagePoints, colour: str, ends: tuple[float, float]
) -> list[float]:
    """Draw the trials of one stage between `ends`; return the ends of their bars, in the unit of the axis."""
    inside: list[float] = []
    for i, entry in enumerate(part.entries):
        x = _place(where, entry, i)
        if x is None or not ends[0] <= x <= ends[1]:
            continue
        if entry.rank is None:
            _lost(axes, entry, x, colour)
            continue
        y, bar = axis_value(table, entry.mean), axis_value(table, entry.deviation or 0.0)
        seeded = entry.deviation is not None
        shape, size, strength = ("D", 4.8, None) if seeded else ("o", 5, 0.8)
        axes.errorbar(
            x, y, yerr=bar if seeded else None, color=colour, markeredgecolor="white", markeredgewidth=0.6,
            elinewidth=1.3, capsize=2.5, label=_stage_name(part), zorder=3 + seeded,
            fmt=shape, markersize=size, alpha=strength,
        )  # fmt: skip
        inside += [y - bar, y + bar]
    return inside


def _place(where: Scale, entry: Entry, number: int) -> float | None:
    """Return an entry's place; entries that share an option are spread a little, the same way every time."""
    place = where.place(entry.params.get(where.key))
    if place is None or not where.options:
        return place
    return place + 0.5 * ((number + 1) * _GOLDEN % 1 - 0.5)


def _stage_name(part: StagePoints) -> str:
    if all(entry.deviation is None for entry in part.entries):
        return part.stage.name
    return f"{part.stage.name} (mean ± sd)" if part.stage.name else "mean ± sd"


def _lost(axes: Axes, entry: Entry, x: float, colour: str) -> None:
    pruned = entry.status == "PRUNED"
    axes.plot(
        x, 0.028, "v" if pruned else "x", color=colour, markersize=5, markeredgewidth=1.4, zorder=5,
        transform=axes.get_xaxis_transform(), label="pruned" if pruned else "diverged or failed", clip_on=True,
    )  # fmt: skip


def _ring(axes: Axes, table: SearchTable, where: Scale) -> None:
    """Draw a ring around the best trial of the last stage."""
    best = next((part.entries[0] for part in table.parts if part.entries[0].rank), None)
    x = _place(where, best, 0) if best else None
    if best and x is not None:
        name = "best of the last stage" if len(table.parts) > 1 else "best"
        axes.plot(x, axis_value(table, best.mean), "o", markersize=12, markerfacecolor="none", color="black",
                  markeredgewidth=1.1, zorder=6, label=name)  # fmt: skip


def _medians(axes: Axes, table: SearchTable, where: Scale) -> None:
    for place, option in enumerate(where.options):
        values = [e.mean for e in table.parts[0].entries if e.rank and e.params.get(where.key) == option]
        if len(values) > 2:
            middle = axis_value(table, median(values))
            axes.plot([place - 0.33, place + 0.33], [middle, middle], color="black", linewidth=1.6, label="median")


def handles(panels: list[Axes]) -> dict[str, Artist]:
    """Return a legend's labels and marks: the stages as they ran, then marks, then ranges.

    Marks without a result are grey, since each stage draws them in its own colour.
    """
    from matplotlib.container import ErrorbarContainer
    from matplotlib.lines import Line2D

    found: dict[str, Artist | ErrorbarContainer] = {}
    for axes in panels:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    order = sorted(found, key=lambda name: next((i for i, word in enumerate(_ORDER) if name.startswith(word)), -1))
    named = {name: one[0] if isinstance(one := found[name], ErrorbarContainer) else one for name in order}
    for name, mark in (("diverged or failed", "x"), ("pruned", "v")):
        if name in named:
            named[name] = Line2D([], [], linestyle="", marker=mark, color="#666666", markersize=5, markeredgewidth=1.4)
    return named
