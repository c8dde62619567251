"""`task=train`: train one configuration and record the run."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf

from labkit.engine.loop import Outcome
from labkit.engine.loop import Progress as Step
from labkit.engine.loop import train as train_population
from labkit.metrics import never_predicted
from labkit.report import figures
from labkit.report.progress import Progress
from labkit.report.tables import RunSummary, diagnose, show_run
from labkit.tasks import provenance, session
from labkit.tasks.plan import Plan, plan
from labkit.tasks.result import Result
from labkit.tracking.run import Run


def train() -> Callable[[DictConfig, Sequence[str]], float | None]:
    """The task: returns the objective of a search, `val/accuracy` at the last evaluation."""

    def task(config: DictConfig, overrides: Sequence[str]) -> float | None:
        return execute(plan(config, overrides)).metrics.get("val/accuracy")

    return task


def execute(ready: Plan, quiet: bool = False) -> Result:
    """Train a plan as a population of one, show its progress and record it.

    The run ends FINISHED, or FAILED or KILLED with the exception that ended it.
    """
    run = _start(ready) if ready.tracking.enabled else None
    line = Progress(quiet=quiet)
    try:
        outcome = train_population([ready.recipe], ready.parts, _Observer(ready.name, run, line))[0]
        line.finish()
        if run is not None:
            _record(ready, run, outcome)
            run.finish("FINISHED")
    except BaseException as error:
        if run is not None:
            run.finish("FAILED" if isinstance(error, Exception) else "KILLED", f"{type(error).__name__}: {error}")
        raise
    finally:
        line.finish()
    run_id = run.id if run is not None else ""
    if not quiet:
        show_run(summary(ready, run_id, outcome))
    return Result(run_id, outcome.metrics, outcome.history, outcome.parameters, ready.config)


class _Observer:
    """Shows the progress line and hands every evaluation to the store."""

    def __init__(self, name: str, run: Run | None, line: Progress) -> None:
        self._name, self._run, self._line = name, run, line
        self._accuracy: float | None = None
        self._started = False

    def __call__(self, step: Step) -> None:
        if not self._started:
            self._line.start(step.total, self._name)
            self._started = True
        row = step.rows[0] if step.rows else None
        if row is not None:
            self._accuracy = row[1].get("val/accuracy")
            if self._run is not None:
                self._run.log(*row)
                self._run.check()
        if row is not None or self._line.due():
            loss = step.loss() if step.step else None
            self._line.update(step.step, loss=loss, val_accuracy=self._accuracy, lr=step.lr())


def flattened(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """The configuration as `{"optimizer.lr": "0.1"}`: each key is its own override path."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat.update(flattened(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = "null" if value is None else str(value)
    return flat


def _start(ready: Plan) -> Run:
    config = ready.config
    tags = {
        "labkit.experiment": ready.choices.get("experiment", ready.name),
        "labkit.config_hash": ready.config_hash,
        "labkit.seed_group": ready.seed_group,
        "labkit.data_sha256": ready.data.sha256,
        "labkit.data_verified": str(ready.data.verified).lower(),
    }
    return session.tracker(ready.paths.root).start_run(
        experiment=config["lab"],
        name=ready.name,
        params=flattened({k: v for k, v in config.items() if k not in ("experiment", "sweeps")}),
        tags={**provenance.tags(config, ready.overrides), **tags},
        dataset={"name": ready.data.name, "digest": ready.data.sha256, "source": ready.data.source},
        parent_run_id=os.environ.get(session.PARENT_RUN),
    )


def _record(ready: Plan, run: Run, outcome: Outcome) -> None:
    """What is known only at the end: last metrics, tags, figures, weights."""
    run.log(outcome.steps, outcome.metrics)
    trainer = ready.recipe.trainer
    run.set_tag(
        "labkit.group",
        f"members=1 order=0 dtype={trainer.precision} threads={outcome.threads} device={trainer.chosen_device()}",
    )
    if outcome.diverged:
        run.set_tag("labkit.diverged_at", str(outcome.stopped_at))
    if outcome.suggested_range is not None:
        run.set_tag("labkit.suggested_range", "{:.3g} {:.3g}".format(*outcome.suggested_range))
    run.artifact_text("config.yaml", OmegaConf.to_yaml(OmegaConf.create(ready.config)))
    run.artifact_text(f"confusion_{outcome.confusion_part}.csv", _csv(ready.parts.class_names, outcome.confusion))
    if ready.tracking.figures:
        for name, content in _drawn(ready, outcome).items():
            run.artifact_bytes(f"figures/{name}.png", content)
    if ready.tracking.weights:
        run.artifact_bytes("weights.npz", _npz(outcome.parameters))


def _drawn(ready: Plan, outcome: Outcome) -> dict[str, bytes]:
    drawn = {
        "learning_curves": figures.learning_curves(outcome.history, ready.name),
        f"confusion_matrix_{outcome.confusion_part}": figures.confusion_matrix(
            outcome.confusion, ready.parts.class_names
        ),
        "gradient_norms": figures.gradient_norms(outcome.gradient_l1),
    }
    if outcome.range_curve is not None and outcome.suggested_range is not None:
        lr, loss = outcome.range_curve
        accuracy = [(row["lr"], row["val/accuracy"]) for _, row in outcome.history if "val/accuracy" in row]
        drawn["range_test"] = figures.range_test(lr, loss, accuracy, outcome.suggested_range)
    return {name: figures.render(figure) for name, figure in drawn.items()}


def _csv(class_names: Sequence[str], confusion: np.ndarray) -> str:
    """A confusion matrix with its class names as first line."""
    return "\n".join([",".join(class_names), *(",".join(map(str, row)) for row in confusion.tolist())]) + "\n"


def _npz(parameters: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{name: tensor.numpy() for name, tensor in parameters.items()})
    return buffer.getvalue()


def summary(ready: Plan, run_id: str, outcome: Outcome) -> RunSummary:
    """The record of a finished run as its end-of-run table shows it."""
    notes = [] if outcome.suggested_range else diagnose(outcome.history, ready.parts.n_classes)
    if outcome.diverged:
        notes = [f"diverged: the loss of update {outcome.stopped_at} is not finite; try a smaller learning rate"]
    elif outcome.stopped_at is not None:
        notes.append(f"stopped early after {outcome.stopped_at} updates: val/loss no longer fell")
    unseen = never_predicted(torch.from_numpy(outcome.confusion), ready.parts.class_names)
    suggested = ""
    if outcome.suggested_range is not None:
        suggested = "schedule.lr_min={:.3g} schedule.lr_max={:.3g}".format(*outcome.suggested_range)
    open_command = f"make ui   # or: mlflow ui --backend-store-uri {Path(ready.paths.root) / 'mlruns' / 'mlflow.db'}"
    return RunSummary(
        name=ready.name,
        run_id=run_id,
        status="DIVERGED" if outcome.diverged else "FINISHED",
        metrics=outcome.metrics,
        seconds=outcome.metrics["time/seconds"],
        reproduce=provenance.reproduce(ready.overrides),
        open_command=open_command,
        never_predicted=[] if outcome.diverged else unseen,
        notes=notes,
        suggested=suggested,
    )
