"""Figures of many runs together: their learning curves in one frame, and how their seeds spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.report import cells
from labkit.report.canvas import blank, legend_below, margins, plain_numbers, style, wide
from labkit.report.ranked_entries import Entry
from labkit.report.search_axes import STAGES, colours
from labkit.report.search_table import SearchTable, StagePoints
from labkit.report.seed_bands import Curves, band

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Member", "member_curves", "seed_spread"]

_NAMED = 5  # members with a colour of their own
_OTHERS = "#b4b4b4"
_BROKEN = "not finite from here"
_ROWS = 12  # of one stage in the figure of seeds


@dataclass(frozen=True)
class Member:
    """One setting among others.

    Attributes:
        label: Words that tell it from the others.
        seeds: Curves of each of its runs.
    """

    label: str
    seeds: Sequence[Curves]

    @property
    def name(self) -> str:
        """The label, with the number of seeds where there are several."""
        return f"{self.label} (n={len(self.seeds)})" if len(self.seeds) > 1 else self.label


def member_curves(
    members: Sequence[Member], title: str = "", metrics: tuple[str, str] = ("val/accuracy", "train/loss")
) -> Figure:
    """Draw the learning curves of all members over each other, the first few in colour and named, the rest grey behind.

    A member with several seeds is the line of their mean, one in colour on the band from the lowest to the highest.

    A curve that stops being finite ends in a cross, at the upper edge where the axis is cut.

    Args:
        members: Members, best first.
        title: Words that say what was run.
        metrics: Metrics, one for each panel.
    """
    with style():
        labels = [member.name for member in members[:_NAMED]]
        rows = 1 if sum(map(len, labels)) < 90 else math.ceil((len(labels) + 2) / 2)
        figure = blank(10.2, 4.0 + 0.2 * rows, title or "Learning curves of the members")
        panels = figure.subplots(1, 2)
        for axes, metric in zip(panels, metrics, strict=True):
            _overlay(axes, members, metric)
        handles: dict[str, Artist] = {}
        for axes in panels:
            found, names = axes.get_legend_handles_labels()
            handles = dict(zip(names, found, strict=True)) | handles
        order = sorted(handles, key=lambda name: [*labels, _others(members), _BROKEN].index(name))
        legend_below(figure, {name: handles[name] for name in order})
        margins(figure, 0.7, 0.25, 0.5, 0.8 + 0.2 * rows, gap=0.8)
    return figure


def _others(members: Sequence[Member]) -> str:
    n = len(members) - _NAMED
    return "1 other" if n == 1 else f"{n} others"


def _overlay(axes: Axes, members: Sequence[Member], metric: str) -> None:
    """Draw one metric of all members, the last first: the best come to lie on top."""
    scale = 100.0 if cells.is_percent(metric) else 1.0
    drawn: list[float] = []
    first: list[float] = []
    broken: list[tuple[int, float]] = []
    for place in reversed(range(len(members))):
        own = band(members[place].seeds, metric)
        if not own.steps:
            continue
        named, label = place < _NAMED, members[place].name
        mean, low, high = ([scale * value for value in values] for values in (own.mean, own.low, own.high))
        axes.plot(
            own.steps, mean, color=STAGES[place] if named else _OTHERS, linewidth=1.6 if named else 0.8,
            label=label if named else _others(members) if place == _NAMED else None, zorder=3 if named else 2,
        )  # fmt: skip
        if named and own.n > 1:
            axes.fill_between(own.steps, low, high, color=STAGES[place], alpha=0.18, linewidth=0, zorder=2.5)
        broken += [(own.steps[-1], mean[-1])] if own.broken else []
        drawn += [*mean, *(high if named else [])]
        first.append(mean[0])
    top = _dress(axes, drawn, first, metric)
    for step, value in broken:
        axes.plot(step, min(value, top), "x", color="black", markersize=5, zorder=4, clip_on=False, label=_BROKEN)
    axes.set(xlabel="update step")
    plain_numbers(axes.xaxis, integer=True)
    plain_numbers(axes.yaxis)


def _dress(axes: Axes, drawn: Sequence[float], first: Sequence[float], metric: str) -> float:
    """Set the label, and a log axis for values over decades; return the upper end, set where one member explodes."""
    label, top = cells.unit(metric), math.inf
    if not drawn:
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color="#777777")
    elif not cells.is_percent(metric) and max(drawn) > 3 * max(first):
        top = 1.5 * max(first)
        low = min(drawn)
        axes.set_ylim(low - 0.05 * (top - low), top)
        label += f", cut at {top:.3g}"
    elif wide(drawn, 1000):
        axes.set_yscale("log")
        label += ", log scale"
    axes.set_ylabel(label)
    return top


def seed_spread(table: SearchTable, title: str = "") -> Figure | None:
    """Draw every seed's value as a dot, the mean and its 95% interval as a bar, for each setting with several seeds.

    A thin line joins the values of one seed in neighbouring rows of a stage: where the lines run side by side, the
    difference between the settings is surer than their intervals say. None if no setting has two seeds.
    """
    parts = [(part, [e for e in part.entries if e.rank and len(e.seeds) > 1][:_ROWS]) for part in table.parts]
    parts = [(part, own) for part, own in parts if own]
    count = sum(len(own) for _, own in parts)
    if not count:
        return None
    labels = [_label(table, part, entry) for part, own in parts for entry in own]
    with style():
        left = 0.45 + 0.072 * max(map(len, labels))
        figure = blank(left + 6.0, 1.05 + 0.36 * count, title or f"{table.objective} by seed")
        axes = figure.subplots()
        row = 0
        for part, own in parts:
            _spread_of(axes, table, own, row, colours(table)[part.stage.name])
            row += len(own)
            if row < count:
                axes.axhline(row - 0.5, color="#cccccc", linewidth=0.8)
        axes.set_yticks(range(count), labels, fontsize=8.5)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(count - 0.45, -0.55)
        axes.grid(False, axis="y")
        axes.set_xlabel(f"{cells.unit(table.objective)}: seeds, mean and 95% interval")
        plain_numbers(axes.xaxis)
        margins(figure, left, 0.3, 0.42, 0.55)
    return figure


def _label(table: SearchTable, part: StagePoints, entry: Entry) -> str:
    settings = ", ".join(f"{key.rpartition('.')[2]} {cells.brief(entry.params.get(key))}" for key in table.keys)
    return f"{part.stage.name} {entry.rank}: {settings}".strip()[:60]


def _spread_of(axes: Axes, table: SearchTable, own: Sequence[Entry], row: int, colour: str) -> None:
    """Draw the settings of one stage in the rows from `row` on."""
    scale = 100.0 if cells.is_percent(table.objective) else 1.0
    for seed in dict.fromkeys(seed for entry in own for seed in entry.seeds):
        known = [(scale * entry.values[seed], row + i) for i, entry in enumerate(own) if seed in entry.values]
        axes.plot(*zip(*known, strict=True), color="#d9d9d9", linewidth=0.8, zorder=1)
    for i, entry in enumerate(own):
        mean, ends = scale * entry.mean, [scale * end for end in entry.interval or ()]
        axes.errorbar(
            mean, row + i, xerr=[[mean - ends[0]], [ends[1] - mean]] if ends else None, fmt="|", color="black",
            markersize=11, capsize=3, elinewidth=1.2, markeredgewidth=1.6, zorder=2,
        )  # fmt: skip
        values = [scale * value for value in entry.values.values()]
        axes.plot(values, [row + i] * len(values), "o", color=colour, markersize=5, alpha=0.75,
                  markeredgecolor="white", markeredgewidth=0.6, zorder=3)  # fmt: skip
