"""OR with one ReLU unit, XOR with two layers, and a search that finds no XOR in one (Caltech lab, section 1, D, E)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labkit.models.network import Network
from labkit.preprocess.plane import grid
from labkit.principles.finding import Finding, MeasuredClaim, sheet
from labkit.principles.xor_search import (
    CORNERS,
    OR,
    XOR,
    Search,
    affine,
    search_by_training,
    search_grids,
    two_layers,
    values_at,
    violation,
)

EXTENT = (-0.4, 1.4, -0.4, 1.4)  # left, right, bottom, top of what is drawn
_SIDE = 90


@dataclass(frozen=True)
class Construction:
    """A network written down by hand.

    Attributes:
        name: Formula of the network.
        hidden_units: Number of ReLU units before the output.
        values: Outputs at the four `CORNERS`.
        wanted: Values that are asked for there, OR or XOR.
        surface: Outputs over `EXTENT`, bottom row first, shape (side, side).
    """

    name: str
    hidden_units: int
    values: list[float]
    wanted: tuple[int, ...]
    surface: np.ndarray

    @property
    def right(self) -> bool:
        """True where the outputs at the corners are as OR or XOR is defined."""
        return float(violation(torch.tensor([self.values]), self.wanted)[0]) == 0


@dataclass(frozen=True)
class OrXorResult:
    """The networks written down, and the searches for XOR.

    Attributes:
        constructions: Networks written down, OR before XOR.
        searches: Searches, those on grids before those by training.
    """

    constructions: list[Construction]
    searches: list[Search]


def measure(seeds: int = 200, updates: int = 1000) -> OrXorResult:
    """Check the constructions at all inputs, and search: on grids, and by training.

    Args:
        seeds: Networks of each form that are trained.
        updates: Updates of each.
    """
    return OrXorResult(constructions(), [*search_grids(), *search_by_training(seeds, updates)])


def _tensors(*numbers: Sequence[float] | Sequence[Sequence[float]]) -> list[Tensor]:
    return [torch.tensor([value]) for value in numbers]


def constructions() -> list[Construction]:
    """Return OR and XOR as labkit's own networks with weights set by hand."""
    rows: list[tuple[str, int, Network, list[Tensor], tuple[int, ...]]] = [
        ("OR: relu(x1 + x2)", 1, two_layers(1), _tensors([[1.0, 1.0]], [0.0], [[1.0]], [0.0]), OR),
        ("OR: x1 + x2", 0, affine(), _tensors([[1.0, 1.0]], [0.0]), OR),
        (
            "XOR: relu(x1 - x2) + relu(x2 - x1)",
            2,
            two_layers(2),
            _tensors([[1.0, -1.0], [-1.0, 1.0]], [0.0, 0.0], [[1.0, 1.0]], [0.0]),
            XOR,
        ),
    ]
    places = grid(EXTENT, _SIDE).float()
    return [
        Construction(
            name,
            hidden,
            values_at(net, tensors)[0].tolist(),
            wanted,
            values_at(net, tensors, places)[0].view(_SIDE, _SIDE).numpy(),
        )
        for name, hidden, net, tensors, wanted in rows
    ]


def finding(record: OrXorResult) -> Finding:
    """Return tables and claims of what `measure` gave."""
    made = [
        (c.name, str(c.hidden_units), *(f"{value:g}" for value in c.values), "yes" if c.right else "no")
        for c in record.constructions
    ]
    searched = [
        (s.name, s.how, f"{s.tried:,}", str(s.found), f"{s.best:g}" if s.how == "grid" else f"{s.best:.0%} of corners")
        for s in record.searches
    ]
    corners = (f"f({x1:g},{x2:g})" for x1, x2 in CORNERS)
    return Finding(
        [
            sheet("Networks written down", ("network", "hidden units", *corners, "as defined"), made),
            sheet("XOR searched", ("form", "how", "tried", "compute XOR", "best error"), searched),
        ],
        _claims(record),
        (
            "The lab's OR asks for at least 1, not for 1, so x1 + x2 meets it without any hidden unit; "
            "one ReLU unit is the fewest of a network that has ReLU units.",
            "Error on the grid: the largest deviation from the definition at a corner.",
        ),
    )


def _claims(record: OrXorResult) -> list[MeasuredClaim]:
    on_grid = [search for search in record.searches if search.how == "grid"]
    by_training = [search for search in record.searches if search.how == "trained"]
    few, enough = by_training[:3], by_training[3:]
    return [
        MeasuredClaim(
            "the networks written down give OR and XOR at all four inputs",
            all(construction.right for construction in record.constructions),
            "; ".join(f"{c.name} gives {c.values}" for c in record.constructions),
        ),
        MeasuredClaim(
            "on the grids no network of one layer or one hidden ReLU unit computes XOR; the best is wrong by 1/2",
            not any(search.found for search in on_grid) and all(search.best == 0.5 for search in on_grid),
            f"{sum(search.tried for search in on_grid):,} tried, best error {min(search.best for search in on_grid):g}",
        ),
        MeasuredClaim(
            "no trained network of one layer or one hidden ReLU unit classifies all four corners",
            not any(search.found for search in few) and all(search.best >= 0.25 for search in few),
            f"{sum(search.tried for search in few):,} trained, the best has {min(s.best for s in few):.0%} wrong",
        ),
        MeasuredClaim(
            "with two hidden units training finds XOR from some seeds, with eight from more",
            0 < enough[0].found / enough[0].tried < enough[1].found / enough[1].tried,
            ", ".join(f"{s.name}: {s.found} of {s.tried}" for s in enough),
        ),
    ]
