"""labkit: study how deep networks train.

The map, in reading order; a package imports only from the ones above it:

    version           of this package
    standard_streams  standard streams that never end a run
    process           a process as others may know it later: is it still alive?
    cache             the folder of this user for what can be had again
    own_code          the user's own code behind `targets`: loaded, and told apart from earlier versions of itself
    config            typed configuration: value types, errors, constructors, member-wise keys
    data              one file per byte format and generator -> Dataset
    preprocess        split, normalise, PCA, outliers (fitted on the training part) and augmentation -> Parts
    nn                layers from scratch, forward and hand-written backward side by side; initialisers; the loss
    models            a network from a layer list and a list of skips
    optim             update rules and schedules: pure functions
    metrics           accuracy, macro precision and recall, gradient L1 norms
    engine            recipe -> population -> step -> loop -> outcome; execution: how it runs on this machine, timed
    tracking          the one writer to MLflow, a process of its own; the way back: runs read from the store
    search            spaces, stages from coarse to fine, zoom, resume: Optuna without Hydra in sight
    report            run records -> tables, figures, leaderboard, pages
    checks            gradients by hand against Taylor, finite differences and autograd; what a network must do first
    principles        initialisation, dying ReLU, XOR, convolution and pooling as experiments that end in claims
    quick_omegaconf   configurations copied and written by C code
    words             a value as a word of the command line
    compose           command-line words -> one composed configuration
    runs              one run: plan, identity, training, checkpoints, record, diagnosis, provenance
    multirun          many runs, Hydra's side: planned jobs, grid and search sweeps, population launcher, leaderboards
    cli               the single entrypoint
    notebook          `run` and `sweep`: the same from Python
    labs              the parts of the labs: steps run through `sweep`, winners handed on, claims with bands, results
    tasks             one file = one value of `task=`: train, info, compare, check, principles, lab, report, ui
    plugins           the shells by which Hydra finds our launcher and sweepers

In a notebook: `from labkit import run`, `run("experiment=kth/ex3", "seed=1").metrics["test/accuracy"]`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from labkit.version import __version__

if TYPE_CHECKING:
    from labkit.config import ConfigError
    from labkit.notebook import run, sweep
    from labkit.runs.result import Result, Table

# A thread that waits at a barrier gives its core away soon. On a busy machine two threads that spin for libgomp's usual
# 300,000 rounds train up to ten times slower (docs/decisions.md); it is read when torch is first imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__all__ = ["ConfigError", "Result", "Table", "__version__", "run", "sweep"]

_HOMES = {
    "ConfigError": "labkit.config",
    "Result": "labkit.runs.result",
    "Table": "labkit.runs.result",
    "run": "labkit.notebook",
    "sweep": "labkit.notebook",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'labkit' has no attribute {name!r}")
