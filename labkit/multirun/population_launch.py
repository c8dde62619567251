"""`hydra/launcher=population`: the jobs of a multirun, each group of them trained as one program."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn, configure_log, run_job, setup_globals
from omegaconf import DictConfig

from labkit.multirun.callback import hooks
from labkit.multirun.composer import Composer
from labkit.multirun.configured_task import ConfiguredLauncher, ConfiguredTask, trains

if TYPE_CHECKING:
    from labkit.multirun.together import Training

_FRAMES_PER_JOB = 5  # of Python's stack: each job of a group runs inside the one before


def launch(launcher: ConfiguredLauncher, job_overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
    """Do what Hydra's basic launcher does, group by group; return one return per job, in order."""
    setup_globals()
    config = launcher.config
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    Path(str(config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
    own = hooks(launcher.hydra_context)
    known = own.composer if own is not None else None
    composer = known or Composer(launcher.hydra_context.config_loader, config)
    configs = [composer.numbered(words, first + i) for i, words in enumerate(job_overrides)]
    returns: dict[int, JobReturn] = {}
    for members, train in _programs(launcher, configs):
        returns |= _run_nested(launcher, members, configs, train)
        configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    return [returns[i] for i in range(len(configs))]


def _programs(
    launcher: ConfiguredLauncher, configs: Sequence[DictConfig]
) -> Iterable[tuple[tuple[int, ...], Training]]:
    """Yield the groups, each with what trains it; jobs that train nothing, and other programs', are groups of one."""
    if not isinstance(launcher.task_function, ConfiguredTask) or not all(trains(config) for config in configs):
        return [((i,), lambda tasks: [launcher.task_function(tasks[0])]) for i in range(len(configs))]
    from labkit.multirun.together import programs

    own = hooks(launcher.hydra_context)
    return programs(configs, launcher.limits, [own.take(one) for one in configs] if own is not None else None)


def _run_nested(
    launcher: ConfiguredLauncher, members: Sequence[int], configs: Sequence[DictConfig], train: Training
) -> dict[int, JobReturn]:
    """Run the group through Hydra's own `run_job`, each job inside the one before; the innermost trains them all.

    So every job has its folder, files, environment, callbacks and status from Hydra, and all have started before the
    first update and end after the last.
    """
    returns: dict[int, JobReturn] = {}
    tasks: list[DictConfig] = []
    answers: list[object] = []
    broken: list[Exception] = []

    def enter(position: int) -> None:
        if position == len(members):
            answers.extend(train(tasks))
            return

        def task(config: DictConfig) -> object:
            tasks.append(config)
            try:
                enter(position + 1)
            except Exception as error:
                broken.append(error)
            if broken:
                raise broken[0]
            answer = answers[position]
            if isinstance(answer, BaseException):
                raise answer
            return answer

        returns[members[position]] = run_job(
            task_function=task,
            config=configs[members[position]],
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=launcher.hydra_context,
            configure_logging=position == 0,
        )

    with _deep_stack(_FRAMES_PER_JOB * len(members)):
        enter(0)
    if len(returns) < len(members):  # one could not start, as where its folder cannot be written to
        raise broken[0]
    return returns


@contextmanager
def _deep_stack(frames: int) -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + frames)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
