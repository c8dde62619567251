"""The networks under test: softmax, L layers, residual blocks, one around every layer, and every shipped model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.checks.input import Input
from labkit.checks.layers import BATCH, LAYERS, RATE, TOKENS, LayerCase
from labkit.models.entries import Sizing, Unit, expand
from labkit.models.network import Model, Network
from labkit.nn.dropout import Dropout
from labkit.nn.embedding import Embedding
from labkit.nn.layer import Shape, WeightLayer
from labkit.nn.linear import Linear

CLASSES = 4
# The sample that a layer list takes, by the first kind of entry in it; any other list takes vectors.
SAMPLES: dict[str, Shape] = {
    "embedding": (6,),
    "conv1d": (1, 300),
    "conv2d": (2, 12, 12),
}
VECTOR: Shape = (5,)
HEAD = {"linear": {"units": "classes"}}


@dataclass(frozen=True)
class Subject:
    """A network under test.

    Attributes:
        name: Name in the table.
        network: Network, behind an `Input` unless it reads ids.
        shape: Shape of one sample.
        batch: Number of samples.
        tokens: Number of distinct ids of a text; 0 where samples are numbers.
        l2: Lambda of each weight tensor; empty for none.
    """

    name: str
    network: Network
    shape: Shape
    batch: int = BATCH
    tokens: int = 0
    l2: tuple[float, ...] = ()


def subject(name: str, model: Model, l2: Sequence[float] = (), shape: Shape | None = None) -> Subject:
    """Return a model for one kind of data behind an `Input`, on a sample that fits it.

    Args:
        name: Name in the table.
        model: Model for one kind of data, one of `Model.variants`.
        l2: Lambda of each weight tensor; empty for none.
        shape: Shape of one sample; None: by the first kind of entry, see `SAMPLES`.
    """
    assert isinstance(model.layers, list), "of `Model.variants`"
    kinds = [entry if isinstance(entry, str) else next(iter(entry)) for entry in model.layers]
    shape = shape or next((SAMPLES[kind] for kind in kinds if kind in SAMPLES), VECTOR)
    tokens = TOKENS if "embedding" in kinds else 0
    units = expand(model.layers, model.activation, Sizing(CLASSES, tokens))
    return Subject(name, _behind_input(units, model.skips, shape, tokens), shape, tokens=tokens, l2=tuple(l2))


def _behind_input(units: Sequence[Unit], skips: Sequence[tuple[int, int]], shape: Shape, tokens: int) -> Network:
    first = [] if tokens else [Unit((Input(BATCH),))]
    return Network([*first, *units], skips, shape)


def lab_subjects() -> list[Subject]:
    """Return the softmax loss and the L-layer networks of the Ben-Gurion lab, with tanh, without and with L2."""

    def lines(name: str, layers: list[object], weights: int) -> list[Subject]:
        model = Model("tanh", layers, [])
        lambdas = [0.1 * (i + 1) for i in range(weights)]  # each its own: none may be taken for another
        return [subject(name, model), subject(f"{name} with L2", model, lambdas)]

    deep = [{"linear": {"units": [6, 7, 6]}}, HEAD]
    residual = [{"linear": {"units": 6}}, {"residual": {"width": 6, "blocks": 3}}, HEAD]
    return [
        *lines("softmax loss", [HEAD], 1),
        *lines("standard network, 4 layers", deep, 4),
        *lines("residual network, 3 blocks", residual, 8),
    ]


def layer_subjects(cases: Mapping[str, LayerCase] = LAYERS) -> list[Subject]:
    """Return every layer of the table, as it is in training, between the input and a linear layer."""
    return [Subject(name, *_around(case)) for name, case in cases.items() if case.training]


def _around(case: LayerCase) -> tuple[Network, Shape, int, int]:
    layer = case.layer
    own = Unit((), dropout=RATE) if isinstance(layer, Dropout) else Unit((layer,), isinstance(layer, WeightLayer))
    tokens = TOKENS if isinstance(layer, Embedding) else 0
    head = Unit((Linear(CLASSES),), weights=True)
    return _behind_input([own, head], [], case.shape, tokens), case.shape, BATCH, tokens


def model_subjects(models: Mapping[str, Model]) -> list[Subject]:
    """Return every shipped model as it stands.

    A model for several kinds of data comes once for each, the first under the plain name.
    """
    named = {}
    for name, model in models.items():
        for kind, variant in model.variants.items():
            named[f"model={name}" if f"model={name}" not in named else f"model={name} {kind}"] = variant
    return [subject(name, variant) for name, variant in named.items()]
