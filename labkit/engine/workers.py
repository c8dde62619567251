"""Threads that train blocks side by side: torch does its work without Python's lock, so they really do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import TypeVar

import torch

from labkit.engine.execution import Execution

_POLL_SECONDS = 0.1
T = TypeVar("T")


class Workers:
    """The workers of an execution; one alone works in the thread that asks it.

    Args:
        execution: How many there are, and with how many threads of torch each.
    """

    def __init__(self, execution: Execution) -> None:
        self._threads = execution.threads
        self._pool: ThreadPoolExecutor | None = None
        if execution.workers > 1:
            # Torch's number of threads belongs to the thread that sets it.
            self._pool = ThreadPoolExecutor(execution.workers, "worker", torch.set_num_threads, (self._threads,))
        self._stopped = False

    def __enter__(self) -> Workers:
        torch.set_num_threads(self._threads)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopped = True
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    @property
    def alone(self) -> bool:
        """True where work is done in the thread that asks for it."""
        return self._pool is None

    @property
    def stopped(self) -> bool:
        """True where a worker should leave its work: the training was broken off."""
        return self._stopped

    def do(self, work: Sequence[Callable[[], T]], meanwhile: Callable[[], object] = lambda: None) -> list[T]:
        """Do pieces of work, as many at once as there are workers, and return their results in order.

        Args:
            work: Functions without arguments.
            meanwhile: Function called now and then while workers are busy; one alone is not interrupted by it.
        """
        if self._pool is None:
            return [one() for one in work]
        futures: list[Future[T]] = [self._pool.submit(one) for one in work]
        try:
            while wait(futures, _POLL_SECONDS, FIRST_EXCEPTION).not_done:
                for future in futures:
                    if future.done():
                        future.result()  # raises what went wrong, while the others are at work
                meanwhile()
            return [future.result() for future in futures]
        except BaseException:
            self._stopped = True
            raise
