#!/usr/bin/env bash
# Optuna 5.0.0: importances of a search from coarse to fine, both stages in one study.
#
# The objective is a parabola in log10(lr) plus a hundredth of l2. Half of the trials search lr in 1e-4..1, the other
# half in the narrower 1e-2..1e-1; l2 keeps its range. Optuna takes a narrowed range without a word. fANOVA and
# mean decrease impurity then leave lr out, because its distribution is not the same in every trial, and give all of the
# importance to l2, the key that hardly matters; no warning, no error. PED-ANOVA, the default, ranks lr first.
#
# So importances over stages are computed per stage, or with PED-ANOVA, and the evaluator is named.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check optuna==5.0.0 scikit-learn==1.9.1
"$folder/venv/bin/python" - <<'PYTHON'
import math
import random
import warnings

import optuna
from optuna.distributions import FloatDistribution
from optuna.importance import (
    FanovaImportanceEvaluator,
    MeanDecreaseImpurityImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)

optuna.logging.set_verbosity(optuna.logging.ERROR)
draw = random.Random(0)
study = optuna.create_study()
for low, high in [(1e-4, 1.0)] * 30 + [(1e-2, 1e-1)] * 30:
    space = {"lr": FloatDistribution(low, high, log=True), "l2": FloatDistribution(0, 1)}
    exponent = draw.uniform(math.log10(low), math.log10(high))
    point = {"lr": 10**exponent, "l2": draw.random()}
    value = (exponent + 1.5) ** 2 + 0.01 * point["l2"]
    study.add_trial(optuna.trial.create_trial(params=point, distributions=space, value=value))

print("optuna", optuna.__version__)
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for evaluator in (FanovaImportanceEvaluator, MeanDecreaseImpurityImportanceEvaluator, PedAnovaImportanceEvaluator):
        arguments = {} if evaluator is PedAnovaImportanceEvaluator else {"seed": 0}
        shares = get_param_importances(study, evaluator=evaluator(**arguments))
        found[evaluator.__name__] = {key: round(float(share), 2) for key, share in shares.items()}
        print(f"{evaluator.__name__:40}", found[evaluator.__name__])
spoken = [str(w.message) for w in said if "lr" in str(w.message)]
print("warnings that name the key left out:", spoken)
assert found["FanovaImportanceEvaluator"] == {"l2": 1.0}
assert found["MeanDecreaseImpurityImportanceEvaluator"] == {"l2": 1.0}
assert found["PedAnovaImportanceEvaluator"]["lr"] > 0.5
assert not spoken
PYTHON
