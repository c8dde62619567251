"""The writer process of commands that run inside the tests' process: forked from one that has imported MLflow already.

That import takes most of such a test's time. Tests of the writer itself, and all that start `labkit` in a process of
its own, have the real one.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import warnings
from multiprocessing.connection import Connection
from typing import Any
from unittest.mock import patch

from labkit.tracking.store import environment

_context = multiprocessing.get_context("forkserver")


class WarmWriter:
    """What the client uses of a `Popen`, with the arguments that the client gives it.

    Args:
        command: of the writer; its last word is the trainer's process.
        env: variables of the writer.
    """

    def __init__(self, command: list[str], *, env: dict[str, str], **_: Any) -> None:
        listen, send = _context.Pipe(duplex=False)
        hear, reply = _context.Pipe(duplex=False)
        self._process = _context.Process(
            target=_serve, args=(listen, reply, command[-1], env, os.getcwd()), daemon=True
        )
        with patch.dict(os.environ, environment()):  # the process to fork from starts here, with the first writer
            _context.set_forkserver_preload(["mlflow.store.tracking.sqlalchemy_store", "labkit.tracking.writer"])
            self._process.start()
        self.pid = self._process.pid
        self.stdin = os.fdopen(os.dup(send.fileno()), "wb", buffering=0)
        self.stdout = os.fdopen(os.dup(hear.fileno()), "rb", buffering=0)
        for end in (listen, send, hear, reply):
            end.close()

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> int:
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode


def _serve(listen: Connection, reply: Connection, trainer: str, env: dict[str, str], folder: str) -> None:
    """Become the writer: its pipes, session, folder, variables and words."""
    from labkit.tracking import writer

    warnings.simplefilter("ignore")
    os.setsid()
    os.dup2(listen.fileno(), 0)
    for stream in (1, 2):
        os.dup2(reply.fileno(), stream)
    for end in (listen, reply):
        end.close()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["writer", trainer]
    os._exit(writer.main())
