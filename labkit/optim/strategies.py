"""Strategies: the share of the learning rate that each layer gets in each update.

All layers alike, or one of the ways to do better than plain SGD that the Ben-Gurion lab asks for (part 2, task 6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from labkit.config import ConfigError, Count, Positive
from labkit.optim.schedules import Length
from labkit.shipped import IN_FILE, defaults

Shares = list[float]


@dataclass(frozen=True)
class Strategy:
    """A strategy as data.

    Attributes:
        kind: Name: `together`, `alternating`, `layer_by_layer` or `weighted`.
        shares: Function `shares(t, layers, length)` that returns, for update t = 1, 2, ..., the factor on the learning
            rate of each of the network's `layers` layers with weights, first to last; a norm belongs to the layer
            before it. A factor of 0 leaves the layer alone, and so the update rule's memory of it. None: always 1.
        structure: Keys of the strategy; strategies that differ in them cannot share a population.
    """

    kind: str
    shares: Callable[[int, int, Length], Shares] | None = None
    structure: tuple[float, ...] = ()


def together() -> Strategy:
    """Return the strategy by which every update moves every layer."""
    return Strategy("together")


@defaults("strategy/alternating")
def alternating(*, period: Count = IN_FILE) -> Strategy:
    """Return turns of `period` updates each for the body and for the classifier, the last layer; the body begins."""

    def shares(t: int, layers: int, length: Length) -> Shares:
        """Return 1 for the layers whose turn it is, 0 for the others."""
        body = float((t - 1) // period % 2 == 0)
        return [body] * _body(layers, "alternating") + [1.0 - body]

    return Strategy("alternating", shares, (period,))


@defaults("strategy/layer_by_layer")
def layer_by_layer(*, rounds: Count = IN_FILE) -> Strategy:
    """Return turns for the layers of the body, first to last, `rounds` times over the run.

    The classifier moves in every update.
    """

    def shares(t: int, layers: int, length: Length) -> Shares:
        """Return 1 for the layer whose turn it is and for the classifier, 0 for the others."""
        body = _body(layers, "layer_by_layer")
        # Whole numbers only, so that the turns of a round differ by one update at most, however the run divides.
        turn = (t - 1) * rounds * body // length.total % body
        return [float(layer == turn) for layer in range(body)] + [1.0]

    return Strategy("layer_by_layer", shares, (rounds,))


@defaults("strategy/weighted")
def weighted(*, decay: Annotated[Positive, Field(le=10)] = IN_FILE) -> Strategy:
    """Return rates that fall by `decay` from each layer to the one before it (Howard and Ruder 2018, section 3.2).

    A `decay` above 1 makes the first layers move most.
    """

    def shares(t: int, layers: int, length: Length) -> Shares:
        """Return `decay` to the power of the distance to the last layer."""
        return [decay**distance for distance in reversed(range(layers))]

    return Strategy("weighted", shares, (decay,))


def _body(layers: int, kind: str) -> int:
    """Return the number of layers before the classifier; raise ConfigError where there are none."""
    if layers < 2:
        raise ConfigError(f"strategy={kind}: the network is a classifier alone, it has no body to take turns with.")
    return layers - 1
