"""Faults to plant in a hand-written backward pass, and when a fault is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from labkit.checks.layers import LayerCase, layer_map
from labkit.nn.layer import Layer

Answer = tuple[list[Tensor], Tensor | None]  # the parameters' gradients, the input's
Fault = Callable[[Answer, Tensor, Sequence[str]], Answer]  # of the right answer, dy and the parameters' roles


def scaled(factor: float) -> Fault:
    return lambda answer, dy, roles: (
        [factor * g for g in answer[0]],
        None if answer[1] is None else factor * answer[1],
    )


def averaged(answer: Answer, dy: Tensor, roles: Sequence[str]) -> Answer:
    return [g / dy.shape[1] for g in answer[0]], answer[1]


def flipped(tensor: Tensor) -> Tensor:
    """The tensor with two equal trailing axes swapped; as it is where they differ."""
    square = tensor.dim() > 2 and tensor.shape[-1] == tensor.shape[-2]
    return tensor.transpose(-1, -2) if square else tensor


def transposed(answer: Answer, dy: Tensor, roles: Sequence[str]) -> Answer:
    return [flipped(g) for g in answer[0]], None if answer[1] is None else flipped(answer[1])


def without(role: str) -> Fault:
    return lambda answer, dy, roles: (
        [torch.zeros_like(g) if r == role else g for g, r in zip(answer[0], roles, strict=True)],
        answer[1],
    )


def underived(answer: Answer, dy: Tensor, roles: Sequence[str]) -> Answer:
    """The layer's own derivative forgotten: what came is handed on."""
    return answer[0], dy if answer[1] is not None and dy.shape == answer[1].shape else answer[1]


def cut(answer: Answer, dy: Tensor, roles: Sequence[str]) -> Answer:
    return answer[0], None if answer[1] is None else torch.zeros_like(answer[1])


def one_entry(answer: Answer, dy: Tensor, roles: Sequence[str]) -> Answer:
    """A single number of each gradient is 1% off."""
    wrong = [g.clone() for g in [*answer[0], *([] if answer[1] is None else [answer[1]])]]
    for g in wrong:
        largest = g.abs().argmax()
        g.view(-1)[largest] *= 1.01
    return wrong[: len(answer[0])], None if answer[1] is None else wrong[-1]


FAULTS: dict[str, Fault] = {
    "wrong sign": scaled(-1.0),
    "missing factor": scaled(0.5),
    "mean for sum": averaged,
    "transposed": transposed,
    "forgotten bias": without("bias"),
    "forgotten weight": without("weight"),
    "forgotten scale": without("scale"),
    "forgotten derivative": underived,
    "input cut off": cut,
    "one entry 1% off": one_entry,
}


@dataclass(frozen=True)
class Planted:
    """A fault in every layer of one class."""

    fault: Fault
    kind: type[Layer]

    def __call__(self, patch: pytest.MonkeyPatch) -> None:
        right = self.kind.backward
        fault = self.fault

        def wrong(layer: Any, dy: Tensor, saved: Any, parameters: Any, gradients: Any, need_dx: bool) -> Tensor | None:
            dx = right(layer, dy, saved, parameters, gradients, need_dx)
            roles = roles_of(layer, parameters)
            answers, dx = fault(([g.clone() for g in gradients], dx), dy, roles)
            for gradient, answer in zip(gradients, answers, strict=True):
                gradient.copy_(answer)
            return dx

        patch.setattr(self.kind, "backward", wrong)


def roles_of(layer: Layer, parameters: Sequence[Tensor]) -> list[str]:
    """The roles of a layer's parameters; their shapes do not matter, so any sample that fits will do."""
    if not parameters:
        return []
    for shape in ((6,), (6, 6), (6, 6, 6)):
        try:
            layer.output_shape(shape)
        except ValueError:
            continue
        return [parameter.role for parameter in layer.parameters(shape).values()]
    raise AssertionError(layer)


def not_applicable(fault: str, case: LayerCase) -> str:
    """Why a fault is none here: by what the layer has, or because it changes no number of the right answer; else ""."""
    f = layer_map(case)
    roles = roles_of(case.layer, list(f.point))  # type: ignore[arg-type]
    wanted = {"forgotten bias": "bias", "forgotten weight": "weight", "forgotten scale": "scale"}.get(fault)
    if wanted is not None and wanted not in roles:
        return f"no {wanted}"
    if fault == "mean for sum" and not roles:
        return "no parameters"
    if fault == "forgotten derivative" and "x" in f.point and f.value(f.point).shape != f.point["x"].shape:
        return "other shape"
    if fault in ("forgotten derivative", "input cut off") and "x" not in f.point:
        return "ids"
    u = torch.randn(f.value(f.point).shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    right = f.pullback(u)
    names = [name for name in right if name != "x"]
    answers, dx = FAULTS[fault](([right[name] for name in names], right.get("x")), u, roles)
    wrong = [*answers, *([] if dx is None else [dx])]
    same = all(torch.equal(a, b) for a, b in zip(wrong, right.values(), strict=True))
    return "same numbers" if same else ""
