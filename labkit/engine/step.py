"""The training step: one update of every member of a population."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from labkit.engine.batches import Batches
from labkit.engine.execution import large_weights
from labkit.engine.population import Population
from labkit.engine.sizes import Sizes
from labkit.engine.state import RunState
from labkit.nn.layer import Draws, Factors
from labkit.nn.loss import cross_entropy, cross_entropy_backward
from labkit.optim.rules import decay_gradient, decay_parameters
from labkit.preprocess.augment import augment


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
        self._sizes = Sizes(layout, self._gradient, state.gradient_sizes)
        self._gradients = layout.views(self._gradient)
        self._tensors = population.network.by_stage(self.parameters, self.buffers)
        self._arrange(state, [])
        # The gradients of epoch 1 are measured, so there they are all in memory.
        factors = population.execution.update == "factors"
        self._later = large_weights(population.recipes[0]) if factors else []
        trainer = population.trainer
        self._batches = Batches(population.parts.train, trainer.batch_size, population.stream)
        self._moves: list[int] = []  # of each block, up to update `_counted`
        self._counted = -1
        self._autograd = trainer.gradient == "autograd"
        draws = Draws(state.generators["dropout"], population.stream)
        self._context = population.context(training=True, rates=population.dropout, draws=draws)
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
            self._sizes.measure()
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
