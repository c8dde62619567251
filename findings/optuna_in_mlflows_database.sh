#!/usr/bin/env bash
# Optuna 5.0.0 and MLflow 3.17.2: one SQLite file for both.
#
# Both keep their schema's version in a table of the name alembic_version. Pointed at MLflow's file, Optuna makes its
# tables there first and only then reads that version; it is MLflow's, so it refuses: the schema was "set up by optuna
# 5.0.0", with which "the runtime optuna version 5.0.0 is no longer compatible", and updating Optuna is advised. That MLflow
# is in the way is not said, and the dozen tables stay in MLflow's file. MLflow goes on working.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check optuna==5.0.0 mlflow==3.17.2
cd "$folder"
MLFLOW_LOGGING_LEVEL=ERROR "$folder/venv/bin/python" - <<'PYTHON'
import sqlite3
from importlib.metadata import version

import mlflow
import optuna

print("optuna", version("optuna"), "mlflow", version("mlflow"))
mlflow.set_tracking_uri("sqlite:///both.db")
mlflow.MlflowClient().create_experiment("first")


def tables():
    with sqlite3.connect("both.db") as connection:
        rows = connection.execute("select name from sqlite_master where type = 'table'")
        return {name for (name,) in rows}


before = tables()
try:
    optuna.storages.RDBStorage("sqlite:///both.db")
except RuntimeError as error:
    said = " ".join(str(error).split())
else:
    said = ""
left = sorted(tables() - before)
print("said:", said)
print("left behind:", ", ".join(left))
assert "set up by optuna 5.0.0" in said
assert "trials" in left
assert "studies" in left
assert mlflow.MlflowClient().get_experiment_by_name("first") is not None
PYTHON
