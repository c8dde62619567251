"""The very problems that two labs name: KTH's reduced two-layer network, Montreal's trained one and one sample."""

from __future__ import annotations

from dataclasses import replace

import torch

from labkit.checks.data import small_parts
from labkit.checks.differences import first_entries
from labkit.checks.maps import Map
from labkit.checks.network_maps import Problem, cost_map
from labkit.checks.networks import HEAD, Subject
from labkit.checks.sanity import recipe_for, trainer
from labkit.engine.loop import train
from labkit.models.entries import Sizing
from labkit.models.network import Model
from labkit.nn.initialise import glorot, scaled_normal
from labkit.optim.rules import sgd

KTH = {"d": 5, "n": 3, "m": 6, "K": 10}  # features, samples, hidden units, classes (KTH lab, exercise 2)
LAMBDAS = (0.0, 0.1)
SECOND = "linear_2.weight"  # of Montreal's network with two hidden layers


def kth_map(l2: float) -> Map:
    """Return the cost of the reduced problem with W ~ N(0, 1 / fan-in) and b = 0; each tensor is a group of its own.

    Args:
        l2: Lambda of every weight tensor.
    """
    model = Model("relu", [{"linear": {"units": KTH["m"]}}, HEAD], [])
    network = model.build((KTH["d"],), Sizing(KTH["K"]))
    draw = torch.Generator().manual_seed(42)
    initialiser = scaled_normal()
    point = {
        name: initialiser.draw(parameter, draw, torch.float64).unsqueeze(0) for name, parameter in network.parameters
    }
    features = torch.randn(KTH["n"], KTH["d"], generator=draw, dtype=torch.float64)
    labels = torch.randint(KTH["K"], (KTH["n"],), generator=draw)
    subject = Subject("KTH's reduced problem", network, (KTH["d"],), KTH["n"], l2=(l2, l2))
    f = cost_map(Problem(subject, point, features, labels, None))
    return replace(f, groups={name: name for name in point})


def montreal_map(activation: str) -> Map:
    """Return the loss of one training sample after training.

    It is the sample whose first ten derivatives in W2 reach highest: on most samples the trained network is sure of
    itself or the first unit of the second layer is dead, and derivatives of nearly or exactly 0 tell nothing.

    Args:
        activation: Activation of the hidden layers.
    """
    model = Model(activation, [{"linear": {"units": [32, 16]}}, HEAD], [])
    parts = small_parts(model)
    recipe = recipe_for(model, parts, trainer(10, epochs=5), sgd(lr=0.05), glorot())
    found = train([recipe], parts)[0].parameters
    point = {name: found[name].unsqueeze(0) for name, _ in recipe.network.parameters}
    subject = Subject(f"two hidden layers, {activation}, trained", recipe.network, parts.shape, batch=1)
    samples = [
        Problem(subject, point, parts.train.features[i : i + 1], parts.train.labels[i : i + 1], None)
        for i in range(len(parts.train))
    ]
    return max(map(cost_map, samples), key=_reach)


def _reach(f: Map) -> float:
    return float(first_entries(f, SECOND).abs().max())
