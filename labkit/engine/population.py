"""A population: several members with one structure, trained as one program. A single run is a population of one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from labkit.config import ConfigError
from labkit.engine.batches import Batches
from labkit.engine.recipe import Recipe, layers_moved
from labkit.engine.state import RunState
from labkit.engine.streams import distinct, generator
from labkit.engine.vector import Layout
from labkit.models.network import Network
from labkit.nn.activation import Activation
from labkit.nn.flatten import Flatten
from labkit.nn.layer import Context, Draws, Factors
from labkit.nn.linear import Linear
from labkit.nn.loss import cross_entropy, cross_entropy_backward, squared_weights
from labkit.optim.rules import decay_gradient, decay_parameters, initial_slots
from labkit.preprocess.augment import augment
from labkit.preprocess.prepare import Parts

# Numbers of a weight from which it pays to move it by the factors of its gradient (docs/decisions.md). A product in
# bfloat16 is added in a second pass, and one product for all members is lost.
_PRODUCT_PAYS, _LOW_PRODUCT_PAYS = 100_000, 1_000_000


class Population:
    """Members stacked along a leading axis, with their numbers as tensors; `Stepper` trains them.

    Members never influence each other: losses are averaged over the batch and nothing is added up across members.

    Args:
        recipes: Recipes of the M members.
        parts: Training, validation and test part.

    Raises:
        ConfigError: The recipes differ in more than numbers, or trainer, schedule and strategy do not fit.
    """

    def __init__(self, recipes: Sequence[Recipe], parts: Parts) -> None:
        first = recipes[0]
        if any(recipe.structure != first.structure for recipe in recipes):
            raise ConfigError("population: members must share network, rule, schedule, trainer and kind of init.")
        self.recipes = recipes
        self.network = first.network
        self.rule = first.rule
        self.trainer = first.trainer
        self.parts = _as_read(parts, recipes)
        self.device = self.trainer.chosen_device()
        self.length = self.trainer.length(len(parts.train.features), first.schedule)
        self.layout = Layout(tuple(p.shape for _, p in self.network.parameters), len(recipes))
        self.buffer_layout = Layout(tuple(shape for _, shape, _ in self.network.buffers), len(recipes))
        self.layers = _layers(self.network.parameters)
        self.layers_moved = layers_moved(first, self.length)
        self._seeds, positions = distinct([recipe.seed for recipe in recipes])
        self.stream = torch.tensor(positions, device=self.device)
        self._stack_numbers()

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
        for view, (_, parameter) in zip(self.layout.views(flat), self.network.parameters, strict=True):
            rows = view.flatten(1)  # a view, too: adding to it writes into `flat`
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

    def multiplied(self) -> list[int]:
        """Return the positions of the weights that the rule moves by the factors of their gradients, in order.

        A small weight gains nothing: a call for each member costs more than the passes over memory that it saves.
        """
        if (
            self.rule.product is None
            or self.trainer.gradient == "autograd"
            or self.layers_moved is not None
            or self.device.type != "cpu"  # the numbers of the update would be read back from the device
        ):
            return []
        weights = [stage.first_parameter for stage in self.network.stages if isinstance(stage.layer, Linear)]
        least = _PRODUCT_PAYS if self.trainer.product is None else _LOW_PRODUCT_PAYS
        return [i for i in weights if prod(self.network.parameters[i][1].shape) >= least]

    def initial_state(self) -> RunState:
        """Return the state before the first update, with weights drawn member by member from their own seeds."""
        dtype, device, members = self.trainer.dtype, self.device, len(self)
        flat = torch.zeros(self.layout.size, dtype=dtype, device=device)
        views = self.layout.views(flat)
        # Member by member, so that a member starts exactly as it would in a run of its own.
        for m, recipe in enumerate(self.recipes):
            source = generator(recipe.seed, "init")
            for stage, centred in zip(self.network.stages, behind_sigmoids(self.network), strict=True):
                weight = None
                for i in range(stage.first_parameter, stage.last_parameter):
                    parameter = self.network.parameters[i][1]
                    drawn = recipe.initialiser.draw(parameter, source, dtype, weight)
                    if parameter.role == "weight" and centred:
                        weight = drawn
                    views[i][m] = drawn.to(device)
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
            gradient_sizes=torch.zeros_like(flat),
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


class Multiplied(NamedTuple):
    """A weight that the rule moves by the factors of its gradient.

    Attributes:
        theta: The weight, shape (M, units, inputs).
        factors: Factors of its gradient, which the backward pass puts there.
        decay: Factor of every member with which the weight enters its gradient.
        slots: Memory of the rule by name, in the weight's shape.
    """

    theta: Tensor
    factors: Factors
    decay: list[float]
    slots: dict[str, Tensor]


class Stepper:
    """The training step, with every view that it needs made once.

    `step(state)` takes the state and returns it, one update further. Its tensors are updated in place, because
    the views made here look into them; a state with other tensors needs another stepper.
    """

    def __init__(self, population: Population, state: RunState) -> None:
        self._population = population
        layout = population.layout
        self.parameters = layout.views(state.parameters)
        self.buffers = population.buffer_layout.views(state.buffers)
        self._gradient = torch.zeros_like(state.parameters)
        self._scratch = torch.empty_like(self._gradient)
        self._gradients = layout.views(self._gradient)
        self._tensors = population.network.by_stage(self.parameters, self.buffers)
        self._arrange(state, [])
        # The gradients of epoch 1 are measured, so there they are all in memory.
        self._later = population.multiplied()
        trainer = population.trainer
        self._batches = Batches(population.parts.train, trainer.batch_size, population.stream)
        self._moves: list[int] = []  # of each block, up to update `_counted`
        self._counted = -1
        self._autograd = trainer.gradient == "autograd"
        self._context = Context(
            training=True,
            rates=population.dropout,
            draws=Draws(state.generators["dropout"], population.stream),
            product=trainer.product,
        )
        self.freeze(state)

    def _arrange(self, state: RunState, multiplied: list[int]) -> None:
        """Make the views of an update in which the weights `multiplied` are moved by the factors of their gradients."""
        population = self._population
        gradients: list[Any] = [*self._gradients]
        views = {name: population.layout.views(flat) for name, flat in state.slots.items()}
        decay = None if population.decay is None else population.layout.views(population.decay)
        self._multiplied: list[Multiplied] = []
        for i in multiplied:
            gradients[i] = Factors()
            rates = [0.0] * len(population) if decay is None else decay[i].flatten(1)[:, 0].tolist()
            slots = {name: tensors[i] for name, tensors in views.items()}
            self._multiplied.append(Multiplied(self.parameters[i], gradients[i], rates, slots))
        self._targets = population.network.by_stage(gradients, self.buffers)

        def blocks(flat: Tensor) -> list[Tensor]:
            return population.blocks(flat, multiplied)

        self._blocks = blocks(state.parameters)
        self._gradient_blocks = blocks(self._gradient)
        self._decay_blocks = None if population.decay is None else blocks(population.decay)
        remembered = {name: blocks(flat) for name, flat in state.slots.items()}
        self._slots = [{name: found[i] for name, found in remembered.items()} for i in range(len(self._blocks))]

    def freeze(self, state: RunState) -> None:
        """Take note of `state.frozen`; from now on those members stay as they are."""
        # Remembered as a Python bool: to ask the tensor in every step would wait for the GPU.
        self._anything_frozen = bool(state.frozen.any())

    @torch.no_grad()
    def step(self, state: RunState) -> RunState:
        """Update every member that is not frozen, and return the state."""
        population = self._population
        if self._later and state.step >= population.length.per_epoch:
            self._arrange(state, self._later)
            self._later = []
        x, labels, self._context.lengths = self._batches.next(state)
        if population.augments:
            x = augment(
                x,
                population.mirror,
                population.shift,
                population.noise,
                state.generators["augmentation"],
                population.stream,
            )
        # The program moves all members alike, frozen ones too; those are put back from a copy.
        before = [t.clone() for t in (state.parameters, state.buffers)] if self._anything_frozen else []
        state.losses.select(0, state.step).copy_(self._differentiate(x, labels))
        # Before the update, which adds decay to the gradient and may overwrite it.
        if state.step < population.length.per_epoch:
            state.gradient_sizes += torch.abs(self._gradient, out=self._scratch)
            state.gradient_steps += 1
        self._update(state)
        if before:
            self._put_back(state, before)
        return state

    def _differentiate(self, x: Tensor, labels: Tensor) -> Tensor:
        """Write the gradient of each member's mean data loss over the batch, and return the losses, shape (M,).

        Args:
            x: Batch of inputs, shape (G, B, *shape).
            labels: Labels, shape (G, B), int64.
        """
        network = self._population.network
        if self._autograd:
            with torch.enable_grad():
                leaves = [p.detach().requires_grad_() for p in self.parameters]
                scores, _ = network.forward(x, network.by_stage(leaves, self.buffers), self._context)
                loss, _ = cross_entropy(scores, labels)
                # Members are independent, so the gradient of the sum holds each member's own.
                gradients = torch.autograd.grad(loss.sum(), leaves)
            for target, gradient in zip(self._gradients, gradients, strict=True):
                target.copy_(gradient)
            return loss.detach()
        scores, tape = network.forward(x, self._tensors, self._context)
        loss, saved = cross_entropy(scores, labels)
        network.backward(cross_entropy_backward(saved, labels), tape, self._tensors, self._targets)
        return loss

    def _update(self, state: RunState) -> None:
        """Move the parameters by the gradient: coupled decay, decoupled decay, then the rule."""
        population = self._population
        rate = population.learning_rates[state.step]
        numbers = {**population.numbers, "lr": rate}
        state.step += 1
        shares, updates = self._shares(state.step), state.step
        for i, block in enumerate(self._blocks):
            if shares is not None:
                if shares[i] == 0:
                    continue
                # A layer counts its own updates: Adam's bias correction must not run ahead of its memory.
                numbers["lr"], updates = rate * shares[i], self._moves[i]
            gradient = self._gradient_blocks[i]
            if self._decay_blocks is not None:
                decay_gradient(block, gradient, self._decay_blocks[i])
            if population.decay_beside is not None:
                decay_parameters(block, numbers["lr"], population.decay_beside)
            population.rule.update(block, gradient, self._slots[i], numbers, updates)
        self._multiply(numbers)

    def _multiply(self, numbers: Mapping[str, Tensor]) -> None:
        """Move the weights whose gradients are factors, member by member: each has numbers of its own."""
        if not self._multiplied:
            return
        product = self._population.rule.product
        assert product is not None
        members = [dict(zip(numbers, row, strict=True)) for row in torch.cat([*numbers.values()], 1).tolist()]
        for weight in self._multiplied:
            for m, own in enumerate(members):
                slots = {name: tensor[m] for name, tensor in weight.slots.items()}
                product(weight.theta[m], *weight.factors.of(m), weight.decay[m], slots, own)

    def _shares(self, t: int) -> list[float] | None:
        """Return the factors of update t on the rates of the blocks; None where all are 1.

        Counts how often each block has moved, this update included.
        """
        moved = self._population.layers_moved
        if moved is None:
            return None
        if self._counted != t - 1:  # the first update, or the first after a restored state
            self._moves, self._counted = [0] * len(self._blocks), 0
        for earlier in range(self._counted + 1, t + 1):
            shares = moved(earlier)
            self._moves = [count + (share != 0) for count, share in zip(self._moves, shares, strict=True)]
        self._counted = t
        return shares

    def _put_back(self, state: RunState, before: list[Tensor]) -> None:
        """Put frozen members back as they were `before` the update."""
        # With `where`, not by multiplying with 0 or 1: 0 * NaN would be NaN.
        population = self._population
        for layout, now, then in (
            (population.layout, state.parameters, before[0]),
            (population.buffer_layout, state.buffers, before[1]),
        ):
            for new, old in zip(layout.views(now), layout.views(then), strict=True):
                frozen = state.frozen.view(-1, *[1] * (new.dim() - 1))
                new.copy_(torch.where(frozen, old, new))


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


def _as_read(parts: Parts, recipes: Sequence[Recipe]) -> Parts:
    """Return the parts in the precision of the first layer's products, where nothing else sees them before it.

    Rounding them once gives the same numbers as rounding every batch, and each batch is half as many bytes.
    """
    first = recipes[0]
    reader = next((stage.layer for stage in first.network.stages if not isinstance(stage.layer, Flatten)), None)
    product = first.trainer.product
    if product is None or not isinstance(reader, Linear) or any(recipe.augmentation.active for recipe in recipes):
        return parts
    return parts.rounded(product)


def _layers(parameters: Sequence[tuple[str, object]]) -> dict[str, list[int]]:
    """Return the positions of each layer's parameters, by the layer's name."""
    places: dict[str, list[int]] = {}
    for i, (name, _) in enumerate(parameters):
        places.setdefault(name.split(".")[0], []).append(i)
    return places
