"""A job's code that would end the process fails its job; whoever else ends it may."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from labkit.runs.interruption import Terminated
from labkit.runs.own_exit import ExitError, no_way_out


@pytest.mark.parametrize("status", [0, None, 3, "no"])
def test_sys_exit(status: object) -> None:
    with pytest.raises(ExitError, match=r"its code called sys.exit\("), no_way_out():
        sys.exit(status)  # type: ignore[arg-type]


def test_os_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    usual = os._exit
    with pytest.raises(ExitError, match=r"its code called os._exit\(0\)"), no_way_out():
        os._exit(0)
    assert os._exit is usual
    assert left == []


def test_a_watching_thread_may_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    with no_way_out():
        watch = threading.Thread(target=os._exit, args=(1,), daemon=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threading, "excepthook", lambda told: None)  # the stand-in of os._exit returns
            watch.start()
            watch.join()
    assert left == [1]


def test_a_signal_still_ends_the_process() -> None:
    with pytest.raises(Terminated), no_way_out():
        raise Terminated("stopped after update 3")
    with pytest.raises(KeyboardInterrupt), no_way_out():
        raise KeyboardInterrupt
    with pytest.raises(ArithmeticError), no_way_out():
        raise ArithmeticError
