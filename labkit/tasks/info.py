"""`task=info`: versions, hardware, and the facts of the chosen data set and model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from omegaconf import DictConfig

from labkit.config import Count
from labkit.data.dataset import Dataset
from labkit.engine.population import Population
from labkit.engine.processor import processor
from labkit.engine.streams import generator
from labkit.preprocess.augment import augment
from labkit.runs import executions, provenance
from labkit.runs.plan import Plan, plan, resolved
from labkit.runs.prepared_data import dataset
from labkit.shipped import IN_FILE, defaults


@defaults("task/info")
def info(*, samples: Count = IN_FILE, picture: str = IN_FILE) -> Callable[[DictConfig, Sequence[str]], None]:
    """Make the task that prints the facts, and draws samples before and after preprocessing and augmentation.

    Args:
        samples: Number of samples drawn.
        picture: Path of the PNG file, under `paths.root`.
    """

    def task(config: DictConfig, overrides: Sequence[str]) -> None:
        ready = plan(config, overrides)
        stored = dataset(resolved(config))
        for title, facts in (
            ("Versions", [*provenance.versions().items(), ("hardware", provenance.hardware())]),
            ("Data", list(_data_facts(stored, ready))),
            ("Model", list(_model_facts(ready))),
            ("Run", list(_run_facts(ready))),
        ):
            _print(title, facts)
        target = ready.paths.root / picture
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(samples_picture(stored, ready, samples))
        _print("Picture", [("samples", str(target))])

    return task


def _print(title: str, facts: Sequence[tuple[str, object]]) -> None:
    print(f"{title}")
    for name, value in facts:
        print(f"  {name:<22}{value}")


def _data_facts(stored: Dataset, ready: Plan) -> Iterator[tuple[str, object]]:
    parts = ready.parts
    yield "name", stored.name
    yield "source", stored.source
    yield "sha256", f"{stored.sha256} ({'matches' if stored.verified else 'not checked against'} a published checksum)"
    low, high = stored.features.min(), stored.features.max()
    yield "as stored", f"{stored.features.shape} {stored.features.dtype}, {low} to {high}"
    yield "classes", f"{len(stored.class_names)}: {', '.join(stored.class_names[:12])}"
    for name in ("train", "validation", "test"):
        part = getattr(parts, name)
        if not len(part.features):
            yield name, "no samples"
            continue
        counts = torch.bincount(part.labels, minlength=parts.n_classes)
        values = part.features.float()
        yield (
            name,
            f"{len(part.features)} samples, {int(counts.min())} to {int(counts.max())} per class, "
            f"values {float(values.min()):.3g} to {float(values.max()):.3g}, mean {float(values.mean()):.3g}",
        )
    for overlap in ready.data.overlaps:
        yield "also in training", overlap
    for note in ready.data.notes:
        yield "warning", note


def _model_facts(ready: Plan) -> Iterator[tuple[str, object]]:
    network = ready.recipe.network
    yield "input", ready.parts.shape
    for stage in network.stages:
        point = f"point {stage.point}" if stage.point is not None else ""
        skips = f" + point {', '.join(map(str, stage.arrivals))}" if stage.arrivals else ""
        own = network.parameters[stage.first_parameter : stage.last_parameter]
        count = sum(int(np.prod(p.shape)) for _, p in own)
        yield stage.name, f"{stage.output_shape!s:<18} {count:>10,} parameters  {point}{skips}"
    yield "parameters", f"{network.parameter_count:,}"
    yield "hidden units", network.hidden_units
    yield "multiply-adds", f"{network.multiply_adds:,} per sample, forward"


def _run_facts(ready: Plan) -> Iterator[tuple[str, object]]:
    population = Population([ready.recipe], ready.parts)
    length = population.length
    yield "updates", f"{length.total:,} ({length.per_epoch:,} per epoch)"
    evaluations = ready.recipe.trainer.evaluations(length, ready.recipe.schedule)
    yield "evaluations", len(evaluations)
    yield (
        "learning rate",
        f"{float(population.learning_rates.min()):.3g} to {float(population.learning_rates.max()):.3g}",
    )
    yield "config hash", ready.config_hash
    yield from _execution_facts(ready)


def _execution_facts(ready: Plan) -> Iterator[tuple[str, object]]:
    choice = executions.chosen([ready.recipe], ready.parts, ready.paths.root)
    yield "processor", processor()
    yield "execution", choice.execution
    yield "", choice.why
    for tried, seconds in choice.seconds.items():
        yield "", f"{1e6 * seconds:>8,.0f} us an update  {tried}"
    if sentence := executions.slower(ready.recipe, ready.parts, ready.paths.root):
        yield "warning", sentence


def samples_picture(stored: Dataset, ready: Plan, count: int) -> bytes:
    """Return a PNG of training samples before and after preprocessing and augmentation.

    Args:
        stored: Data set as stored.
        ready: Plan, which has the same data prepared.
        count: Number of samples; vectors are all drawn, since a scatter plot takes them.
    """

    from labkit.report.canvas import render
    from labkit.report.samples import samples

    train = ready.parts.kept
    assert train is not None
    index = train[:count] if ready.parts.kind != "vector" else train
    rows = stored.features[index]
    before = rows if stored.kind != "text" else ["".join(stored.vocabulary[i] for i in row if i) for row in rows]
    after = ready.parts.train.features[: len(index)].cpu()
    strengths = ready.recipe.augmentation
    if strengths.active:
        numbers = [torch.tensor([float(s)]) for s in (strengths.mirror, strengths.noise)]
        stream = torch.zeros(1, dtype=torch.int64)
        source = [generator(ready.recipe.seed, "augmentation")]
        shift = torch.tensor([strengths.shift])
        after = augment(after.unsqueeze(0), numbers[0], shift, numbers[1], source, stream)[0]
    return render(samples(before, after.numpy(), stored.labels[index], stored.class_names))
