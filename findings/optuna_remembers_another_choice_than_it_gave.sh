#!/usr/bin/env bash
# Optuna 5.0.0: a categorical parameter whose choices are equal in Python, such as True and 1, or 0 and False or 0.0.
#
# Augmentation is off, on, or of strength 1 or 2. ask() hands out True; the study remembers 1 for the same trial, without
# a warning: a choice is stored by the position of the first one that is equal to it. So the trial that trained and the
# trial in every table, plot and resumed search differ, and True never appears among the results. Choices of text
# ("true", "1") are safe.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check optuna==5.0.0
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
import warnings

import optuna
from optuna.distributions import CategoricalDistribution

optuna.logging.set_verbosity(optuna.logging.ERROR)
print("optuna", optuna.__version__)
for storage in (None, f"sqlite:///{sys.argv[1]}/study.db"):
    study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))
    space = {"augmentation": CategoricalDistribution([False, 1, True, 2])}
    given, remembered = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(20):
            trial = study.ask(space)
            given.append(trial.params["augmentation"])
            study.tell(trial, 0.0)
    remembered = [trial.params["augmentation"] for trial in study.get_trials()]
    print("given:     ", given)
    print("remembered:", remembered)
    assert any(value is True for value in given)
    assert not any(value is True for value in remembered)
PYTHON
