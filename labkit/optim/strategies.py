"""Which layers an update moves, and how far: all alike, or in ways that look for something better than plain SGD
(Ben-Gurion lab, part 2, task 6)."""

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
    """A strategy.

    Attributes:
        kind: `together`, `alternating`, `layer_by_layer` or `weighted`.
        shares: `shares(t, layers, length)`: for update t = 1, 2, ... of a network with that many layers with weights
            (a norm belongs to the layer before it), the factor on the learning rate of each, first to last. A layer
            with 0 is left as it is, and so is what the update rule remembers of it. None: always 1.
        structure: strategies that differ in it cannot share a population.
    """

    kind: str
    shares: Callable[[int, int, Length], Shares] | None = None
    structure: tuple[float, ...] = ()


def together() -> Strategy:
    """Every update moves every layer."""
    return Strategy("together")


@defaults("strategy/alternating")
def alternating(*, period: Count = IN_FILE) -> Strategy:
    """Body and classifier (the last layer) take turns of `period` updates each; the body begins."""

    def shares(t: int, layers: int, length: Length) -> Shares:
        body = float((t - 1) // period % 2 == 0)
        return [body] * _body(layers, "alternating") + [1.0 - body]

    return Strategy("alternating", shares, (period,))


@defaults("strategy/layer_by_layer")
def layer_by_layer(*, rounds: Count = IN_FILE) -> Strategy:
    """The layers of the body take turns, first to last, each beside the classifier; `rounds` times over the run."""

    def shares(t: int, layers: int, length: Length) -> Shares:
        body = _body(layers, "layer_by_layer")
        turn = (t - 1) * rounds * body // length.total % body
        return [float(layer == turn) for layer in range(body)] + [1.0]

    return Strategy("layer_by_layer", shares, (rounds,))


@defaults("strategy/weighted")
def weighted(*, decay: Annotated[Positive, Field(le=10)] = IN_FILE) -> Strategy:
    """The rate of a layer is `decay` times that of the layer after it (Howard and Ruder 2018, section 3.2); above 1
    the first layers move most."""

    def shares(t: int, layers: int, length: Length) -> Shares:
        return [decay**distance for distance in reversed(range(layers))]

    return Strategy("weighted", shares, (decay,))


def _body(layers: int, kind: str) -> int:
    if layers < 2:
        raise ConfigError(f"strategy={kind}: the network is a classifier alone, it has no body to take turns with.")
    return layers - 1
