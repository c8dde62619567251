"""The single entrypoint. Light: a TAB imports this file and Hydra, nothing else."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import chdir

import hydra
from omegaconf import DictConfig

from labkit import disk, standard_streams
from labkit.compose import CONF, explain, is_complaint, register_resolvers
from labkit.multirun.configured_task import ConfiguredTask, trains
from labkit.quick_omegaconf import quicken

register_resolvers()
quicken()


class LabkitTask(ConfiguredTask):
    """Works in the folder of the command, wherever Hydra stands for the job.

    That folder holds the store, and paths are meant from there, with `hydra.job.chdir=true` and in Ray's workers too.
    """

    def __call__(self, config: DictConfig) -> object:
        """Do one job; return what a search is told of it."""
        from hydra.core.hydra_config import HydraConfig

        from labkit.multirun import launchers
        from labkit.tracking import session

        in_worker = os.getpid() != _home
        if in_worker:
            launchers.begin_worker()
        try:
            with chdir(HydraConfig.get().runtime.cwd):
                value = self._do(config, list(HydraConfig.get().overrides.task), in_worker)
            if in_worker:
                session.settle()
            return value
        except Exception as error:
            if in_worker:
                session.settle()  # else its end is not in the store when the command looks
            elif not _wants_traces:
                _refuse(error)  # here, before Hydra says in a line of its own that a job failed
            raise

    def _do(self, config: DictConfig, words: Sequence[str], in_worker: bool) -> object:
        if not trains(config):
            return dispatch(config, words)
        from labkit.multirun.launchers import worker_data
        from labkit.runs.plan import plan
        from labkit.runs.training_run import train_plan

        checked, self.plan = self.plan, None
        if checked is None:
            checked = plan(config, words, prepared=worker_data() if in_worker else None)
        return train_plan(checked)


def dispatch(config: DictConfig, overrides: Sequence[str]) -> object:
    """Do what `task` says; return what it returns."""
    from labkit.config import build
    from labkit.runs.plan import resolved

    plain = resolved(config)
    task = build("task", plain["task"], plain["targets"])
    return task(config, overrides)


_start = hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")(LabkitTask())
_wants_traces = False
_home = 0  # the process of the command; a job that finds itself in another is a launcher's worker


def at_home() -> None:
    """Take note that this process gives the command, and is no launcher's worker."""
    global _home
    _home = os.getpid()


def main() -> None:
    """Run the command line; exit code 0, 2 after the user's mistake (one sentence on stderr), 1 after any other.

    Standard output that is closed, lacks a sign, or whose reader leaves early, ends no run; what was lost of it makes
    the code 1, without a word for a reader such as `head`.
    """
    global _wants_traces
    standard_streams.prepare()
    if hasattr(signal, "SIGUSR1") and signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # it asks a training for its state; nobody else has one
    _collect_rarely()
    at_home()
    if sys.argv[1:2] == ["ui"]:
        sys.argv[1] = "task=ui"  # the one task with a name of its own, as it is what every run's end prints
    _wants_traces = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and this is where a mistake becomes one sentence
    try:
        _resume()
        _run()
    except SystemExit as left:
        if left.code:
            raise
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        _abandon(error)
        if not _wants_traces:
            _refuse(error)
        raise
    lost = standard_streams.lost()
    if lost:
        print(f"labkit: {lost}", file=sys.stderr)
    if lost is not None:
        sys.exit(1)


def _collect_rarely() -> None:
    """Look for cyclic garbage after 500,000 new objects instead of 700, and not once more when Python ends.

    Modules and configurations are hundreds of thousands that stay: looking through them took a sixth of a short run.
    """
    gc.set_threshold(500_000, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)


def _resume() -> None:
    """Put the words of the run that `resume=` names in the place of the command line's."""
    if any(word.startswith("resume=") for word in sys.argv[1:]):
        from labkit.runs.resumption import resumed

        sys.argv[1:] = resumed(sys.argv[1:])


def _run() -> None:
    try:
        _start()
    except Exception as error:
        words = _postponed() if is_complaint(error) else None
        if words is None:
            raise
        sys.argv[1:] = words
        _start()


def _postponed() -> list[str] | None:
    """The command line with the words postponed that only the jobs of a multirun can judge, if it has such words."""
    from hydra._internal.utils import get_args_parser

    from labkit.multirun.postponed_words import postpone

    given = get_args_parser().parse_args(sys.argv[1:])
    folder = None if given.config_dir is None else os.path.abspath(given.config_dir)
    if folder is not None and not os.path.isdir(folder):
        return None
    later = postpone(given.overrides, folder, given.multirun)
    if later is None:
        return None
    instead = dict(zip(given.overrides, later, strict=True))
    return [instead.get(word, word) for word in sys.argv[1:]]


def _abandon(error: Exception) -> None:
    from labkit.tracking import session

    session.abandon(error)


def _refuse(error: Exception) -> None:
    """End with one sentence where the error is the user's, the store's or a sweep's; return where it is ours."""
    from labkit.config import ConfigError
    from labkit.multirun.grid_sweep import JobsFailed
    from labkit.search.results import SearchFailed
    from labkit.tracking.store import TrackingError

    if isinstance(error, ConfigError | TrackingError | JobsFailed | SearchFailed):
        sentence = str(error)
    elif is_complaint(error):
        sentence = explain(error, sys.argv[1:])
    elif not (sentence := disk.complaint(error)):
        return
    _abandon(error)  # now: what the store complains of is in the sentence, not to be said again when Python ends
    print(f"labkit: {sentence}", file=sys.stderr)
    sys.exit(2 if isinstance(error, ConfigError) or is_complaint(error) else 1)


if __name__ == "__main__":
    main()
