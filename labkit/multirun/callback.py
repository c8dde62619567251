"""Hydra's callbacks: checks before anything is written, the plans they build, a multirun's parent run and its end."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hydra.experimental.callback import Callback
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from labkit.multirun.configured_task import ConfiguredTask, task_name, trains
from labkit.words import hydra_words

if TYPE_CHECKING:
    from labkit.multirun.composer import Composer
    from labkit.runs.plan import Plan
    from labkit.tracking.tracker import Run


class Hooks(Callback):
    """Hydra calls these; an exception in a callback is only a warning to it, so refusals leave by SystemExit.

    What was checked before the jobs started waits here for them: a job trains the plan that its check has built.

    Attributes:
        composer: Composer of the multirun's jobs, once a sweeper of ours has made it.
    """

    def __init__(self) -> None:
        self._parent: Run | None = None
        self._plans: dict[int | None, Plan] = {}
        self.composer: Composer | None = None

    def __reduce__(self) -> tuple[type[Hooks], tuple[()]]:
        """Launchers send the hooks to their workers; the parent run and the plans stay here."""
        return Hooks, ()

    def on_run_start(self, config: DictConfig, **_: object) -> None:
        """Check and build the run before Hydra makes its output folder."""
        _or_exit(lambda: self._check_single(config))

    def on_job_start(self, config: DictConfig, *, task_function: TaskFunction | None = None, **_: object) -> None:
        """Hand the job its plan, where it is one of labkit's and was planned in this process."""
        if isinstance(task_function, ConfiguredTask):
            task_function.plan = self.take(config)

    def on_multirun_start(self, config: DictConfig, **_: object) -> None:
        """Start the store's writer, and open the parent run of a sweeper that is not ours; ours do so themselves."""
        _or_exit(lambda: self._open(config))

    def on_multirun_end(self, config: DictConfig, **_: object) -> None:
        """End the parent run and print the leaderboard."""
        _or_exit(lambda: self._close(config))

    def on_run_end(self, config: DictConfig, **_: object) -> None:
        """Wait until the store has everything."""
        _or_exit(_close_session)

    def expect(self, plans: Sequence[Plan], first: int | None) -> None:
        """Hold the plans of the jobs that are about to start, in place of those held before.

        Args:
            plans: Plan of each job, in order.
            first: Hydra's number of the first job; None for a single run.
        """
        if first is None:
            self._plans = {None: plans[0]}
        else:
            self._plans = dict(enumerate(plans, start=first))

    def take(self, config: DictConfig) -> Plan | None:
        """Give away the plan of a job; None where there is none for its number and its words.

        Args:
            config: Configuration of the job, with Hydra's node.
        """
        plan = self._plans.pop(OmegaConf.select(config, "hydra.job.num"), None)
        return plan if plan is not None and plan.words == tuple(config.hydra.overrides.task) else None

    def _open(self, config: DictConfig) -> None:
        from labkit.tracking import session

        if trains(config):
            session.start_writer(config)  # first: it imports MLflow while all else is imported here
        from labkit.multirun import foreign_sweep, launchers, postponed_words, unread_words

        foreign_sweep.check_plugins(config)
        postponed_words.restore(config)
        unread_words.check_task(config)
        launchers.prepare(config)
        self._parent, plans = foreign_sweep.begin(config)
        self.expect(plans, 0)

    def _close(self, config: DictConfig) -> None:
        from labkit.multirun import foreign_sweep

        if self._parent is not None:
            foreign_sweep.end(config, self._parent)
        _close_session()

    def _check_single(self, config: DictConfig) -> None:
        from labkit.multirun import unread_words
        from labkit.multirun.composer import speaking_for
        from labkit.tracking import session

        unread_words.check_single(config)
        if not trains(config):
            _check_task(config)
            return
        session.start_writer(config)
        from labkit.runs.plan import plan

        words = hydra_words(config.hydra)
        with speaking_for(config):
            self.expect([plan(config, words)], None)
        unread_words.check_run(words, config)


def hooks(context: HydraContext) -> Hooks | None:
    """Return labkit's hooks, which a sweeper and its launcher have in common; None in a program without them."""
    return next((one for one in context.callbacks.callbacks if isinstance(one, Hooks)), None)


def _check_task(config: DictConfig) -> None:
    """A task that trains nothing: its keys are checked, and it gets no output folder."""
    from labkit.config import build
    from labkit.multirun import unread_words
    from labkit.runs.plan import resolved

    plain = resolved(config)
    build("task", plain["task"], plain["targets"])
    unread_words.check_task(config)
    unread_words.check_run(hydra_words(config.hydra) if task_name(config) == "info" else (), config)
    with open_dict(config):
        config.hydra.run.dir = "."
        config.hydra.output_subdir = None


def _close_session() -> None:
    from labkit.tracking import session

    session.close()


def _or_exit(action: Callable[[], None]) -> None:
    from labkit import disk
    from labkit.compose import explain, is_complaint
    from labkit.config import ConfigError
    from labkit.tracking.store import TrackingError

    try:
        action()
    except (ConfigError, TrackingError) as error:
        print(f"labkit: {error}", file=sys.stderr)
        raise SystemExit(2 if isinstance(error, ConfigError) else 1) from None
    except Exception as error:
        if is_complaint(error):
            print(f"labkit: {explain(error)}", file=sys.stderr)
            raise SystemExit(2) from None
        if said := disk.complaint(error):
            print(f"labkit: {said}", file=sys.stderr)
        else:
            traceback.print_exc()
        raise SystemExit(1) from None
