"""The notebook API: `labkit.run` and `labkit.sweep`, the command line's runs and multiruns from Python."""

from __future__ import annotations

import io
import os
from contextlib import ExitStack, redirect_stderr, redirect_stdout

from labkit import cli, own_code
from labkit.compose import CONF, compose, explain, is_complaint, register_resolvers
from labkit.config import ConfigError
from labkit.multirun.configured_task import trains
from labkit.multirun.grid_sweep import JobsFailed
from labkit.multirun.postponed_words import postpone
from labkit.multirun.unread_words import check_run
from labkit.runs.plan import plan
from labkit.runs.record import Job
from labkit.runs.result import Result, Table
from labkit.runs.training_run import execute
from labkit.tracking import session


def run(*overrides: str, quiet: bool = False) -> Result:
    """Train one configuration: `run("experiment=kth/ex3", "optimizer.lr=0.05")`.

    Args:
        overrides: the words that would follow `labkit` on the command line.
        quiet: print nothing.

    Raises:
        ConfigError: where the command would exit with code 2; nothing is written then.
        TrackingError: the store could not be written. The last values are written after the return, at the latest when
            Python ends; what is lost then is said on stderr.
    """
    own_code.renew()
    config = compose(overrides)
    if not trains(config) or str(config.hydra.mode).endswith("MULTIRUN"):
        raise ConfigError("run: it trains one configuration; other tasks and sweeps are for the command line.")
    ready = plan(config, overrides)
    check_run(overrides, config)
    return execute(Job(ready, dict(os.environ)), quiet=quiet)


def sweep(*overrides: str, quiet: bool = False) -> Table:
    """Run a multirun: `sweep("sweeps=kth/lambda")`, `sweep("optimizer.lr=0.1,0.01", "seeds=3")`.

    Args:
        overrides: the words that would follow `labkit -m` on the command line.
        quiet: print nothing.

    Raises:
        ConfigError: where the command would exit with code 2; nothing is written then.
        TrackingError: the store could not be written.
        Exception: what the first of too many failed jobs raised.
    """
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    cli.at_home()
    own_code.renew()
    register_resolvers()
    GlobalHydra.instance().clear()
    with ExitStack() as stack:
        if quiet:
            stack.enter_context(redirect_stdout(io.StringIO()))
            stack.enter_context(redirect_stderr(io.StringIO()))
        stack.enter_context(initialize_config_dir(config_dir=str(CONF), version_base="1.3", job_name="labkit"))
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        try:
            words = postpone(overrides, multirun=True) or list(overrides)
            returns = hydra.multirun("config", task_function=cli.LabkitTask(), overrides=words)
        except Exception as error:
            session.abandon(error)
            if isinstance(error, JobsFailed) and error.__cause__ is not None:
                raise error.__cause__ from None
            if not is_complaint(error):
                raise
            raise ConfigError(explain(error, overrides)) from None
    table: Table | None = getattr(returns, "table", None)
    if table is None:
        raise ConfigError("sweep: it gives a table of recorded runs; leave tracker, task and the sweeper as they are.")
    return table
