"""The record of a run in the store: its beginning and its end."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from labkit import own_code
from labkit.config import ConfigError, Plain
from labkit.engine.block import Outcome
from labkit.engine.processor import processor
from labkit.preprocess.prepare import Parts
from labkit.quick_omegaconf import config_text
from labkit.report import figures
from labkit.runs import decision_regions, earlier_versions, provenance
from labkit.runs.diagnosis import Diagnosis
from labkit.runs.plan import Plan
from labkit.tracking import session, tag
from labkit.tracking.quantities import samples_text
from labkit.tracking.tracker import Run


@dataclass(frozen=True)
class Job:
    """A plan, and what it was told by whoever started it.

    Attributes:
        plan: the run.
        environment: variables; `labkit.tracking.session` names those that count.

    Raises:
        ConfigError: this process, a launcher's worker, read the user's own code in another version than the multirun.
    """

    plan: Plan
    environment: Mapping[str, str]

    def __post_init__(self) -> None:
        told = self.environment.get(session.CODE)
        if told and told != earlier_versions.text(self.plan.code):
            files = ", ".join(own_code.changed(earlier_versions.versions(told), self.plan.code))
            raise ConfigError(f"targets: {files} changed while the sweep was running; run it again with the new code.")

    @property
    def parent(self) -> str | None:
        """The id of the parent run, None for a run of its own."""
        return self.environment.get(session.PARENT_RUN) or None

    @property
    def stands_out(self) -> bool:
        """A run of its own, or what a search ends in: its figures and weights are worth their time."""
        return self.parent is None or self.environment.get(session.STAGE) == session.FINAL

    @property
    def keeps_figures(self) -> bool:
        """True where its figures are drawn."""
        return {"auto": self.stands_out, True: True, False: False}[self.plan.tracking.figures]


@dataclass(frozen=True)
class Place:
    """A member's place in the population it was trained in; its last bits depend on it."""

    members: tuple[str, ...]  # the config hashes, in order
    order: int


def flattened(config: Plain, prefix: str = "") -> dict[str, str]:
    """Return the configuration as `{"optimizer.lr": "0.1"}`: each key is its own override path."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat.update(flattened(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = "null" if value is None else str(value)
    return flat


_CHOSEN = ("model", "preprocess", "init", "optimizer", "schedule", "strategy")  # what a sweep may compare as a whole


def parameters(config: Plain, choices: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that the store keeps: every key, and of some groups the option that was chosen."""
    chosen = {group: choices[group] for group in _CHOSEN if group in choices}
    values = {key: value for key, value in config.items() if key not in ("experiment", "sweeps", "seeds", "profile")}
    return {**chosen, **flattened(values)}


def start(job: Job, broken_off: str | None = None) -> Run | None:
    """Start the job's run in the store; return None where nothing is recorded.

    Args:
        job: The job.
        broken_off: Id of its run in an earlier call that is to go on, empty where only the store knows it; None for a
            run of its own. One that is not there any more gives way to a new one.
    """
    ready, told = job.plan, job.environment
    if not ready.tracking.enabled:
        return None
    if broken_off is not None and (known := _broken_off(job, broken_off)) is not None:
        run = session.tracker(ready.tracking, ready.paths.root).resume(known, reopen=True)
        run.set_tag(tag.PROCESS, provenance.process())
        return run
    marks = {known: told[name] for name, known in session.TAGS.items() if told.get(name)}
    tags = {
        tag.EXPERIMENT: ready.choices.get("experiment", ready.name),
        tag.CONFIG_HASH: ready.config_hash,
        tag.SEED_GROUP: ready.seed_group,
        tag.SHAPE: ready.shape,
        tag.DATA_SHA256: ready.data.sha256,
        tag.DATA_VERIFIED: str(ready.data.verified).lower(),
        tag.PROCESS: provenance.process(),
        tag.SAMPLES: _samples(ready.parts),
        **({tag.DATA_NOTES: "\n".join(ready.data.notes)} if ready.data.notes else {}),
        **earlier_versions.tags(ready),
        **marks,
    }
    return session.tracker(ready.tracking, ready.paths.root).start_run(
        experiment=ready.config["lab"],
        name=ready.name,
        params=parameters(ready.config, ready.choices),
        tags={**provenance.tags(ready.config, ready.command), **tags},
        dataset={"name": ready.data.name, "digest": ready.data.sha256, "source": ready.data.source},
        parent_run_id=job.parent,
    )


def _broken_off(job: Job, run_id: str) -> str | None:
    """Return the id of the job's newest run that did not come to its end, of the given id where that is known."""
    tracker = session.tracker(job.plan.tracking, job.plan.paths.root)
    if not tracker.reads:
        return None
    rows = tracker.by_id([run_id]).values() if run_id else tracker.by_config(job.plan.config_hash)
    left = [
        row.run_id
        for row in rows
        if row.config_hash == job.plan.config_hash
        and row.parent == job.parent
        and not row.ended
        and (row.status != "RUNNING" or provenance.dead(row.process))
    ]
    return left[-1] if left else None


def _samples(parts: Parts) -> str:
    sizes = {"train": parts.train, "val": parts.validation, "test": parts.test}
    return samples_text(**{name: len(part.features) for name, part in sizes.items()})


def await_store(jobs: Sequence[Job], runs: Sequence[Run | None]) -> None:
    """Wait until the first run is in the store, unless a glance shows that nothing speaks against it.

    So what is wrong with a store is said before the training and not after it. What drawing will need is imported
    meanwhile, half a second. Raises TrackingError.
    """
    first, about = next(filter(None, runs), None), jobs[0].plan
    if first is None or about.tracking.in_order(about.paths.root, about.config["lab"]):
        return
    if any(job.keeps_figures for job in jobs):
        import matplotlib.backends.backend_agg  # noqa: F401
    first.begun()


def end(
    job: Job,
    run: Run,
    outcome: Outcome,
    place: Place,
    pruned: bool,
    found: Diagnosis,
    frames: decision_regions.Frames = (),
) -> None:
    """Record what is known only at the end: last metrics, tags, figures, weights; then the run's status."""
    ready = job.plan
    run.log(outcome.steps, {**outcome.metrics, **found.metrics})
    if found.notes:
        run.set_tag(tag.DIAGNOSIS, "\n".join(found.notes))
    run.set_tag(tag.GROUP, _group(ready, outcome, place))
    run.set_tag(tag.EXECUTION, str(outcome.execution))
    run.set_tag(tag.PROCESSOR, processor())
    if outcome.diverged:
        run.set_tag(tag.DIVERGED_AT, str(outcome.stopped_at))
    if outcome.suggested_range is not None:
        run.set_tag(tag.SUGGESTED_RANGE, "{:.3g} {:.3g}".format(*outcome.suggested_range))
    run.artifact_text("config.yaml", config_text(ready.config))
    run.artifact_text(f"confusion_{outcome.confusion_part}.csv", _csv(ready.parts.class_names, outcome.confusion))
    if job.keeps_figures:
        for name, content in _drawn(ready, outcome).items():
            run.artifact_bytes(f"figures/{name}.png", content)
    if frames:
        run.artifact_bytes("figures/decision_regions.gif", decision_regions.animate(ready, outcome, frames))
    if {"auto": job.stands_out, True: True, False: False}[ready.tracking.weights]:
        run.artifact_bytes("weights.npz", _npz(outcome.parameters))
    if pruned:
        run.set_tag(tag.PRUNED_AT, str(outcome.stopped_at))
        run.finish("KILLED", f"Pruned after {outcome.stopped_at} updates: its search expected no good end.")
    else:
        run.finish("FINISHED")


def break_off(run: Run, error: BaseException) -> None:
    """End a run with the exception that ended it: FAILED, or KILLED where somebody stopped it."""
    run.finish("FAILED" if isinstance(error, Exception) else "KILLED", f"{type(error).__name__}: {error}")


def _group(ready: Plan, outcome: Outcome, place: Place) -> str:
    trainer = ready.recipe.trainer
    threads = outcome.execution.threads
    facts = f"dtype={trainer.precision} threads={threads} device={trainer.chosen_device()} pid={os.getpid()}"
    members = ",".join(member[:8] for member in place.members)
    return f"members={len(place.members)} order={place.order} {facts} of={members}"


def _drawn(ready: Plan, outcome: Outcome) -> dict[str, bytes]:
    title = f"{ready.name}; train: {ready.measured}" if ready.measured else ready.name
    drawn = {
        "learning_curves": figures.learning_curves(outcome.history, title, ready.published),
        f"confusion_matrix_{outcome.confusion_part}": figures.confusion_matrix(
            outcome.confusion, ready.parts.class_names
        ),
        "gradient_norms": figures.gradient_norms(outcome.gradient_l1),
    }
    if outcome.range_curve is not None and outcome.suggested_range is not None:
        lr, loss = outcome.range_curve
        accuracy = [(row["lr"], row["val/accuracy"]) for _, row in outcome.history if "val/accuracy" in row]
        drawn["range_test"] = figures.range_test(lr, loss, accuracy, outcome.suggested_range)
    return {name: figures.render(figure) for name, figure in drawn.items()} | decision_regions.draw(ready, outcome)


def _csv(class_names: Sequence[str], confusion: np.ndarray) -> str:
    """A confusion matrix with its class names as first line."""
    return "\n".join([",".join(class_names), *(",".join(map(str, row)) for row in confusion.tolist())]) + "\n"


def _npz(tensors: Mapping[str, Tensor]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{name: tensor.numpy() for name, tensor in tensors.items()})
    return buffer.getvalue()
