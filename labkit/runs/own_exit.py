"""Ways out of the process that a job's own code takes: they fail the job, and never pass for success."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from labkit.runs.interruption import Terminated


class ExitError(RuntimeError):
    """The failure of a job whose code would have ended the process."""


@contextmanager
def no_way_out() -> Iterator[None]:
    """Turn `sys.exit` and `os._exit` into the failure of the job that trains within the `with`.

    A forked child may end as it likes, and so may a thread that watches over the process.
    """
    leave, home = os._exit, os.getpid()

    def refuse(status: int) -> NoReturn:
        if os.getpid() != home or threading.current_thread().daemon:
            leave(status)
        raise ExitError(f"its code called os._exit({status})")

    os._exit = refuse
    try:
        yield
    except Terminated:
        raise
    except SystemExit as left:
        raise ExitError(f"its code called sys.exit({'' if left.code is None else left.code!r})") from left
    finally:
        os._exit = leave
