"""The diagnosis of a run that has ended: its symptoms, and where a network has learnt nothing, why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor

from labkit.engine.block import Outcome
from labkit.engine.silence import silence
from labkit.nn.activation import Activation
from labkit.preprocess.prepare import Part
from labkit.runs import symptoms
from labkit.runs.plan import Plan
from labkit.runs.symptoms import Features, Seen

_SAMPLES, _ENDS = 256, 4


@dataclass(frozen=True)
class Diagnosis:
    """Sentences for the end of a run, and what was measured for them.

    Attributes:
        notes: one sentence each.
        details: numbers behind them, for a screen.
        metrics: `saturated/<layer>`, of a network that has learnt nothing.
    """

    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)


def diagnosis(ready: Plan, outcome: Outcome, pruned: bool = False) -> Diagnosis:
    """Return what is to be said of a run; `pruned` where its search gave it up."""
    if outcome.suggested_range:
        return Diagnosis()
    seen = observe(ready, outcome, pruned)
    ended = symptoms.divergence(seen) or symptoms.early_end(seen)
    if seen.diverged or seen.pruned:
        return Diagnosis((ended,))
    slow = symptoms.too_slow(seen)
    found = Diagnosis((slow,)) if slow else _idle(ready, outcome, seen)
    fast = "" if found.notes else symptoms.too_fast(seen)
    notes = (ended, *found.notes, fast, symptoms.overfitting(seen))
    return Diagnosis(tuple(filter(None, notes)), found.details, found.metrics)


def _idle(ready: Plan, outcome: Outcome, seen: Seen) -> Diagnosis:
    """Say whether a network has learnt nothing, and why; first of its features, then of what its units let through."""
    found = symptoms.not_learnt(seen)
    if not found:
        return Diagnosis()
    if large := symptoms.large_features(seen):
        return Diagnosis((f"{found}; {large}",))
    if rising := symptoms.rise(seen):
        return Diagnosis((f"{found}; {rising}",))
    train, network = ready.parts.train, ready.recipe.network
    if train.lengths is not None:  # texts: their networks have no activations to look at
        return Diagnosis((f"{found}; try a larger learning rate than {seen.rate:g}",))
    if not any(isinstance(stage.layer, Activation) for stage in network.stages):
        return Diagnosis(
            (f"{found}; without a hidden layer its classes are told apart by planes alone: try model=mlp",)
        )
    heard = silence(network, outcome.parameters, train.features[:_SAMPLES], outcome.gradient_l1)
    details = [f"mean |gradient| of a weight in epoch 1: {_listed(heard.gradient, '.1e')}"]
    if heard.saturated:
        details.append(f"saturated share of units: {_listed(heard.saturated, '.0%')}")
    metrics = {f"saturated/{layer}": share for layer, share in heard.saturated.items()}
    return Diagnosis((f"{found}; {heard.why or symptoms.movement(seen)}",), tuple(details), metrics)


def observe(ready: Plan, outcome: Outcome, pruned: bool = False) -> Seen:
    """The numbers that the symptoms are read from."""
    parts = {"train": ready.parts.train, "val": ready.parts.validation}
    known = {name: part for name, part in parts.items() if len(part.features)}
    return Seen(
        history=outcome.history,
        n_classes=ready.parts.n_classes,
        samples={name: len(part.features) for name, part in known.items()},
        guess={name: largest_class(part) for name, part in known.items()},
        rate=max((row["lr"] for _, row in outcome.history if "lr" in row), default=0.0),
        moved=_moved(ready, outcome),
        features=None if ready.data.kind == "text" else _features(ready.parts.train.features),
        ended=outcome.stopped_at,
        diverged=outcome.diverged,
        pruned=pruned,
        patience=ready.recipe.trainer.patience,
    )


def largest_class(part: Part) -> float:
    """The share of a part's samples that are of its largest class."""
    return float(torch.bincount(part.labels).max()) / len(part.labels)


def _features(features: Tensor) -> Features:
    """The size of some training samples, spread over the part."""
    size = features[:: max(1, len(features) // _SAMPLES)].double().abs()
    return Features(float(size.mean()), float(size.max()), float(size.square().mean().sqrt()))


def _moved(ready: Plan, outcome: Outcome) -> float | None:
    """Bound on how far the weights of the layer that moved most went, relative to their mean size.

    An update of plain SGD or momentum moves a weight by rate * |gradient| / (1 - momentum), one of a rule that divides
    by the size of the gradient by about the rate.
    """
    rule, network = ready.recipe.rule, ready.recipe.network
    rates = [row["lr"] for _, row in outcome.history if "lr" in row]
    if not rates or not outcome.steps:
        return None
    way = outcome.steps * sum(rates) / len(rates)
    momentum = rule.numbers.get("momentum", 0.0)
    by_gradient = set(rule.slots) <= {"velocity"}
    if momentum >= 1 or not (by_gradient or set(rule.slots) <= {"mean", "square", "velocity"}):
        return None  # somebody's own rule
    layers: dict[str, list[Tensor]] = {}
    for name, parameter in network.parameters:
        if len(parameter.shape) > 1:  # weights; biases may start at 0
            layers.setdefault(name.split(".")[0], []).append(outcome.parameters[name])
    moved = []
    for layer, tensors in layers.items():
        size = sum(float(tensor.double().abs().sum()) for tensor in tensors)
        count = sum(prod(tensor.shape) for tensor in tensors)
        step = (outcome.gradient_l1.get(layer, 0.0) if by_gradient else count) / (1 - momentum)
        moved.append(way * step / size if size else 0.0 if step == 0 else 1.0)
    return max(moved, default=None)


def _listed(values: Mapping[str, float], form: str) -> str:
    """`linear_1 1.0e-03, linear_2 ...`; of many layers those at both ends."""
    shown = [f"{layer} {value:{form}}" for layer, value in values.items()]
    return ", ".join(shown if len(shown) <= 2 * _ENDS else [*shown[:_ENDS], "...", *shown[-_ENDS:]])
