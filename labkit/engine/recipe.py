"""The recipe of one member: its network, rule, schedule and numbers; and the structure that a population shares."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from labkit.config import ConfigError, nearest
from labkit.engine.trainer import Trainer
from labkit.models.network import Network
from labkit.nn.initialise import Initialiser
from labkit.optim.rules import Rule
from labkit.optim.schedules import Length, Schedule
from labkit.optim.strategies import Strategy, together


@dataclass(frozen=True)
class Augmentation:
    """Strengths of the augmentation, which members may choose freely; all 0 is none.

    Attributes:
        mirror: Probability that a picture is mirrored left to right.
        shift: Largest shift along each axis, in pixels.
        noise: Standard deviation of the noise added to prepared features.
    """

    mirror: float = 0.0
    shift: int = 0
    noise: float = 0.0

    @property
    def active(self) -> bool:
        """True if any strength is above 0."""
        return bool(self.mirror or self.shift or self.noise)


@dataclass(frozen=True)
class Recipe:
    """The recipe of one member.

    Attributes:
        network: Layers, and in `network.rates` the member's dropout probabilities.
        initialiser: Rule of the initial weights, with its gain.
        rule: Update rule with its numbers.
        schedule: Learning-rate schedule with its bounds.
        trainer: Length and arithmetic of the run.
        seed: Seed of the member's random streams.
        l2: Factor lambda of each weight tensor, in the order of the network's weights.
        augmentation: Strengths of the augmentation.
        strategy: Share of the rate that each layer gets in each update.
        open_test: True if the test part is evaluated at the end.
        loss_clip: Bound on probabilities in reported losses, see `labkit.nn.loss.CrossEntropy`.
    """

    network: Network
    initialiser: Initialiser
    rule: Rule
    schedule: Schedule
    trainer: Trainer
    seed: int = 0
    l2: tuple[float, ...] = ()
    augmentation: Augmentation = field(default_factory=Augmentation)
    strategy: Strategy = field(default_factory=together)
    open_test: bool = True
    loss_clip: float | None = None

    @property
    def structure(self) -> tuple[Hashable, ...]:
        """A value that is equal for members that one program can train; numbers that may differ are left out."""
        return (
            self.network.structure,
            self.initialiser.rule,
            (self.rule.update, self.rule.slots, self.rule.decay, self.rule.product),
            (self.schedule.kind, self.schedule.structure),
            (self.strategy.kind, self.strategy.structure),
            self.trainer,
            self.open_test,
            self.loss_clip,
        )


def l2_per_weight(l2: float | Mapping[str, float], network: Network) -> tuple[float, ...]:
    """Return `loss.l2` as one number per weight tensor; raise ConfigError for a layer that the network lacks."""
    names = [name.split(".")[0] for name, parameter in network.parameters if parameter.role == "weight"]
    if not isinstance(l2, Mapping):
        return (float(l2),) * len(names)
    for layer in l2:
        if layer not in names:
            raise ConfigError(f"loss.l2: the network has no layer {layer!r} with weights, {nearest(layer, names)}")
    return tuple(float(l2.get(name, 0.0)) for name in names)


def layers_moved(recipe: Recipe, length: Length) -> Callable[[int], list[float]] | None:
    """Return a function from t = 1, 2, ... to the factor of update t on the rate of every parameter tensor.

    None where the factor is always 1. Raise ConfigError where the strategy does not fit the network.
    """
    shares = recipe.strategy.shares
    if shares is None:
        return None
    places = _layers(recipe.network)

    def factors(t: int) -> list[float]:
        """Return the factor of update t for every parameter tensor, that of its layer."""
        of_layers = shares(t, places[-1] + 1, length)
        return [of_layers[place] for place in places]

    # Asked once here, so that a strategy that does not fit is refused before the run starts.
    factors(1)
    return factors


def _layers(network: Network) -> list[int]:
    """Return the number of the layer that each parameter tensor belongs to; a norm belongs to the layer before it."""
    weights = {name.split(".")[0] for name, parameter in network.parameters if parameter.role == "weight"}
    places: list[int] = []
    current, layer = "", -1
    for name in (name.split(".")[0] for name, _ in network.parameters):
        if name != current and (name in weights or not places):
            layer += 1
        current = name
        places.append(layer)
    return places
