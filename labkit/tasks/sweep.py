"""`labkit.sweep`: the same multirun as the command line's, from Python."""

from __future__ import annotations

import io
from contextlib import ExitStack, redirect_stderr, redirect_stdout

from labkit.compose import CONF, explain, is_complaint, register_resolvers
from labkit.config import ConfigError
from labkit.tasks.plan import forget_data
from labkit.tasks.result import Table


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

    from labkit.cli import entry
    from labkit.tasks import session

    register_resolvers()
    GlobalHydra.instance().clear()
    with ExitStack() as stack:
        if quiet:
            stack.enter_context(redirect_stdout(io.StringIO()))
            stack.enter_context(redirect_stderr(io.StringIO()))
        stack.enter_context(initialize_config_dir(config_dir=str(CONF), version_base="1.3", job_name="labkit"))
        stack.callback(forget_data)
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        try:
            returns = hydra.multirun("config", task_function=entry, overrides=list(overrides))
        except Exception as error:
            session.abandon(error)
            if not is_complaint(error):
                raise
            raise ConfigError(explain(error, overrides)) from None
    table: Table | None = getattr(returns, "table", None)
    if table is None:
        raise ConfigError("sweep: it gives a table of recorded runs; leave tracker, task and the sweeper as they are.")
    return table
