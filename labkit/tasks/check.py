"""`task=check`: gradients, Jacobians and sanity of every layer, loss and shipped model; exit code 1 on a failure."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from omegaconf import DictConfig, OmegaConf

from labkit.checks import check_figures as draw
from labkit.checks.sanity import OVERFIT_LOSS
from labkit.checks.suite import TESTS, Findings, run
from labkit.checks.verdict_table import full, full_markdown, overview, summary
from labkit.compose import CONF
from labkit.config import Flag, build
from labkit.models.network import Model
from labkit.report.canvas import render
from labkit.report.sheet_csv import to_csv
from labkit.report.sheet_terminal import to_terminal
from labkit.runs import commands, provenance
from labkit.runs.plan import resolved, writable
from labkit.shipped import IN_FILE, defaults
from labkit.tasks.only import names_asked_for
from labkit.tracking import session, tag
from labkit.tracking.tracker import Tracker

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPERIMENT = "checks"
_WIDTH = 180  # of a table that goes to a file


@defaults("task/check")
def check(
    *, only: str | list[str] | None = None, details: Flag = IN_FILE
) -> Callable[[DictConfig, Sequence[str]], None]:
    """Make the task that prints the table of verdicts and records it in the experiment `checks`.

    Args:
        only: Name of a test, or a list of names; None for all.
        details: True for a line for each verdict, instead of one for each layer, network and model; the files always
            have all.

    Returns:
        The task. It raises SystemExit with code 1 where a check fails.

    Raises:
        ConfigError: There is no such test.
    """
    tests = names_asked_for(only, TESTS, "test")

    def task(config: DictConfig, overrides: Sequence[str]) -> None:
        """Run the tests, show and record what they find; raises as `check` says."""
        plain = resolved(config)
        tracking, paths = (build(group, plain[group], plain["targets"]) for group in ("tracker", "paths"))
        root = Path(paths.root).absolute()
        if tracking.enabled:
            writable(root)
            session.start_writer(config)  # it imports MLflow meanwhile, and writes nothing before a run
        started = time.perf_counter()
        found = run(tests, shipped_models(), _announce)
        seconds = time.perf_counter() - started
        show(found, details, seconds)
        if tracking.enabled:
            record(found, session.tracker(tracking, root), {**plain, "lab": EXPERIMENT}, overrides, seconds)
        if found.failed:
            session.settle()
            raise SystemExit(1)

    return task


def shipped_models() -> dict[str, Model]:
    """Return every option of conf/model as it stands, by name."""
    return {path.stem: _model(path) for path in sorted((CONF / "model").glob("*.yaml"))}


def _model(path: Path) -> Model:
    """Return the model of a file of conf/model."""
    root = OmegaConf.create({"model": _node(path)})  # where its interpolations begin
    plain = cast(dict[str, object], OmegaConf.to_container(root.model, resolve=True))
    return build("model", plain)  # type: ignore[no-any-return]


def _node(path: Path) -> DictConfig:
    """Return a model file on top of those of its folder that its defaults name, merged as Hydra does it."""
    own = cast(DictConfig, OmegaConf.load(path))
    names = own.pop("defaults", ["_self_"])
    files = (own if name == "_self_" else _node(path.with_name(f"{name}.yaml")) for name in names)
    return cast(DictConfig, OmegaConf.merge(*files))


def _announce(test: str) -> None:
    """Say on a terminal which test runs; all of them take some seconds."""
    if sys.stderr.isatty():
        print(f"checking: {test}", file=sys.stderr)


def show(found: Findings, details: bool, seconds: float) -> None:
    """Print the table, what its columns mean, every failure in full, and the totals."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDTH
    console = Console(width=width, highlight=False)
    console.print(to_terminal(full(found.verdicts) if details else overview(found.verdicts)))
    for test in dict.fromkeys(verdict.test for verdict in found.verdicts):
        print(f"{test}: {' '.join(str(TESTS[test].__doc__).split())}")
    if found.failed and not details:
        console.print(to_terminal(full(found.failed)))
    print(f"{summary(found.verdicts)} ({seconds:.1f} s)")


def record(
    found: Findings, tracker: Tracker, config: Mapping[str, object], overrides: Sequence[str], seconds: float
) -> None:
    """Write one run with the table and the figures, FAILED where a check has failed.

    It begins when all is known, so that a check that breaks off leaves no run behind.

    Args:
        found: Findings of all tests.
        tracker: Tracker of the store.
        config: Configuration as plain values.
        overrides: Words of the command line.
        seconds: Wall time of the tests in seconds.
    """
    kept = tracker.start_run(
        experiment=EXPERIMENT,
        name="check",
        params={"task.only": " ".join(dict.fromkeys(verdict.test for verdict in found.verdicts))},
        tags={
            **provenance.tags(config, commands.single(overrides, config)),
            tag.CHECKS: str(len(found.verdicts)),
            tag.PROCESS: provenance.process(),
            tag.FOUND: "\n".join(found.sentences),
        },
    )
    counts = {"checks": len(found.verdicts), "checks_failed": len(found.failed), "time/seconds": seconds}
    kept.log(0, {**counts, **found.numbers})
    kept.artifact_text("checks.csv", to_csv(full(found.verdicts)))
    kept.artifact_text("checks.md", full_markdown(found.verdicts))
    for name, figure in figures(found):
        kept.artifact_bytes(f"figures/{name}.png", render(figure))
    kept.finish("FAILED" if found.failed else "FINISHED", summary(found.verdicts) if found.failed else "")


def figures(found: Findings) -> Iterator[tuple[str, Figure]]:
    """Yield the figures of the findings, each with its file's name."""
    for subject, curves in found.remainders.items():
        name = f"taylor_{'_'.join(subject.replace(',', '').split())}"
        yield name, draw.taylor_remainders(curves, f"Taylor remainders of the {subject}")
    if found.differences:
        yield "finite_differences", draw.finite_differences(found.differences)
    if found.losses:
        yield "memorised_losses", draw.memorised_losses(found.losses, OVERFIT_LOSS)
