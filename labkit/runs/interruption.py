"""Signals during a training: the state is kept first, then the process ends, or goes on."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

_ENDING = (signal.SIGINT, signal.SIGTERM)
_KEEPING = getattr(signal, "SIGUSR1", None)  # Windows has none


class Terminated(SystemExit):
    """The end of a process that was asked to end by SIGTERM, with the exit code that shells give it."""

    def __init__(self, message: str) -> None:
        super().__init__(128 + signal.SIGTERM)
        self._message = message

    def __str__(self) -> str:
        return self._message


class Interruption:
    """What signals have asked of a training.

    Args:
        quiet: True in a worker: it prints nothing, and whoever started it may tell it to end twice.

    Attributes:
        asked: True where the state is to be kept now.
        ending: Signal after which the process is to end; None to go on.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self.asked = False
        self.ending: int | None = None

    def error(self, message: str) -> BaseException:
        """Return the exception that ends the process."""
        return KeyboardInterrupt(message) if self.ending == signal.SIGINT else Terminated(message)

    def take(self, number: int, frame: FrameType | None) -> None:
        """Take note of a signal; a second one that ends the process does so at once."""
        if number in _ENDING:
            if self.ending is not None and self._quiet:
                return
            if self.ending is not None:
                raise self.error("ended before its state could be kept")
            self.ending = number
            if not self._quiet:
                print("\nlabkit: keeping the state, then ending; once more to end at once", file=sys.stderr)
        self.asked = True


@contextmanager
def heeded(quiet: bool = False) -> Iterator[Interruption]:
    """Heed SIGINT, SIGTERM and SIGUSR1 while a training can be asked for its state; in the main thread only.

    Whoever handles a signal already, such as a launcher that puts its jobs back in a queue, keeps it.
    """
    interruption = Interruption(quiet)
    own: dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    if _KEEPING is not None:
        own[_KEEPING] = signal.SIG_IGN
    with _handled({number: interruption.take for number, usual in own.items() if _is_usual(number, usual)}):
        yield interruption


@contextmanager
def ending_in_order(pass_on: Callable[[int], None]) -> Iterator[None]:
    """Let SIGTERM raise `Terminated`, so that whoever has workers can tell them; SIGUSR1 is passed on to them.

    Args:
        pass_on: Function that sends a signal to the workers.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise Terminated("ended by SIGTERM")

    own: dict[int, Any] = {signal.SIGTERM: end} if _is_usual(signal.SIGTERM, signal.SIG_DFL) else {}
    if _KEEPING is not None and _is_usual(_KEEPING, signal.SIG_IGN):
        own[_KEEPING] = lambda number, frame: pass_on(number)
    with _handled(own):
        yield


@contextmanager
def passed_by() -> Iterator[None]:
    """Let the processes that are started meanwhile ignore Ctrl-C, which reaches a whole group: they are told apart."""
    with _handled({signal.SIGINT: signal.SIG_IGN}):
        yield


def _is_usual(number: int, usual: object) -> bool:
    return signal.getsignal(number) in (usual, signal.SIG_DFL)


@contextmanager
def _handled(handlers: Mapping[int, Any]) -> Iterator[None]:
    """Handle signals within the `with`; outside the main thread Python cannot."""
    if threading.current_thread() is not threading.main_thread():
        handlers = {}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
