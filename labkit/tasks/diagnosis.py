"""What the end of a run has to say: divergence, an early stop, or a loss that stayed at ln K, and why it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from labkit.engine.loop import Outcome
from labkit.engine.silence import silence
from labkit.nn.activation import Activation
from labkit.report.tables import dead
from labkit.tasks.plan import Plan

_SAMPLES, _ENDS = 256, 4


@dataclass(frozen=True)
class Diagnosis:
    """Sentences for the end of a run, and what was measured for them.

    Attributes:
        notes: one sentence each.
        details: numbers behind them, for a screen.
        metrics: `saturated/<layer>`, of a dead network.
    """

    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)


def diagnosis(ready: Plan, outcome: Outcome) -> Diagnosis:
    """What is to be said of a run."""
    if outcome.suggested_range:
        return Diagnosis()
    if outcome.diverged:
        note = f"diverged: the loss of update {outcome.stopped_at} is not finite; try a smaller learning rate"
        return Diagnosis((note,))
    if outcome.stopped_at is not None:
        return Diagnosis((f"stopped early: val/loss no longer fell after {outcome.stopped_at} updates",))
    found = dead(outcome.history, ready.parts.n_classes)
    train, network = ready.parts.train, ready.recipe.network
    if not found or train.lengths is not None or not any(isinstance(s.layer, Activation) for s in network.stages):
        return Diagnosis((found,) if found and train.lengths is not None else ())
    seen = silence(network, outcome.parameters, train.features[:_SAMPLES], outcome.gradient_l1)
    details = [f"mean |gradient| of a weight in epoch 1: {_listed(seen.gradient, '.1e')}"]
    if seen.saturated:
        details.append(f"saturated share of units: {_listed(seen.saturated, '.0%')}")
    metrics = {f"saturated/{layer}": share for layer, share in seen.saturated.items()}
    return Diagnosis((f"{found}; {seen.why}",), tuple(details), metrics)


def _listed(values: Mapping[str, float], form: str) -> str:
    """`linear_1 1.0e-03, linear_2 ...`; of many layers those at both ends."""
    shown = [f"{layer} {value:{form}}" for layer, value in values.items()]
    return ", ".join(shown if len(shown) <= 2 * _ENDS else [*shown[:_ENDS], "...", *shown[-_ENDS:]])
