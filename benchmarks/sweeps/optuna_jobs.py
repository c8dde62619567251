"""Peer 2: Optuna with `n_jobs=2` around the plain loop: two threads in one process, one trial each."""

from __future__ import annotations

import optuna
import torch

from benchmarks.sweeps import tracking
from benchmarks.sweeps.dataset import load
from benchmarks.sweeps.peer import task
from benchmarks.sweeps.torch_loop import tensors, trial

JOBS = 2


def main() -> None:
    """The whole sweep: every value is queued, so each is tried exactly once."""
    given = task()
    torch.set_num_threads(given.threads)
    data = tensors(*load(given.work, given.start))
    tracking.connect(given.work)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    key, values = given.work.key, given.work.values
    study = optuna.create_study(direction="maximize")
    for value in values:
        study.enqueue_trial({key: value})

    def objective(proposed: optuna.Trial) -> float:
        value = proposed.suggest_float(key, min(values), max(values), log=True)
        return trial(given, value, data, given.threads)

    given.report.started()
    with given.report.clock("training"):
        study.optimize(objective, n_trials=len(values), n_jobs=JOBS)
    given.report.write()


if __name__ == "__main__":
    main()
