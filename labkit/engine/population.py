"""A population: several members with one structure, trained as one program. A single run is a population of one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from labkit.config import ConfigError
from labkit.engine.execution import Execution, stated
from labkit.engine.recipe import Recipe, layers_moved
from labkit.engine.sizes import sizes_layout
from labkit.engine.state import RunState
from labkit.engine.streams import distinct, generator
from labkit.engine.vector import Layout
from labkit.models.network import Network
from labkit.nn.activation import Activation
from labkit.nn.flatten import Flatten
from labkit.nn.layer import Context
from labkit.nn.linear import Linear
from labkit.nn.loss import squared_weights
from labkit.optim.rules import initial_slots
from labkit.preprocess.prepare import Parts


def check_structure(recipes: Sequence[Recipe]) -> None:
    """Raise ConfigError where the recipes of one population differ in more than numbers."""
    if any(recipe.structure != recipes[0].structure for recipe in recipes):
        raise ConfigError("population: members must share network, rule, schedule, trainer and kind of init.")


class Population:
    """Members stacked along a leading axis, with their numbers as tensors; `Stepper` trains them.

    Members never influence each other: losses are averaged over the batch and nothing is added up across members.

    Args:
        recipes: Recipes of the M members.
        parts: Training, validation and test part.
        execution: How its steps are computed; None for the one that `stated` says.

    Raises:
        ConfigError: The recipes differ in more than numbers, or trainer, schedule and strategy do not fit.
    """

    def __init__(self, recipes: Sequence[Recipe], parts: Parts, execution: Execution | None = None) -> None:
        first = recipes[0]
        check_structure(recipes)
        self.execution = execution or stated(recipes, len(parts.train.features))
        self.recipes = recipes
        self.network = first.network
        self.rule = first.rule
        self.trainer = first.trainer
        self.parts = as_read(parts, recipes)
        self.device = self.trainer.chosen_device()
        self.length = self.trainer.length(len(parts.train.features), first.schedule)
        shapes = tuple(p.shape for _, p in self.network.parameters)
        self.layout = Layout(shapes, len(recipes), self.execution.convolutions == "channels_last")
        self.sizes_layout = sizes_layout(shapes, len(recipes))
        self.buffer_layout = Layout(tuple(shape for _, shape, _ in self.network.buffers), len(recipes))
        self.layers = _layers(self.network.parameters)
        self.layers_moved = layers_moved(first, self.length)
        self._seeds, positions = distinct([recipe.seed for recipe in recipes])
        self.stream = torch.tensor(positions, device=self.device)
        self._stack_numbers()

    def context(self, training: bool = False, **beside: Any) -> Context:
        """Return what a forward pass needs beside data and parameters; more by name, see `Context`."""
        execution = self.execution
        return Context(
            training=training,
            product=self.trainer.product,
            low_between=execution.between == "bfloat16",
            channels_last=execution.convolutions == "channels_last",
            **beside,
        )

    def __len__(self) -> int:
        return len(self.recipes)

    def _stack_numbers(self) -> None:
        """Set the tensors of the members' numbers."""
        # Schedules are computed in float64 and rounded once, whatever the precision of the parameters.
        dtype = self.trainer.dtype

        def column(values: Sequence[float]) -> Tensor:
            """Return one number per member, shape (M,), float64."""
            return torch.tensor(values, dtype=torch.float64, device=self.device)

        recipes = self.recipes
        rule = {name: column([r.rule.numbers[name] for r in recipes]) for name in self.rule.numbers}
        bounds = {name: column([r.schedule.numbers[name] for r in recipes]) for name in recipes[0].schedule.numbers}
        t = torch.arange(1, self.length.total + 1, dtype=torch.float64, device=self.device).unsqueeze(1)
        rates = recipes[0].schedule.rates(t, {**rule, **bounds}, self.length)
        self.learning_rates = rates.expand(len(t), len(recipes)).unsqueeze(2).to(dtype)  # (total, M, 1)
        self.numbers = {name: value.unsqueeze(1).to(dtype) for name, value in rule.items() if name != "lr"}
        self.l2 = torch.tensor([r.l2 for r in recipes], dtype=dtype, device=self.device)  # (M, weights)
        self.dropout = torch.tensor([r.network.rates for r in recipes], dtype=dtype, device=self.device)
        self.decay = self._decay()
        beside = self.numbers.get("weight_decay") if self.rule.decay == "decoupled" else None
        self.decay_beside = beside if beside is not None and beside.any() else None  # (M, 1)
        augmentations = [r.augmentation for r in recipes]
        self.augments = any(a.active for a in augmentations)
        self.mirror = torch.tensor([a.mirror for a in augmentations], device=self.device)
        self.shift = torch.tensor([a.shift for a in augmentations], device=self.device)
        self.noise = torch.tensor([a.noise for a in augmentations], device=self.device)

    def _decay(self) -> Tensor | None:
        """Return the factor with which each parameter enters its gradient, a vector like them; None where all are 0.

        It is `2 lambda` for a weight w, whose penalty `lambda w^2` has the derivative `2 lambda w`; and `weight_decay`
        for every parameter where that is coupled.
        """
        flat = torch.zeros(self.layout.size, dtype=self.trainer.dtype, device=self.device)
        weight = 0
        for rows, (_, parameter) in zip(self.layout.rows(flat), self.network.parameters, strict=True):
            if self.rule.decay == "coupled":
                rows += self.numbers.get("weight_decay", 0.0)
            if parameter.role == "weight":
                rows += 2 * self.l2[:, weight : weight + 1]
                weight += 1
        return flat if flat.any() else None

    def blocks(self, flat: Tensor, without: Collection[int] = ()) -> list[Tensor]:
        """Return the pieces, each of shape (M, n), of a vector like the parameters; the rule takes them one by one.

        Args:
            flat: The vector.
            without: Positions of parameters to leave out.
        """
        return self.layout.blocks(flat, by_tensor=self.layers_moved is not None, without=without)

    def initial_state(self) -> RunState:
        """Return the state before the first update, with weights drawn member by member from their own seeds."""
        state = self.empty_state()
        views = self.layout.views(state.parameters)
        # Member by member, so that a member starts exactly as it would in a run of its own.
        for m, recipe in enumerate(self.recipes):
            source = generator(recipe.seed, "init")
            for stage, centred in zip(self.network.stages, behind_sigmoids(self.network), strict=True):
                weight = None
                for i in range(stage.first_parameter, stage.last_parameter):
                    parameter = self.network.parameters[i][1]
                    drawn = recipe.initialiser.draw(parameter, source, self.trainer.dtype, weight)
                    if parameter.role == "weight" and centred:
                        weight = drawn
                    views[i][m] = drawn.to(self.device)
        return state

    def empty_state(self) -> RunState:
        """Return the state before the first update with all parameters 0."""
        dtype, device, members = self.trainer.dtype, self.device, len(self)
        flat = torch.zeros(self.layout.size, dtype=dtype, device=device)
        buffers = torch.zeros(self.buffer_layout.size, dtype=dtype, device=device)
        for view, (_, _, value) in zip(self.buffer_layout.views(buffers), self.network.buffers, strict=True):
            view.fill_(value)
        samples = len(self.parts.train.features)
        return RunState(
            parameters=flat,
            slots=initial_slots(self.rule, flat),
            buffers=buffers,
            # The order of samples is drawn on the CPU: it is the same whatever the device.
            generators={
                purpose: [generator(seed, purpose, "cpu" if purpose == "shuffle" else device) for seed in self._seeds]
                for purpose in ("shuffle", "augmentation", "dropout")
            },
            order=torch.zeros(len(self._seeds), samples, dtype=torch.int64, device=device),
            losses=torch.full((self.length.total, members), torch.nan, dtype=dtype, device=device),
            frozen=torch.zeros(members, dtype=torch.bool, device=device),
            stopped_at=torch.full((members,), -1, device=device),
            diverged=torch.zeros(members, dtype=torch.bool, device=device),
            best=torch.full((members,), torch.inf, dtype=torch.float64, device=device),
            waited=torch.zeros(members, dtype=torch.int64, device=device),
            gradient_sizes=torch.zeros(self.sizes_layout.size, dtype=dtype, device=device),
            histories=[[] for _ in range(members)],
        )

    def penalty(self, parameters: list[Tensor]) -> Tensor:
        """Return `sum lambda ||W||^2` of every member, shape (M,): the cost minus the loss.

        Args:
            parameters: Parameters, each of shape (M, *its own shape).
        """
        roles = [parameter.role for _, parameter in self.network.parameters]
        weights = [view for view, role in zip(parameters, roles, strict=True) if role == "weight"]
        return squared_weights(weights, self.l2)


def behind_sigmoids(network: Network) -> list[bool]:
    """Return for every stage True if it is a layer with one weight whose inputs are a sigmoid's outputs as they are."""
    found, behind = [], False
    for stage in network.stages:
        own = network.parameters[stage.first_parameter : stage.last_parameter]
        found.append(behind and sum(parameter.role == "weight" for _, parameter in own) == 1)
        if isinstance(stage.layer, Activation):
            behind = stage.layer.function == "sigmoid"
        behind = behind and not own and not stage.arrivals
    return found


def as_read(parts: Parts, recipes: Sequence[Recipe]) -> Parts:
    """Return the parts in the precision of the first layer's products, where nothing else sees them before it.

    Rounding them once gives the same numbers as rounding every batch, and each batch is half as many bytes.
    """
    first = recipes[0]
    reader = next((stage.layer for stage in first.network.stages if not isinstance(stage.layer, Flatten)), None)
    product = first.trainer.product
    if (
        product in (None, parts.train.features.dtype)
        or not isinstance(reader, Linear)
        or any(recipe.augmentation.active for recipe in recipes)
    ):
        return parts
    return parts.rounded(product)


def _layers(parameters: Sequence[tuple[str, object]]) -> dict[str, list[int]]:
    """Return the positions of each layer's parameters, by the layer's name."""
    places: dict[str, list[int]] = {}
    for i, (name, _) in enumerate(parameters):
        places.setdefault(name.split(".")[0], []).append(i)
    return places
