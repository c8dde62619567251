"""What happens around Hydra's jobs: checks before anything is written, a multirun's parent run, its leaderboard."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict


class Hooks(Callback):
    """Hydra calls these; an exception in a callback is only a warning to it, so refusals leave by SystemExit."""

    def __init__(self) -> None:
        self._parent: Any = None

    def __reduce__(self) -> tuple[type[Hooks], tuple[()]]:
        """Launchers send the hooks to their workers; the parent run stays here."""
        return Hooks, ()

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Check and build the run before Hydra makes its output folder."""
        _or_exit(lambda: _check_single(config))

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Open the parent run of a sweeper that is not ours; ours do so themselves."""
        _or_exit(lambda: self._open(config))

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """End the parent run and print the leaderboard."""
        _or_exit(lambda: self._close(config))

    def on_run_end(self, config: DictConfig, **_: Any) -> None:
        """Wait until the store has everything."""
        _or_exit(_close_session)

    def _open(self, config: DictConfig) -> None:
        from labkit.multirun import foreign_sweep, launchers, postponed_words, unread_words

        foreign_sweep.check_plugins(config)
        postponed_words.restore(config)
        unread_words.check_task(config)
        launchers.prepare(config)
        self._parent = foreign_sweep.begin(config)

    def _close(self, config: DictConfig) -> None:
        from labkit.multirun import foreign_sweep

        if self._parent is not None:
            foreign_sweep.end(config, self._parent)
        _close_session()


def _check_single(config: DictConfig) -> None:
    from labkit.multirun import unread_words
    from labkit.multirun.parent_run import task_name
    from labkit.tracking import session

    unread_words.check_single(config)
    if task_name(config) != "train":
        _check_task(config)
        return
    session.start_writer(config)
    from labkit.runs.plan import plan

    plan(config)
    unread_words.check_run(unread_words.words_of(config), config)


def _check_task(config: DictConfig) -> None:
    """A task that trains nothing: its keys are checked, and it gets no output folder."""
    from labkit.config import build
    from labkit.multirun import unread_words
    from labkit.multirun.parent_run import task_name
    from labkit.runs.plan import resolved

    plain = resolved(config)
    build("task", plain["task"], plain["targets"])
    unread_words.check_task(config)
    unread_words.check_run(unread_words.words_of(config) if task_name(config) == "info" else (), config)
    with open_dict(config):
        config.hydra.run.dir = "."
        config.hydra.output_subdir = None


def _close_session() -> None:
    from labkit.tracking import session

    session.close()


def _or_exit(action: Callable[[], None]) -> None:
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
        traceback.print_exc()
        raise SystemExit(1) from None
