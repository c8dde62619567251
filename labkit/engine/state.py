"""The whole state of a run as one plain value, which a step takes and returns."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

Row = tuple[int, dict[str, float]]


@dataclass
class RunState:
    """Everything that decides how a run goes on.

    Attributes:
        parameters: Parameters of all members in one vector, laid out by `Layout`.
        slots: Memory of the update rule by name, vectors like `parameters`.
        buffers: Running statistics of all members in one vector.
        generators: Generators by purpose (`shuffle`, `augmentation`, `dropout`), one per distinct seed.
        order: Order of the training samples in this epoch, shape (U, n), int64, for each of the U distinct seeds.
        losses: Loss of every batch in nats, shape (total, M), NaN where not yet trained.
        frozen: Mask of the members that diverged or stopped and no longer move, shape (M,), bool.
        stopped_at: Update at which a member diverged or stopped, -1 before, shape (M,), int64.
        diverged: Mask of the members with a loss that was not finite, shape (M,), bool.
        best: Lowest `val/loss` so far, shape (M,), float64.
        waited: Number of evaluations since `best`, shape (M,), int64.
        gradient_sizes: Sum of `|gradient|` over the updates of epoch 1, a vector laid out by `sizes_layout`.
        step: Number of updates done.
        position: Number of samples of this epoch already used.
        gradient_steps: Number of updates that `gradient_sizes` sums.
        seconds: Time spent so far, in seconds.
        histories: Lists of (updates done, metrics), one per member.
    """

    parameters: Tensor
    slots: dict[str, Tensor]
    buffers: Tensor
    generators: dict[str, list[torch.Generator]]
    order: Tensor
    losses: Tensor
    frozen: Tensor
    stopped_at: Tensor
    diverged: Tensor
    best: Tensor
    waited: Tensor
    gradient_sizes: Tensor
    step: int = 0
    position: int = 0
    gradient_steps: int = 0
    seconds: float = 0.0
    histories: list[list[Row]] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return a copy made of tensors, numbers, lists and dicts only, which torch loads with `weights_only=True`."""
        value: dict[str, Any] = {f.name: _copied(getattr(self, f.name)) for f in fields(self)}
        value["generators"] = {k: [g.get_state() for g in gs] for k, gs in self.generators.items()}
        return value

    def restore(self, value: dict[str, Any]) -> None:
        """Take over a result of `plain`, in place; the next step is then the one that would have followed.

        In place, because a `Stepper` holds views of these tensors. Raise ValueError for the state of another training.
        """
        for f in fields(self):
            current, saved = getattr(self, f.name), value[f.name]
            if _shapes(current) != _shapes(saved):
                raise ValueError(f"{f.name}: expected {_shapes(current)}, got {_shapes(saved)}")
            if f.name == "generators":
                for purpose, states in saved.items():
                    for generator, state in zip(current[purpose], states, strict=True):
                        generator.set_state(state)
            elif f.name == "slots":
                for name, tensor in saved.items():
                    current[name].copy_(tensor)
            elif isinstance(current, Tensor):
                current.copy_(saved)
            else:
                setattr(self, f.name, _copied(saved))


def _shapes(value: Any) -> Any:
    """Return the shape of a tensor, or the shapes of tensors by name; None for anything else."""
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if isinstance(value, dict):
        return {k: len(v) if isinstance(v, list) else _shapes(v) for k, v in value.items()}
    return None


def _copied(value: Any) -> Any:
    """Return a deep copy of tensors and of containers of tensors."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {k: _copied(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_copied(v) for v in value]
    return tuple(_copied(v) for v in value) if isinstance(value, tuple) else value
