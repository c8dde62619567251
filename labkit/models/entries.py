"""The layer list of a model file: its entries, their keys, and the layers that each entry stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from labkit.config import ConfigError, Count, Flag, Fraction, Natural, Plain, first_problem, nearest
from labkit.limits import MOST_LAYERS
from labkit.nn.activation import ACTIVATIONS, Activation
from labkit.nn.convolution import Convolution
from labkit.nn.embedding import Embedding
from labkit.nn.flatten import Flatten
from labkit.nn.layer import Layer
from labkit.nn.linear import Linear
from labkit.nn.normalisation import BatchNorm
from labkit.nn.pooling import AveragePool, GlobalAveragePool, MaxPool
from labkit.nn.recurrent import Recurrent

Sizes = Count | list[Count]


@dataclass(frozen=True)
class Sizing:
    """The numbers that a layer list takes from the data.

    Attributes:
        classes: Number of classes.
        tokens: Number of distinct tokens of a text, padding included; 0 for other data.
    """

    classes: int
    tokens: int = 0


@checked(frozen=True, kw_only=True, config={"extra": "forbid"})
class _Weights:
    """Keys of every layer with weights.

    Attributes:
        activation: Name of an activation to use instead of the model's own.
        batch_norm: True for batch normalisation between the layer and its activation.
        dropout: Probability of dropout after the activation; None for no dropout.
        repeat: Number of such layers in a row.
    """

    activation: str | None = None
    batch_norm: Flag = False
    dropout: Fraction | None = None
    repeat: Natural = 1

    def surround(self, layer: Layer, activation: str) -> Iterator[Unit]:
        """Yield the layer with its norm and activation as one unit, then its dropout."""
        norm = (BatchNorm(),) if self.batch_norm else ()
        name = self.activation or activation
        nonlinearity = () if name == "identity" else (Activation(_activation(name)),)
        yield Unit((layer, *norm, *nonlinearity), weights=True)
        if self.dropout is not None:
            yield Unit((), dropout=self.dropout)


@dataclass(frozen=True)
class Unit:
    """Layers that belong together: one layer with weights, its norm and activation; or one layer without weights.

    Attributes:
        layers: Layers in order; empty for dropout, whose layer gets its index when the network is built.
        weights: True if the unit has weights and is thus a point of the network.
        dropout: Probability of dropout, else None.
        skip: Number of points back to the one that is added to this unit's output; 0 for no addition.
    """

    layers: tuple[Layer, ...]
    weights: bool = False
    dropout: float | None = None
    skip: int = 0


@checked(frozen=True, kw_only=True, config={"extra": "forbid"})
class _Linear(_Weights):
    """Keys of fully connected layers.

    Attributes:
        units: Number of outputs; a list gives several layers; `classes` is the output layer, without activation.
        bias: True for a bias per output.
    """

    units: Literal["classes"] | Sizes
    bias: Flag = True

    def expand(self, kind: str, activation: str, sizing: Sizing) -> Iterator[Unit]:
        if self.units == "classes":
            yield from self.surround(Linear(sizing.classes, self.bias), "identity")
            return
        for units in _repeated(self.units, self.repeat):
            yield from self.surround(Linear(units, self.bias), activation)


@checked(frozen=True, kw_only=True, config={"extra": "forbid"})
class _Convolution(_Weights):
    """Keys of convolutions.

    Attributes:
        channels: Number of output channels; a list gives several layers.
        kernel: Side of the kernel, in places.
        stride: Distance between two neighbouring windows, in places.
        padding: Number of zeros at each end; `same` is (kernel - 1) // 2.
        bias: True for a bias per channel.
        downsample: Way to halve the sides: `stride` doubles the stride, `maxpool` adds max pooling behind the layer.
    """

    channels: Sizes
    kernel: Count = 3
    stride: Count = 1
    padding: Natural | Literal["same"] = "same"
    bias: Flag = True
    downsample: Literal["none", "stride", "maxpool"] = "none"

    def expand(self, kind: str, activation: str, sizing: Sizing) -> Iterator[Unit]:
        dimensions = int(kind[4])
        # "same" keeps the sides of a sample with stride 1 and an odd kernel.
        padding = (self.kernel - 1) // 2 if self.padding == "same" else self.padding
        stride = self.stride * (2 if self.downsample == "stride" else 1)
        for channels in _repeated(self.channels, self.repeat):
            layer = Convolution(dimensions, channels, self.kernel, stride, padding, self.bias)
            yield from self.surround(layer, activation)
            if self.downsample == "maxpool":
                yield Unit((MaxPool(dimensions),))


@checked(frozen=True, kw_only=True, config={"extra": "forbid"})
class _Residual:
    """Keys of residual blocks `x + W2 act(W1 x + b)` (Ben-Gurion lab).

    There is no bias beside W2 and no activation after the sum.

    Attributes:
        width: Number of units of both layers, that of x.
        blocks: Number of such blocks in a row.
    """

    width: Count
    blocks: Natural = 1

    def expand(self, kind: str, activation: str, sizing: Sizing) -> Iterator[Unit]:
        for _ in range(self.blocks):
            yield Unit((Linear(self.width), Activation(_activation(activation))), weights=True)
            yield Unit((Linear(self.width, bias=False),), weights=True, skip=2)


@checked(frozen=True, kw_only=True, config={"extra": "forbid"})
class _Pool:
    """Keys of max and average pooling.

    Attributes:
        kernel: Side of a window, in places.
        stride: Distance between two neighbouring windows, in places; None is `kernel`.
    """

    kernel: Count = 2
    stride: Count | None = None

    def expand(self, kind: str, activation: str, sizing: Sizing) -> Iterator[Unit]:
        pool = MaxPool if kind.startswith("max") else AveragePool
        yield Unit((pool(int(kind[-2]), self.kernel, self.stride or self.kernel),))


@checked(frozen=True, kw_only=True, config={"extra": "forbid"})
class _Recurrent:
    """Keys of a recurrent layer.

    Attributes:
        units: Length of the state.
    """

    units: Count

    def expand(self, kind: str, activation: str, sizing: Sizing) -> Iterator[Unit]:
        yield Unit((Recurrent(self.units),), weights=True)


@checked(frozen=True, kw_only=True, config={"extra": "forbid"})
class _Embedding:
    """Keys of an embedding.

    Attributes:
        size: Length of a vector.
    """

    size: Count

    def expand(self, kind: str, activation: str, sizing: Sizing) -> Iterator[Unit]:
        """Yield the embedding as one unit; raise ConfigError for data without tokens."""
        if not sizing.tokens:
            raise ConfigError("model: an embedding needs texts, and this data set has none; valid: data=names.")
        yield Unit((Embedding(sizing.tokens, self.size),), weights=True)


@checked(frozen=True, kw_only=True, config={"extra": "forbid"})
class _Dropout:
    """Keys of dropout.

    Attributes:
        p: Probability that a value becomes 0.
    """

    p: Fraction

    def expand(self, kind: str, activation: str, sizing: Sizing) -> Iterator[Unit]:
        yield Unit((), dropout=self.p)


@checked(frozen=True, kw_only=True, config={"extra": "forbid"})
class _Activation:
    """Keys of an activation on its own.

    Attributes:
        function: Name of the activation.
    """

    function: str

    def expand(self, kind: str, activation: str, sizing: Sizing) -> Iterator[Unit]:
        yield Unit((Activation(_activation(self.function)),))


@checked(frozen=True, kw_only=True, config={"extra": "forbid"})
class _Plain:
    """Entries without keys."""

    def expand(self, kind: str, activation: str, sizing: Sizing) -> Iterator[Unit]:
        layers: dict[str, type[Flatten | BatchNorm | GlobalAveragePool]] = {
            "flatten": Flatten,
            "batch_norm": BatchNorm,
            "global_average_pool": GlobalAveragePool,
        }
        yield Unit((layers[kind](),))


ENTRIES: dict[str, Any] = {
    "linear": _Linear,
    "conv1d": _Convolution,
    "conv2d": _Convolution,
    "rnn": _Recurrent,
    "embedding": _Embedding,
    "residual": _Residual,
    "max_pool1d": _Pool,
    "max_pool2d": _Pool,
    "average_pool1d": _Pool,
    "average_pool2d": _Pool,
    "dropout": _Dropout,
    "activation": _Activation,
    "flatten": _Plain,
    "batch_norm": _Plain,
    "global_average_pool": _Plain,
}


def expand(entries: Sequence[object], activation: str, sizing: Sizing, where: str = "model.layers") -> list[Unit]:
    """Return the units that a model file's list of layers stands for.

    Args:
        entries: Entries of the list: names, or mappings from a name to its keys.
        activation: Activation after every layer with weights but the last.
        sizing: Numbers that the list takes from the data.
        where: Place of the list in the config, for messages.

    Raises:
        ConfigError: An entry, one of its keys or a value is unknown.
    """
    _activation(activation)
    units: list[Unit] = []
    for position, entry in enumerate(entries):
        kind, keys = _kind_and_keys(entry, f"{where}[{position}]")
        try:
            parsed = TypeAdapter(ENTRIES[kind]).validate_python(keys)
        except ValidationError as error:
            raise ConfigError(first_problem(error, f"{where}[{position}].{kind}", ENTRIES[kind])) from None
        for unit in parsed.expand(kind, activation, sizing):
            units.append(unit)
            if len(units) > MOST_LAYERS:
                raise ConfigError(f"{where}: more than {MOST_LAYERS:,} layers, expected at most so many.")
    return units


def _kind_and_keys(entry: object, where: str) -> tuple[str, Plain]:
    """Return name and keys of an entry, `flatten` or `linear: {units: 50}`; raise ConfigError for anything else."""
    kind: Any = entry if isinstance(entry, str) else None
    keys: Any = {}
    if isinstance(entry, Mapping) and len(entry) == 1:
        (kind, keys), *_ = entry.items()
    if not isinstance(kind, str):
        raise ConfigError(f"{where}: expected a layer such as 'linear: {{units: 50}}', got {entry!r}.")
    if kind not in ENTRIES:
        raise ConfigError(f"{where}: unknown layer {kind!r}, {nearest(kind, ENTRIES)}")
    return kind, keys or {}


def _activation(name: str) -> str:
    """Return the name of an activation; raise ConfigError if there is none of that name."""
    if name not in ACTIVATIONS:
        raise ConfigError(f"model.activation: unknown activation {name!r}, {nearest(name, ACTIVATIONS)}")
    return name


def _repeated(sizes: int | list[int], times: int) -> Iterator[int]:
    for _ in range(times):
        yield from _listed(sizes)


def _listed(sizes: int | list[int]) -> list[int]:
    return list(sizes) if isinstance(sizes, list) else [sizes]
