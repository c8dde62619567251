#!/usr/bin/env bash
# Optuna 5.0.0: SuccessiveHalvingPruner, members that train in step.
#
# Seven trials are all open, all have reported the same step, and only then is each asked whether it should stop. One
# would expect one answer. It depends on who is asked first: asked from the worst to the best, nobody is pruned; from
# the best to the worst, everybody but the best is, the runner-up included. A trial is compared with those that were
# asked before it, not with those that have reported (the rule is made for workers that come one after another).
#
# So whoever trains a population in step has to ask in an order of its own choosing, or judge the members together.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check optuna==5.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


def pruned(order):
    """Values 0..6, more is better; everybody reports a step before anybody is asked about it."""
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=60, reduction_factor=2)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    trials = [study.ask() for _ in range(7)]
    gone = set()
    for step in range(1, 121):
        for number in range(7):
            if number not in gone:
                trials[number].report(number, step)
        for number in order:
            if number not in gone and trials[number].should_prune():
                gone.add(number)
    return sorted(gone)


print("optuna", optuna.__version__)
ascending, descending = pruned(range(7)), pruned(range(6, -1, -1))
print("asked from the worst to the best, pruned:", ascending)
print("asked from the best to the worst, pruned:", descending)
assert ascending == [], ascending
assert descending == [0, 1, 2, 3, 4, 5], descending
PYTHON
