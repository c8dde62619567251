"""The whole state of a run as one plain value: what a step takes and returns."""

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
        parameters: all parameters of all members, one vector (`Layout`).
        slots: what the update rule remembers, vectors like `parameters`.
        buffers: running statistics, one vector.
        generators: `shuffle`, `augmentation`, `dropout`: one generator per distinct seed.
        order: `(U, n)` int64: this epoch's order of the training samples for each of the U distinct seeds.
        step: updates done.
        position: samples of this epoch already used.
        losses: `(total, M)` loss of every batch, NaN where not yet trained.
        frozen: `(M,)` bool: members that are diverged or stopped and no longer move.
        stopped_at: `(M,)` int64: the update at which a member diverged or stopped, -1 before.
        diverged: `(M,)` bool.
        best: `(M,)` lowest `val/loss` so far; `waited`: `(M,)` evaluations since.
        gradient_sizes: the sum of `|gradient|` over the updates of epoch 1, a vector like `parameters`;
            `gradient_steps` how many.
        histories: one list of (updates done, metrics) per member.
        seconds: time spent so far.
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
        """A copy made of tensors, numbers, lists and dicts only; `torch.save` and `weights_only` loading take it."""
        value: dict[str, Any] = {f.name: _copied(getattr(self, f.name)) for f in fields(self)}
        value["generators"] = {k: [g.get_state() for g in gs] for k, gs in self.generators.items()}
        return value

    def restore(self, value: dict[str, Any]) -> None:
        """Take over a plain value of the same run, in place: a step from here is the step that would have followed."""
        for f in fields(self):
            current, saved = getattr(self, f.name), value[f.name]
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


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {k: _copied(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_copied(v) for v in value]
    return tuple(_copied(v) for v in value) if isinstance(value, tuple) else value
