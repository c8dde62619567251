"""Jobs trained side by side in processes of one thread each, where stacking them as one program does not pay."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from labkit.config import Plain
from labkit.engine.block import Outcome
from labkit.engine.trainer import cores
from labkit.multirun.launchers import end_with_parent
from labkit.report.progress import ProgressLine
from labkit.runs import record
from labkit.runs.checkpoints import Checkpoints, Owned, discard
from labkit.runs.decision_regions import Frames
from labkit.runs.interruption import Terminated, ending_in_order, passed_by
from labkit.runs.plan import plan
from labkit.runs.record import Job, Place
from labkit.runs.result import Result
from labkit.runs.training_run import Watch, record_outcome, train_jobs
from labkit.tracking.tracker import Run

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

    Row = tuple[int, dict[str, float]]  # updates done, metrics
    Rows = Queue[tuple[int, Row | bool]]  # number of the job, and its row; whether it goes on, where it begins


class Trained(NamedTuple):
    """A job as its worker hands it back.

    Attributes:
        outcome: Its end, with arrays for tensors: torch would share memory that the worker may take with it.
        pruned: True where its search gave it up.
        frames: Frames of its animation.
        checkpoints: Where its checkpoints are.
    """

    outcome: Outcome
    pruned: bool
    frames: Frames
    checkpoints: Owned


_POLL_SECONDS = 0.1
_relay: Rows | None = None  # of a worker: the queue to its parent


def execute_side_by_side(jobs: Sequence[Job], processes: int | None, quiet: bool = False) -> list[Result | Exception]:
    """Train every job in a process of its own, as many at once as there are cores; one result or failure per job.

    The rows of all jobs pass through this process, which alone writes to the store. Each worker prepares the data
    itself.
    """
    count = min(processes or cores(), len(jobs))
    context = multiprocessing.get_context("spawn")  # a fork of a process that runs threads may hang
    rows = context.Queue()
    runs: dict[int, Run | None] = {}
    line = ProgressLine(quiet=quiet)
    line.start(len(jobs), f"{jobs[0].plan.name}: jobs, {count} side by side")
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(count, context, _begin, (rows,))

    def tell(number: int) -> None:
        for worker in multiprocessing.active_children():
            if worker not in others and worker.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, number)

    with ending_in_order(tell):
        try:
            with passed_by():  # the workers start here
                futures = [pool.submit(_train, i, job.plan.config, dict(job.environment)) for i, job in enumerate(jobs)]
            _relay_rows(jobs, runs, rows, futures, line)
            return [_finish_job(job, runs.get(i), futures[i]) for i, job in enumerate(jobs)]
        except BaseException as error:
            if not isinstance(error, Exception):
                print("\nlabkit: the jobs keep their states and end; the same command goes on", file=sys.stderr)
            tell(signal.SIGTERM)  # they keep their states first
            for run in filter(None, runs.values()):
                if run.open:
                    record.break_off(run, error)
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            line.finish()


def _relay_rows(
    jobs: Sequence[Job], runs: dict[int, Run | None], rows: Rows, futures: Sequence[Future[Trained]], line: ProgressLine
) -> None:
    """Start the run of a job that begins, log what arrives, until all are done."""
    while True:
        ended = wait(futures, timeout=0).not_done == set()
        while not rows.empty():
            i, row = rows.get()
            if isinstance(row, bool):
                runs[i] = record.start(jobs[i], "" if row else None)
            elif (run := runs[i]) is not None:
                run.log(*row)
                run.check()
        line.update(sum(future.done() for future in futures))
        if ended:
            return
        wait(futures, timeout=_POLL_SECONDS)


def _finish_job(job: Job, run: Run | None, future: Future[Trained]) -> Result | Exception:
    try:
        outcome, pruned, frames, checkpoints = future.result()
    except Exception as error:
        if run is not None:
            record.break_off(run, error)
        return error
    tensors = {name: torch.from_numpy(array) for name, array in outcome.parameters.items()}
    outcome = dataclasses.replace(outcome, parameters=tensors)
    result = record_outcome(job, run, outcome, Place((job.plan.config_hash,), 0), pruned, True, frames)
    if isinstance(result, Result):
        discard(job, checkpoints)
    return result


def _begin(rows: Rows) -> None:
    """A worker's start: it knows its queue, its one core, and ends when its parent has."""
    global _relay
    _relay = rows
    os.environ["LABKIT_CORES"] = "1"
    torch.set_num_threads(1)
    end_with_parent()


def _tell(i: int, row: Row | bool) -> None:
    assert _relay is not None
    _relay.put((i, row))


class _Sender(Run):
    """Stands for the run in a worker: its rows go to the parent."""

    def __init__(self, i: int) -> None:
        super().__init__()
        self._i = i

    @property
    def known_id(self) -> str:
        """Return nothing: the parent alone knows it."""
        return ""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        _tell(self._i, (step, dict(values)))


def _train(i: int, config: Plain, environment: dict[str, str]) -> Trained:
    """One job, in a worker."""
    job = Job(plan(config), environment)
    checkpoints = Checkpoints([job], quiet=True)
    _tell(i, checkpoints.state is not None)
    watch = Watch([job], [_Sender(i)], ProgressLine(quiet=True))
    try:
        outcome = train_jobs([job], watch, checkpoints)[0]
        late = checkpoints.late is not None
    except Terminated:
        late = True
    if late:
        os._exit(1)  # by the way of an exception it would take the next job
    arrays: Any = {name: tensor.numpy() for name, tensor in outcome.parameters.items()}
    return Trained(
        dataclasses.replace(outcome, parameters=arrays), bool(watch.pruned), watch.film.frames[0], checkpoints.owned
    )
