"""`task=principles`: the Caltech lab's principles as experiments with figures and claims; a false one exits with 1."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import torch
from omegaconf import DictConfig

from labkit.config import build
from labkit.principles import (
    convolution_arithmetic,
    dying_relu,
    initialisation,
    or_xor,
    pooling_arithmetic,
    pooling_robustness,
)
from labkit.principles import principle_figures as draw
from labkit.principles.finding import Finding
from labkit.principles.finding_report import finding_markdown, show
from labkit.report.canvas import render
from labkit.report.sheet_csv import to_csv
from labkit.runs import commands, provenance
from labkit.runs.plan import resolved, writable
from labkit.tasks.only import names_asked_for
from labkit.tracking import session, tag
from labkit.tracking.tracker import Run, Tracker

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAB, PART = "caltech", "principles"
# A principle's numbers, of a class of its own: only its other two functions read them.
Measured: TypeAlias = Any
Value = TypeVar("Value")


@dataclass(frozen=True)
class Principle:
    """An experiment.

    Attributes:
        question: Question that it asks.
        measure: Function that trains or computes, and returns numbers.
        finding: Numbers -> tables and claims.
        figure: Numbers -> figure.
    """

    question: str
    measure: Callable[[], Measured]
    finding: Callable[[Measured], Finding]
    figure: Callable[[Measured], Figure]


PRINCIPLES = {
    "initialisation": Principle(
        "Why is nothing (ReLU) or nothing different (sigmoid) learnt from zero weights?",
        initialisation.measure, initialisation.finding, draw.initialisation_figure,
    ),
    "dying_relu": Principle(
        "What happens to ReLU networks when all negative samples come first?",
        dying_relu.measure, dying_relu.finding, draw.dying_relu_figure,
    ),
    "or_xor": Principle(
        "How few ReLU units make OR, and how few layers XOR?", or_xor.measure, or_xor.finding, draw.or_xor_figure
    ),
    "convolution": Principle(
        "How large is a convolution, and what does zero padding gain and cost?",
        convolution_arithmetic.measure, convolution_arithmetic.finding, draw.convolution_figure,
    ),
    "pooling": Principle(
        "What do average and max pooling make of four small images?",
        pooling_arithmetic.measure, pooling_arithmetic.finding, draw.pooling_figure,
    ),
    "pooling_robustness": Principle(
        "Does pooling help with shifted images and missing pixels?",
        pooling_robustness.measure, pooling_robustness.finding, draw.pooling_robustness_figure,
    ),
}  # fmt: skip


def principles(*, only: str | list[str] | None = None) -> Callable[[DictConfig, Sequence[str]], None]:
    """Make the task that measures, prints and records one principle after another.

    Args:
        only: Name of a principle, or a list of names; None for all.

    Returns:
        The task. It raises SystemExit with code 1 where a claim is false.

    Raises:
        ConfigError: There is no such principle.
    """
    names = names_asked_for(only, PRINCIPLES, "principle")

    def task(config: DictConfig, overrides: Sequence[str]) -> None:
        """Examine the principles, show and record what is found; raises as `principles` says."""
        plain = resolved(config)
        tracking, paths = (build(group, plain[group], plain["targets"]) for group in ("tracker", "paths"))
        if tracking.enabled:
            writable(Path(paths.root).absolute())
            session.start_writer(config)
        tracker = session.tracker(tracking, Path(paths.root)) if tracking.enabled else None
        start = partial(_start_run, tracker, plain, overrides, only) if tracker is not None else None
        findings = {name: _examine(name, start) for name in names}
        claims = [claim for finding in findings.values() for claim in finding.claims]
        false = [claim.sentence for claim in claims if not claim.holds]
        print(f"{len(claims) - len(false)} of {len(claims)} claims hold")
        for sentence in false:
            print(f"  false: {sentence}")
        if false:
            session.settle()
            raise SystemExit(1)

    return task


def _examine(name: str, start: Callable[[str, Finding], Run] | None) -> Finding:
    """Measure one principle, show what was found, and record it in the run that `start` begins, if any."""
    principle = PRINCIPLES[name]
    if sys.stderr.isatty():
        print(f"measuring: {name}", file=sys.stderr)
    started = time.perf_counter()
    measured = _on_one_thread(principle.measure)
    finding, seconds = principle.finding(measured), time.perf_counter() - started
    show(name, principle.question, finding, seconds)
    if start is not None:
        figure = render(principle.figure(measured))  # before a run begins, so that a failure leaves none behind
        _record(start(name, finding), name, finding, figure, seconds)
    return finding


def _on_one_thread(measure: Callable[[], Value]) -> Value:
    """Return what `measure` returns on one thread: then its numbers are the same on any number of cores.

    All these networks are small, so more threads would not be faster.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return measure()
    finally:
        torch.set_num_threads(before)


def _start_run(
    tracker: Tracker,
    config: Mapping[str, object],
    overrides: Sequence[str],
    only: str | list[str] | None,
    name: str,
    finding: Finding,
) -> Run:
    """Begin the run that records a finding."""
    return tracker.start_run(
        experiment=LAB,
        name=name,
        params={"task.only": str(only)},
        tags={
            **provenance.tags({**config, "lab": LAB, "part": PART}, commands.single(overrides, config)),
            tag.PRINCIPLE: name,
            tag.PROCESS: provenance.process(),
            tag.FOUND: "\n".join(map(str, finding.claims)),
        },
    )


def _record(run: Run, name: str, finding: Finding, figure: bytes, seconds: float) -> None:
    """Log a finding's tables and figure and end its run; FAILED where a claim is false."""
    false = [claim.sentence for claim in finding.claims if not claim.holds]
    run.log(0, {"claims": len(finding.claims), "claims_false": len(false), "time/seconds": seconds})
    for number, table in enumerate(finding.tables, start=1):
        run.artifact_text(f"tables/{name}_{number}.csv", to_csv(table))
    run.artifact_text(f"{name}.md", finding_markdown(name, PRINCIPLES[name].question, finding))
    run.artifact_bytes(f"figures/{name}.png", figure)
    run.finish("FAILED" if false else "FINISHED", "False: " + "; ".join(false) if false else "")
