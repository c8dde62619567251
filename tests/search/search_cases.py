"""Searches small enough for tests: a space, an objective with a known optimum, and what was asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labkit.search import stages
from labkit.search.search import Definition, Proposal, TrialAnswer
from labkit.search.space import Dimension, Point, Space

LAMBDA = Space((Dimension("loss.l2", 1e-5, 1e-1, log=True),))
OPTIMUM = 10**-3.2


def near_optimum(params: Mapping[str, Any]) -> float:
    """Largest, 0, at `loss.l2 = OPTIMUM`."""
    return -((math.log10(params["loss.l2"]) - math.log10(OPTIMUM)) ** 2)


def definition(node: Any = None, space: Space = LAMBDA, **keys: Any) -> Definition:
    """A search of the given stages; `confirm` and `final` as a configuration writes them."""
    confirm, final = stages.read_confirm(keys.pop("confirm", None)), stages.read_final(keys.pop("final", None))
    study = keys.pop("study", "kth/lambda")
    return Definition(study, space, stages.read_stages(node), confirm, final, **keys)


@dataclass
class Evaluator:
    """Answers proposals and remembers them.

    Attributes:
        value: of a point.
        answers: answers that replace the value, by (stage, index).
        asked: (stage, index, params, seeds) of every proposal.
        calls: (stage, overrides, how many, purpose) of every batch.
        numbers: Optuna's number of every proposal.
    """

    value: Callable[[Point], float] = near_optimum
    answers: Mapping[tuple[str, int], TrialAnswer] = field(default_factory=dict)
    asked: list[tuple[str, int, Point, tuple[int, ...]]] = field(default_factory=list)
    calls: list[tuple[str, tuple[str, ...], int, str]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def __call__(
        self, stage: str, overrides: tuple[str, ...], proposals: Sequence[Proposal], purpose: str
    ) -> list[TrialAnswer]:
        self.calls.append((stage, overrides, len(proposals), purpose))
        self.asked += [(stage, p.index, p.params, p.seeds) for p in proposals]
        self.numbers += [p.number for p in proposals]
        return [self.answers.get((stage, p.index), TrialAnswer((self.value(p.params),))) for p in proposals]

    def points(self, stage: str) -> list[Point]:
        """The points of a stage, as they were asked for."""
        return [params for name, _, params, _ in self.asked if name == stage]
