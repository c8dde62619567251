"""A network: a list of layers with skips between points, and its forward and backward pass."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, get_args

from torch import Tensor

from labkit import limits
from labkit.config import ConfigError, Count, Fraction, Memberwise, Natural, nearest
from labkit.models.entries import Sizing, Unit, expand
from labkit.nn.convolution import Convolution
from labkit.nn.dropout import Dropout
from labkit.nn.embedding import Embedding
from labkit.nn.flatten import Flatten
from labkit.nn.layer import Context, Layer, Parameter, Saved, Shape, Tensors, WeightLayer
from labkit.nn.linear import Linear
from labkit.nn.recurrent import Recurrent
from labkit.preprocess.prepare import Kind
from labkit.shipped import IN_FILE, defaults

# The kind of a sample by its number of axes. A text has one axis, too, and is recognised by its tokens.
_KINDS: dict[int, Kind] = {1: "vector", 2: "sound", 3: "image"}


def kind_of(shape: Shape, sizing: Sizing) -> Kind:
    """Return the kind of data that samples of `shape` are."""
    return "text" if sizing.tokens else _KINDS[len(shape)]


Layers = list[Any] | dict[str, list[Any]]  # entries of `model.layers`, or a list of them for each kind of data


@dataclass(frozen=True)
class Model:
    """A network as data, before it meets a data set.

    Attributes:
        activation: Name of the activation after every layer with weights but the last.
        layers: List of entries of `labkit.models.entries.ENTRIES`, or such a list for each kind of data.
        skips: Pairs `[a, b]`: the output of point a is added to the output of point b. Point 0 is the input, point i
            the i-th layer with weights, after its activation and after the skips that arrive there.
        max_parameters: Largest number of parameters allowed; None for no limit.
        max_hidden_units: Largest number of hidden units allowed; None for no limit.
    """

    activation: str
    layers: Layers
    skips: list[tuple[int, int]]
    max_parameters: int | None = None
    max_hidden_units: int | None = None

    @property
    def variants(self) -> dict[str, Model]:
        """The model for each kind of data; the model itself under "" if one list is for all kinds."""
        if isinstance(self.layers, Mapping):
            return {kind: replace(self, layers=entries) for kind, entries in self.layers.items()}
        return {"": self}

    def entries(self, shape: Shape, sizing: Sizing) -> tuple[list[object], str]:
        """Return the layer list for samples of `shape`, and its place for messages; raise ConfigError without one."""
        if not isinstance(self.layers, Mapping):
            return self.layers, "model.layers"
        kind = kind_of(shape, sizing)
        if kind not in self.layers:
            raise ConfigError(
                f"model.layers: there are no layers for data of kind {kind!r}; it has {', '.join(self.layers)}."
            )
        return self.layers[kind], f"model.layers.{kind}"

    def build(self, shape: Shape, sizing: Sizing) -> Network:
        """Return the network for samples of `shape`; raise ConfigError if a layer, a skip or a budget does not fit."""
        entries, where = self.entries(shape, sizing)
        network = Network(expand(entries, self.activation, sizing, where), self.skips, shape)
        embeddings = [i for i, stage in enumerate(network.stages) if isinstance(stage.layer, Embedding)]
        if embeddings != ([0] if sizing.tokens else []):
            raise ConfigError(
                "model.layers: texts need an embedding as the first layer and nowhere else; valid: model=char_rnn."
            )
        if network.output_shape != (sizing.classes,):
            raise ConfigError(
                f"model: the last layer gives {network.output_shape}, expected ({sizing.classes},), one per class."
            )
        for budget, count, unit in (
            ("max_parameters", network.parameter_count, "parameters"),
            ("max_hidden_units", network.hidden_units, "hidden units"),
        ):
            limit = getattr(self, budget)
            if limit is not None and count > limit:
                raise ConfigError(f"model.{budget}: the network has {count} {unit}, at most {limit} allowed.")
        # Of every parameter there are the value, its gradient, and what a checkpoint copies.
        limits.require(3 * 4 * network.parameter_count, f"model: {network.parameter_count:,} parameters")
        return network


@defaults("model/mlp")
def layers(
    *,
    layers: Layers,
    activation: str = IN_FILE,
    skips: list[tuple[Natural, Count]] = [],  # noqa: B006  (read only)
    max_parameters: Count | None = None,
    max_hidden_units: Count | None = None,
    dropout: Memberwise[Fraction | None] = None,
    **names: object,
) -> Model:
    """Return a model from a list of layers, or from one list for each kind of data (`image: [...]`, `sound: [...]`).

    Args:
        layers: Lists of layers, see `Model`.
        activation: Name of the activation, see `Model`.
        skips: Pairs of points, see `Model`.
        max_parameters: Largest number of parameters allowed.
        max_hidden_units: Largest number of hidden units allowed.
        dropout: Probability that the lists may interpolate as `${model.dropout}`; it acts nowhere else.
        **names: Further values for the lists to interpolate, such as `${model.hidden}`.

    Raises:
        ConfigError: A list is meant for an unknown kind of data.
    """
    kinds: tuple[str, ...] = get_args(Kind)
    for kind in layers if isinstance(layers, Mapping) else ():
        if kind not in kinds:
            raise ConfigError(f"model.layers: unknown kind of data {kind!r}, {nearest(kind, kinds)}")
    return Model(activation, layers, skips, max_parameters, max_hidden_units)


@dataclass(frozen=True)
class Stage:
    """One layer in its place.

    Attributes:
        layer: Layer that does the computing.
        name: Name in messages and metrics: kind of the layer and number of the point, `conv2d_3`.
        shape: Shape of one input sample.
        output_shape: Shape of one output sample.
        first_parameter: Position of its first parameter in `Network.parameters`.
        last_parameter: Position behind its last parameter there.
        first_buffer: Position of its first running statistic in `Network.buffers`.
        last_buffer: Position behind its last running statistic there.
        point: Number of the point that its output is, else None.
        arrivals: Numbers of the points that are added to its output.
    """

    layer: Layer
    name: str
    shape: Shape
    output_shape: Shape
    first_parameter: int
    last_parameter: int
    first_buffer: int
    last_buffer: int
    point: int | None = None
    arrivals: tuple[int, ...] = ()


class Network:
    """Layers in their places, with descriptions of the parameters and running statistics that they need.

    A network holds no tensors: they belong to the state of a population, and `forward` and `backward` take them.

    Attributes:
        stages: Layers in order.
        parameters: Name (`conv2d_1.weight`) and description of every parameter tensor.
        buffers: Name, shape and initial value of every running statistic.
        rates: Probability of each dropout layer. Members may differ in it, so it is no part of `structure`.
        output_shape: Shape of one output sample.

    Raises:
        ConfigError: A layer does not fit its input, a skip joins unequal shapes, or nothing can be trained.
    """

    def __init__(self, units: Sequence[Unit], skips: Sequence[tuple[int, int]], shape: Shape) -> None:
        self.stages: list[Stage] = []
        self.parameters: list[tuple[str, Parameter]] = []
        self.buffers: list[tuple[str, Shape, float]] = []
        self.rates: list[float] = []
        self.output_shape = shape
        self._shapes = [shape]  # of every point
        block_skips = _skips_of_blocks(units)
        self._check_numbers(skips, sum(unit.weights for unit in units))
        for unit in units:
            self._add(unit, [*skips, *block_skips])
        self._sources = {a for stage in self.stages for a in stage.arrivals}
        with_parameters = [i for i, stage in enumerate(self.stages) if stage.last_parameter > stage.first_parameter]
        if not with_parameters:
            raise ConfigError("model.layers: no layer has parameters; there is nothing to train.")
        self._first = with_parameters[0]  # the backward pass ends here: nothing before it learns

    def _add(self, unit: Unit, skips: Sequence[tuple[int, int]]) -> None:
        """Append the layers of a unit; dropout gets its index here, and a linear layer vectors as input."""
        # A layer without weights bears the number of the point before it.
        number = len(self._shapes) if unit.weights else len(self._shapes) - 1
        layers: Sequence[Layer] = unit.layers
        if unit.dropout is not None:
            layers = [Dropout(len(self.rates))]
            self.rates.append(unit.dropout)
        if layers and isinstance(layers[0], Linear) and len(self.output_shape) > 1:
            layers = [Flatten(), *layers]
        for layer in layers:
            # A point is the output of the unit's last layer, after its norm and activation; skips arrive there.
            last = unit.weights and layer is layers[-1]
            arrivals = tuple(a for a, b in skips if b == number) if last else ()
            self._append(layer, number, number if last else None, arrivals)

    def _append(self, layer: Layer, number: int, point: int | None, arrivals: tuple[int, ...]) -> None:
        """Append one layer as a stage; raise ConfigError if a skip joins unequal shapes."""
        shape = self.output_shape
        self.output_shape = layer.output_shape(shape)
        name = self._free_name(f"{layer.kind}_{number}")
        first_parameter, first_buffer = len(self.parameters), len(self.buffers)
        self.parameters += [(f"{name}.{key}", p) for key, p in layer.parameters(shape).items()]
        self.buffers += [(f"{name}.{key}", *b) for key, b in layer.buffers(shape).items()]
        places = (first_parameter, len(self.parameters), first_buffer, len(self.buffers))
        self.stages.append(Stage(layer, name, shape, self.output_shape, *places, point, arrivals))
        for a in arrivals:
            if self._shapes[a] != self.output_shape:
                raise ConfigError(
                    f"model.skips: [{a}, {point}] joins shapes {self._shapes[a]} and {self.output_shape}; "
                    "both points must have one shape."
                )
        if point is not None:
            self._shapes.append(self.output_shape)

    def _free_name(self, name: str) -> str:
        """Return `name`, with `_2`, `_3` ... behind it where a layer of that kind already belongs to the point."""
        taken = {stage.name for stage in self.stages}
        return next(free for free in (name, *(f"{name}_{i}" for i in range(2, len(taken) + 3))) if free not in taken)

    @staticmethod
    def _check_numbers(skips: Sequence[tuple[int, int]], points: int) -> None:
        for a, b in skips:
            if not 0 <= a < b <= points:
                raise ConfigError(f"model.skips: [{a}, {b}] is not a pair of points 0 <= a < b <= {points}.")

    @property
    def parameter_count(self) -> int:
        """The count of numbers that one member learns, those of batch normalisation included."""
        return sum(prod(p.shape) for _, p in self.parameters)

    @property
    def hidden_units(self) -> int:
        """The sum of the widths of all linear layers but the output layer (Caltech lab)."""
        hidden = [stage.layer for stage in self.stages if isinstance(stage.layer, WeightLayer)][:-1]
        return sum(layer.units for layer in hidden if isinstance(layer, Linear))

    @property
    def multiply_adds(self) -> int:
        """The multiply-adds of one sample's forward pass: each weight counts once for every place it is applied at."""
        return sum(self.multiply_adds_of(stage) for stage in self.stages)

    def multiply_adds_of(self, stage: Stage) -> int:
        """Return the multiply-adds of one stage for one sample."""
        own = self.parameters[stage.first_parameter : stage.last_parameter]
        weights = sum(prod(p.shape) for _, p in own if p.role == "weight")
        places = prod(stage.output_shape[1:]) if isinstance(stage.layer, Convolution) else 1
        steps = stage.shape[0] if isinstance(stage.layer, Recurrent) else 1
        return weights * places * steps

    @property
    def structure(self) -> tuple[Hashable, ...]:
        """A value that is equal for networks that can train as members of one population."""
        return tuple((stage.layer, stage.shape, stage.point, stage.arrivals) for stage in self.stages)

    def by_stage(self, parameters: Sequence[Tensor], buffers: Sequence[Tensor]) -> list[tuple[Tensors, Tensors]]:
        """Return the parameters and running statistics of each stage, as `forward` and `backward` take them.

        Args:
            parameters: Tensors of all parameters in order, each of shape (M, *its own shape).
            buffers: Tensors of all running statistics in order, each of shape (M, *its own shape).
        """
        return [
            (parameters[s.first_parameter : s.last_parameter], buffers[s.first_buffer : s.last_buffer])
            for s in self.stages
        ]

    def forward(
        self, x: Tensor, tensors: Sequence[tuple[Tensors, Tensors]], context: Context
    ) -> tuple[Tensor, list[Saved]]:
        """Return the scores, shape (M, B, classes), and what `backward` needs of each stage.

        Args:
            x: Batch of inputs, shape (G, B, *shape).
            tensors: Result of `by_stage`.
            context: Inputs beside the data.
        """
        tape = []
        points = {0: x}
        for stage, (parameters, buffers) in zip(self.stages, tensors, strict=True):
            x, saved = stage.layer.forward(x, parameters, buffers, context)
            tape.append(saved)
            if self._sources and stage.point is not None:
                for a in stage.arrivals:
                    x = x + points[a]
                points[stage.point] = x
        precision = tensors[self._first][0][0].dtype  # losses are computed in the parameters' own
        return x if x.dtype == precision else x.to(precision), tape

    def backward(
        self,
        dy: Tensor,
        tape: list[Saved],
        tensors: Sequence[tuple[Tensors, Tensors]],
        gradients: Sequence[tuple[Tensors, Tensors]],
    ) -> None:
        """Write the gradient of every parameter into `gradients`.

        Args:
            dy: Gradient with respect to the scores, shape (M, B, classes).
            tape: Second result of `forward`.
            tensors: Result of `by_stage` for the parameters.
            gradients: Result of `by_stage` for tensors to overwrite, shaped like the parameters.
        """
        # Gradients that travel back along skips wait here until the pass reaches the point where the skip began.
        pending: dict[int, Tensor] = {}
        for i in range(len(self.stages) - 1, self._first - 1, -1):
            stage = self.stages[i]
            if self._sources and stage.point is not None:
                if stage.point in pending:
                    dy = dy + pending.pop(stage.point)
                for a in stage.arrivals:
                    pending[a] = pending[a] + dy if a in pending else dy
            dx = stage.layer.backward(dy, tape[i], tensors[i][0], gradients[i][0], i > self._first)
            if dx is not None:
                dy = dx


def _skips_of_blocks(units: Sequence[Unit]) -> list[tuple[int, int]]:
    """Return the skips of residual blocks as pairs of points."""
    points = [unit for unit in units if unit.weights]
    return [(i - unit.skip, i) for i, unit in enumerate(points, start=1) if unit.skip]
