"""Made-up rows of a search, as the store gives them: a coarse and a fine stage, a confirmation, the final runs."""

from __future__ import annotations

import hashlib
import math
from itertools import count
from typing import Any

import numpy as np

from labkit.report.search_table import StageFacts, Tried
from labkit.tracking.rows import RunRow
from tests.stored import run_row

FIXED = {
    "data._target_": "labkit.data.cifar.cifar10",
    "data.validation": "5000",
    "model._target_": "labkit.models.network.layers",
    "model.activation": "relu",
    "loss.l2": "0.0",
    "optimizer.lr": "0.05",
    "optimizer._target_": "labkit.optim.rules.sgd",
    "schedule.cycles": "2",
    "paths.root": "/somewhere",
}


class Search:
    """Collects rows; a trial's value is a smooth hill over the logarithms of its numbers, with noise by seed."""

    def __init__(self, study: str = "kth/lambda") -> None:
        self.study, self._n = study, count()
        self.rows: list[RunRow] = []
        self._rng = np.random.default_rng(0)

    def run(self, stage: str, trial: int, params: dict[str, Any], *, seed: int = 0, **tags: str) -> None:
        """One row; `status`, `diverged_at` and `pruned_at` say what became of it."""
        n = next(self._n)
        accuracy = self._accuracy(params, seed) + (0.01 if stage in ("confirm", "final") else 0.0)
        value = math.nan if "diverged_at" in tags else accuracy
        metrics = {"val/accuracy": value, "val/loss": 2.0 - value, "time/seconds": 30.0 + n % 3}
        if stage == "final":
            metrics["test/accuracy"] = value - 0.004
        status = tags.pop("status", "FINISHED")
        self.rows.append(
            run_row(
                hashlib.md5(f"{self.study} {n}".encode()).hexdigest(),
                {"study": self.study, "stage": stage, "trial": str(trial), **tags},
                name=self.study,
                experiment="kth",
                status=status,
                start_time=1_795_000_000_000 + 30_000 * n,
                end_time=1_795_000_030_000 + 30_000 * n,
                params=FIXED | params | {"seed": seed},
                metrics={} if status == "FAILED" else metrics,
                parent="f" * 32,
            )
        )

    def _accuracy(self, params: dict[str, Any], seed: int) -> float:
        known = {"loss.l2": (-3.1, 2.0), "optimizer.lr": (-1.3, 1.2), "model.dropout": (-0.7, 1.5)}
        steep = sum(
            ((math.log10(max(float(params[key]), 1e-6)) - middle) / width) ** 2
            for key, (middle, width) in known.items()
            if key in params
        )
        bonus = {"tanh": -0.01, "silu": 0.005}.get(str(params.get("model.activation")), 0.0)
        noise = np.random.default_rng([seed, 7]).normal(0, 0.003) + self._rng.normal(0, 0.0015)
        return 0.1 + 0.41 * math.exp(-0.5 * steep) + bonus + noise


def tried(rows: list[RunRow]) -> list[Tried]:
    """Rows as the trials of their own tags, which is what they are as long as nobody else uses them."""
    trials: dict[tuple[str, str], list[RunRow]] = {}
    for row in rows:
        trials.setdefault((row.stage, row.trial), []).append(row)
    return [Tried(stage, _state(own), own, {"trial": trial}) for (stage, trial), own in trials.items()]


def _state(rows: list[RunRow]) -> str:
    fates = {"labkit.pruned_at": "pruned", "labkit.diverged_at": "diverged"}
    lost = [fates.get(tag) for row in rows for tag in row.tags if tag in fates]
    failed = ["failed" for row in rows if row.status != "FINISHED"]
    return str([*lost, *failed, "complete"][0])


def dimension(key: str, low: float, high: float, log: bool = True) -> dict[str, Any]:
    """A searched number as plain values."""
    return {"key": key, "low": low, "high": high, "log": log, "choices": None}


def facts(name: str, sampler: str, space: list[dict[str, Any]], **other: Any) -> StageFacts:
    """A stage whose ranges are told in words as well."""
    ranges = {
        d["key"]: ", ".join(map(str, d["choices"])) if d["choices"] else f"{d['low']:.3g}..{d['high']:.3g} (log)"
        for d in space
    }
    return StageFacts(name, sampler, ranges=ranges, space=space, **other)


def lambda_search() -> tuple[list[Tried], list[StageFacts]]:
    """The search below, as trials."""
    rows, stages = lambda_rows()
    return tried(rows), stages


def lambda_rows() -> tuple[list[RunRow], list[StageFacts]]:
    """8 values of lambda, 16 in the zoomed range with one pruned and one diverged, 3 on 5 seeds, the best on 5."""
    search = Search()
    for trial, l2 in enumerate(np.geomspace(1e-5, 1e-1, 8)):
        search.run("coarse", trial, {"loss.l2": l2}, **({"diverged_at": "300"} if trial == 7 else {}))
    for trial, l2 in enumerate(10 ** np.random.default_rng(1).uniform(-4.2, -2.2, 16)):
        tags = {3: {"pruned_at": "1800", "status": "KILLED"}, 5: {"status": "FAILED"}}.get(trial, {})
        search.run("fine", trial, {"loss.l2": l2, "schedule.cycles": 3}, **tags)
    for trial, l2 in enumerate((0.0008, 0.0006, 0.0012)):
        for seed in range(1000, 1005):
            search.run("confirm", trial, {"loss.l2": l2, "schedule.cycles": 3}, seed=seed)
    for seed in range(1000, 1005):
        final = {"loss.l2": 0.0008, "schedule.cycles": 3, "data.validation": 1000}
        search.run("final", 0, final, seed=seed)
    stages = [
        facts("coarse", "grid", [dimension("loss.l2", 1e-5, 1e-1)]),
        facts("fine", "random", [dimension("loss.l2", 10**-4.2, 10**-2.2)], overrides=("schedule.cycles=3",)),
        StageFacts("confirm", note="the 3 best of stage fine on fresh seeds"),
        StageFacts("final", note="the winner on 49,000 training images"),
    ]
    return search.rows, stages
