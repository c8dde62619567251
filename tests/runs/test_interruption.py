"""Signals during a training: they ask for its state, once more they end it at once, and afterwards all is as before."""

from __future__ import annotations

import os
import pickle
import signal
import threading

import pytest

from labkit.runs.interruption import Terminated, ending_in_order, heeded, passed_by

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def test_a_signal_asks_for_the_state(capsys: pytest.CaptureFixture[str]) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with heeded() as found:
        assert (found.asked, found.ending) == (False, None)
        send(signal.SIGUSR1)
        assert (found.asked, found.ending) == (True, None)
        found.asked = False
        send(signal.SIGTERM)
        assert (found.asked, found.ending) == (True, signal.SIGTERM)
        assert "keeping the state" in capsys.readouterr().err
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_second_one_ends_at_once(number: int, error: type[BaseException]) -> None:
    with heeded():
        send(number)
        with pytest.raises(error):
            send(number)


def test_a_worker_may_be_told_twice() -> None:
    """By whoever started it, and by the pool that it belongs to."""
    with heeded(quiet=True) as found:
        send(signal.SIGTERM)
        send(signal.SIGTERM)
    assert found.ending == signal.SIGTERM


def test_the_exit_code_is_that_of_a_shell() -> None:
    with heeded(quiet=True) as found:
        send(signal.SIGTERM)
    error = found.error("stopped after update 3")
    assert isinstance(error, SystemExit)
    assert (error.code, str(error)) == (143, "stopped after update 3")
    assert pickle.loads(pickle.dumps(error)).code == 143
    with heeded(quiet=True) as found:
        send(signal.SIGINT)
    assert isinstance(found.error(""), KeyboardInterrupt)


def test_whoever_handles_a_signal_already_keeps_it() -> None:
    """As submitit does, whose jobs are put back in the queue."""
    taken: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: taken.append(number))
    try:
        with heeded() as found:
            send(signal.SIGUSR1)
        assert (taken, found.asked) == ([signal.SIGUSR1], False)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_those_who_have_workers() -> None:
    passed_on: list[int] = []
    with ending_in_order(passed_on.append):
        send(signal.SIGUSR1)
        with pytest.raises(Terminated, match="SIGTERM"):
            send(signal.SIGTERM)
    assert passed_on == [signal.SIGUSR1]
    with passed_by():
        send(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_another_thread_handles_no_signals() -> None:
    found: list[int] = []

    def work() -> None:
        with heeded() as interruption, ending_in_order(found.append), passed_by():
            found.append(interruption.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]
