"""What the end of a run has to say: divergence, an early stop, or a loss that stayed at ln K, and why it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from labkit.engine.loop import Outcome
from labkit.engine.silence import silence
from labkit.report.tables import dead
from labkit.tasks.plan import Plan

_SAMPLES = 256


@dataclass(frozen=True)
class Diagnosis:
    """Sentences for the end of a run, and what was measured for them.

    Attributes:
        notes: one sentence each.
        metrics: `saturated/<layer>`, of a dead network.
    """

    notes: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)


def diagnosis(ready: Plan, outcome: Outcome) -> Diagnosis:
    """What is to be said of a run."""
    if outcome.suggested_range:
        return Diagnosis()
    if outcome.diverged:
        note = f"diverged: the loss of update {outcome.stopped_at} is not finite; try a smaller learning rate"
        return Diagnosis((note,))
    stopped = ""
    if outcome.stopped_at is not None:
        stopped = f"stopped early after {outcome.stopped_at} updates: val/loss no longer fell"
    found = dead(outcome.history, ready.parts.n_classes)
    if not found or ready.parts.train.lengths is not None:
        return Diagnosis(tuple(filter(None, (found, stopped))))
    features = ready.parts.train.features[:_SAMPLES]
    seen = silence(ready.recipe.network, outcome.parameters, features, outcome.gradient_l1)
    saturated = ", ".join(f"{layer} {100 * share:.0f}%" for layer, share in seen.saturated.items())
    reach = ", ".join(f"{layer} {size:.1e}" for layer, size in seen.gradient.items())
    notes = [found, f"why: {seen.why}", f"mean |gradient| of a weight in epoch 1: {reach}"]
    if saturated:
        notes.append(f"saturated units: {saturated}")
    metrics = {f"saturated/{layer}": share for layer, share in seen.saturated.items()}
    return Diagnosis((*notes, *filter(None, (stopped,))), metrics)
