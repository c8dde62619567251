"""The common ground of all figures: the look, the empty canvas, margins in inches, plain tick labels, the PNG.

pyplot is never imported (it keeps global state and picks a window system), and margins are set by hand, because
matplotlib's layout engines draw a figure several times over.
"""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeAlias, cast

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axis import Axis
    from matplotlib.container import Container
    from matplotlib.figure import Figure

    Handle: TypeAlias = Artist | Container

# Okabe and Ito, "Color Universal Design" (2008): told apart by colour-blind readers and in grey print.
TRAIN, VALIDATION, TEST, RATE = "#0072B2", "#D55E00", "#009E73", "#8c8c8c"
DPI = 110
TITLE_LINE = 0.19  # inches


def style() -> AbstractContextManager[None]:
    """Return a context with the look of every figure, whatever the user's matplotlibrc says.

    A `$` in a name is a dollar, not mathematics.
    """
    import matplotlib

    return matplotlib.rc_context(
        {
            "font.family": ["DejaVu Sans"],
            "font.size": 9,
            "text.usetex": False,
            "text.parse_math": False,
            "axes.titlesize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": "#555555",
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#e8e8e8",
            "legend.frameon": False,
            "lines.linewidth": 1.6,
        }
    )


def blank(width: float, height: float, title: str = "") -> Figure:
    """Return an empty figure with a canvas of its own.

    Args:
        width: Width, inches.
        height: Height with a title of one line, inches; each further line adds `TITLE_LINE`.
        title: Title; more than three lines are cut.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # About 10.5 bold letters of 11 points go to an inch.
    lines = textwrap.wrap(title, int(width * 10.5), max_lines=3, placeholder=" ...") or [""]
    height += TITLE_LINE * (len(lines) - 1)
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    heading = "\n".join(lines)
    figure.text(0.12 / width, 1 - 0.1 / height, heading, va="top", fontsize=11, weight="bold", linespacing=1.2)
    return figure


def margins(figure: Figure, left: float, right: float, top: float, bottom: float, gap: float = 0.0) -> None:
    """Set the margins around the panels.

    Args:
        figure: Figure with its panels and its title, as `blank` makes it.
        left: Left margin, inches.
        right: Right margin, inches.
        top: Top margin below a title of one line, inches; further lines are added.
        bottom: Bottom margin, inches.
        gap: Gap between neighbours in a row, inches.
    """
    width, height = figure.get_size_inches()
    top += TITLE_LINE * figure.texts[0].get_text().count("\n")
    grids = [spec.get_gridspec().ncols for axes in figure.axes if (spec := axes.get_subplotspec())]
    columns = max(grids, default=1)
    panel = (width - left - right - gap * (columns - 1)) / columns
    figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height, wspace=gap / panel)


def render(figure: Figure) -> bytes:
    """Return the figure as the bytes of a PNG file without a date or a version in it: equal records give equal files.

    256 colours are plenty for a chart, and make the file a third of its size.
    """
    from PIL import Image

    raw = io.BytesIO()
    with style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # a box for an unknown letter is good enough
        figure.savefig(raw, format="rgba", dpi=figure.dpi, facecolor="white", edgecolor="none", bbox_inches=None)
    picture = Image.frombuffer("RGBA", figure.canvas.get_width_height(), raw.getvalue()).convert("RGB")
    buffer = io.BytesIO()
    picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(buffer, "png")
    return buffer.getvalue()


def short(value: float) -> str:
    """Return a number in few characters: 0.05, 120, 2.5e-5."""
    if value and math.isfinite(value) and not 1e-3 <= abs(value) < 1e5:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:.5g}"


def plain_numbers(axis: Axis, ticks: int = 5, integer: bool = False) -> None:
    """Label an axis with the numbers themselves: no offset and no common power of ten.

    Args:
        axis: Axis with its final scale.
        ticks: Most intervals between ticks on a linear axis.
        integer: Keeps ticks on whole numbers.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    if axis.get_scale() == "linear":
        axis.set_major_locator(MaxNLocator(ticks, integer=integer, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axis.set_minor_formatter(NullFormatter())


def finite(values: Iterable[float]) -> list[float]:
    """Return the values that are neither NaN nor infinite."""
    return [value for value in values if math.isfinite(value)]


def wide(values: Iterable[float], ratio: float) -> bool:
    """Return whether positive values span more than `ratio`, so that a linear axis would hide the small ones."""
    known = finite(values)
    return bool(known) and min(known) > 0 and max(known) / min(known) > ratio


def legend_below(figure: Figure, handles: Mapping[str, Handle], bottom: float = 0.06) -> float:
    """Draw a legend at the foot of a figure, in as many rows as its width asks for; return its height in inches.

    Args:
        figure: Figure with its final width.
        handles: Label -> what matplotlib shows beside it, in order.
        bottom: Room below the legend, inches.
    """
    if not handles:
        return 0.0
    width, height = figure.get_size_inches()
    # Letters of 9 points are about 0.078 inches wide; the mark before a label and the gap behind it take 0.55.
    columns = min(len(handles), max(1, int((width - 0.4) / (0.55 + 0.078 * max(map(len, handles))))))
    if sum(0.62 + 0.078 * len(label) for label in handles) < width - 0.3:
        columns = len(handles)
    rows = -(-len(handles) // columns)
    rowwise = [i for column in range(columns) for i in range(column, len(handles), columns)]  # matplotlib fills columns
    items = [list(handles.items())[i] for i in rowwise]
    figure.legend(
        cast("list[Artist]", [handle for _, handle in items]),  # it takes containers too, which its stub leaves out
        [label for label, _ in items],
        loc="lower center",
        bbox_to_anchor=(0.5, bottom / height),
        ncols=columns,
        columnspacing=1.4,
        borderaxespad=0,
    )
    return 0.2 * rows + bottom
