"""The seconds from a command to its first update: `python benchmarks/first_step.py START`, for `run.py startup`.

The clock stops inside the first step of the engine; it is watched once the configuration has been checked, so that
importing torch stays where `labkit` does it.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import labkit.cli
from labkit.multirun.callback import Hooks

START = float(sys.argv[1])
_check = Hooks._check_single


def _check_and_watch(self: Hooks, config: Any) -> None:
    _check(self, config)
    from labkit.engine.step import Stepper

    step = Stepper.step

    def timed(stepper: Stepper, *arguments: Any) -> Any:
        print("FIRST", time.time() - START, flush=True)
        Stepper.step = step  # type: ignore[method-assign]
        return step(stepper, *arguments)

    Stepper.step = timed  # type: ignore[method-assign]


Hooks._check_single = _check_and_watch  # type: ignore[method-assign]
sys.argv = ["labkit"]
labkit.cli.main()
