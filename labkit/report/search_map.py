"""The map of a search: its trials in the plane of two parameters, coloured by the objective."""

from __future__ import annotations

from itertools import combinations
from statistics import median
from typing import TYPE_CHECKING

from labkit.report import cells
from labkit.report.canvas import RATE, blank, legend_below, margins, style
from labkit.report.search_axes import Scale, axis_ends, colours, dress, limits, scale
from labkit.report.search_figures import LABEL, TOP, axis_value, ends_of, handles
from labkit.report.search_table import SearchTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["parameter_map"]


def parameter_map(table: SearchTable, title: str = "") -> Figure | None:
    """Draw trials in the plane of two numeric parameters, coloured by the objective; the best ones lie on top.

    Boxes are the ranges of the stages. None for a search with fewer than two numeric parameters; three make a panel
    for each pair.
    """
    scales = [where for key in table.keys if not (where := scale(table, key)).options][:3]
    pairs = list(combinations(scales, 2))
    drawn = [(part, e) for part in reversed(table.parts) for e in part.entries if e.rank]
    if not pairs or not drawn:
        return None
    with style():
        figure = blank(
            6.2 if len(pairs) == 1 else 10.2,
            4.6 if len(pairs) == 1 else 3.9,
            title or f"{table.objective} by pair of parameters",
        )
        panels = figure.subplots(1, len(pairs), squeeze=False)[0]
        norm, below = _colour_range([axis_value(table, e.mean) for _, e in drawn], table.maximise)
        for axes, (across, up) in zip(panels, pairs, strict=True):
            _plane(axes, table, across, up, norm)
        margins(figure, 0.85, 1.15, TOP, LABEL + legend_below(figure, handles(list(panels))), gap=0.8)
        place, width = panels[-1].get_position(), figure.get_figwidth()
        bar = figure.add_axes((place.x1 + 0.18 / width, place.y0, 0.14 / width, place.height))
        extend = ("min" if table.maximise else "max") if below else "neither"
        figure.colorbar(panels[0].collections[-1], cax=bar, extend=extend)
        bar.set_ylabel(cells.unit(table.objective))
        bar.grid(False)
    return figure


def _colour_range(values: list[float], maximise: bool) -> tuple[tuple[float, float], bool]:
    """Return the ends of the colour scale, and whether values lie beyond its worse end.

    The better half of the values gets most of the scale.
    """
    best, middle = (max(values) if maximise else min(values)), median(values)
    worst = min(values) if maximise else max(values)
    cut = best - 2.5 * (best - middle)
    far = worst < cut if maximise else worst > cut
    end = cut if far and cut != best else worst
    low, high = min(end, best), max(end, best)
    return (low, high if high > low else low + 1e-9), far


def _plane(axes: Axes, table: SearchTable, across: Scale, up: Scale, norm: tuple[float, float]) -> None:
    from matplotlib.patches import Rectangle

    places: list[tuple[float, float, float]] = []
    for part in reversed(table.parts):
        colour = colours(table)[part.stage.name]
        sides, heights = limits(part, across.key), limits(part, up.key)
        if sides and heights:
            axes.add_patch(Rectangle(
                (sides[0], heights[0]), sides[1] - sides[0], heights[1] - heights[0], fill=False, edgecolor=colour,
                linewidth=1.4, label=f"range of {part.stage.name or 'the search'}",
            ))  # fmt: skip
        for entry in part.entries:
            x, y = across.place(entry.params.get(across.key)), up.place(entry.params.get(up.key))
            if x is None or y is None:
                continue
            if entry.rank is None:
                pruned = entry.status == "PRUNED"
                axes.plot(x, y, "v" if pruned else "x", color=RATE, markersize=5, markeredgewidth=1.3, zorder=2,
                          label="pruned" if pruned else "diverged or failed")  # fmt: skip
            else:
                places.append((x, y, axis_value(table, entry.mean)))
    places.sort(key=lambda place: place[2] if table.maximise else -place[2])
    xs, ys, values = zip(*places, strict=True) if places else ((), (), ())
    _ring_at(axes, places)
    dress(axes, across, axis_ends(across, ends_of(table, across)))
    dress(axes, up, axis_ends(up, ends_of(table, up)), horizontal=False)
    axes.scatter(xs, ys, c=values, cmap="viridis" if table.maximise else "viridis_r", vmin=norm[0], vmax=norm[1],
                 s=46, edgecolors="white", linewidths=0.6, zorder=4)  # fmt: skip


def _ring_at(axes: Axes, places: list[tuple[float, float, float]]) -> None:
    if places:
        axes.plot(*places[-1][:2], "o", markersize=12, markerfacecolor="none", color="black", markeredgewidth=1.1,
                  zorder=6, label="best of all")  # fmt: skip
