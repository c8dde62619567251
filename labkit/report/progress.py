"""One progress line while a run trains.

On a terminal it is redrawn in place; elsewhere (a file, a pipe, a job's log) it becomes a plain line at evaluations, at
most one every two seconds. Written without rich: a carriage return is all it takes, and a run starts 0.1 s sooner.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

from labkit.report.durations import duration, per_step

TERMINAL_PERIOD, PLAIN_PERIOD = 0.1, 2.0  # least seconds between two prints


class ProgressLine:
    """The progress of one run, or of one population, on one line.

    Args:
        stream: Stream to write to; None: standard error.
        quiet: Silences the line altogether.
        clock: Clock in seconds, by which all rates and pauses are measured.
    """

    def __init__(
        self, stream: TextIO | None = None, *, quiet: bool = False, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._clock = clock
        self._quiet = quiet
        self._terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self.start(0, "")
        self._next = float("inf")

    def start(self, total_steps: int, description: str, first_step: int = 0) -> None:
        """Begin a run of `total_steps` updates, of which a resumed one has done `first_step` already."""
        self._total, self._description, self._first = total_steps, " ".join(description.split()), first_step
        self._loss: float | None = None
        self._val_accuracy: float | None = None
        self._lr: float | None = None
        self._step, self._width, self._silent = first_step, 0, True
        self._begun = self._clock()
        self._next = float("inf") if self._quiet else self._begun

    def due(self) -> bool:
        """Return whether `update` would redraw the line now; asked before values are fetched from a device for it.

        Always False off a terminal, where only evaluations are printed.
        """
        return self._terminal and self._clock() >= self._next

    def update(
        self, step: int, loss: float | None = None, val_accuracy: float | None = None, lr: float | None = None
    ) -> None:
        """Take in that `step` updates are done, and redraw the line if its pause is over.

        Off a terminal only an evaluation prints a line. A call costs less than a microsecond unless a line is due, so
        it may follow every step.

        Args:
            step: Updates done.
            loss: Training loss; None keeps the last one.
            val_accuracy: Accuracy on the validation part, a share; it marks an evaluation. None keeps the last one.
            lr: Learning rate; None keeps the last one.
        """
        self._step = step
        if loss is not None:
            self._loss = loss
        if lr is not None:
            self._lr = lr
        if val_accuracy is not None:
            self._val_accuracy = val_accuracy
        elif not self._terminal and not self._silent:
            return
        now = self._clock()
        if now >= self._next:
            self._print(self._line(now))
            self._next = now + (TERMINAL_PERIOD if self._terminal else PLAIN_PERIOD)

    def finish(self) -> None:
        """Write the last state, whatever the pauses say, and leave the line. Harmless when called again."""
        if self._next == float("inf"):
            return
        self._print(self._line(self._clock(), done=True))
        if self._terminal:
            self._write("\n")
        self._next = float("inf")

    def _line(self, now: float, done: bool = False) -> str:
        spent, steps = now - self._begun, self._step - self._first
        parts = [f"{self._step}/{self._total}"]
        if done:
            parts.append(f"in {duration(spent)}")
        elif steps > 0:
            parts.append(f"ETA {duration(spent / steps * max(self._total - self._step, 0))}")
        else:
            parts.append("ETA -:--")
        if steps > 0:
            parts.append(f"{per_step(spent / steps)}/step")
        if self._loss is not None:
            parts.append(f"loss {self._loss:.4g}")
        if self._val_accuracy is not None:
            parts.append(f"val acc {100 * self._val_accuracy:.2f}%")
        if self._lr is not None:
            parts.append(f"lr {self._lr:.3g}")
        return self._fit("  ".join(parts))

    def _fit(self, numbers: str) -> str:
        """Return the line, its description cut where a terminal is too narrow: a wrapped line cannot be overwritten."""
        description = self._description
        if self._terminal:
            room = max(shutil.get_terminal_size().columns - 1, 20)
            left = max(room - len(numbers) - 1, 0)
            description = (
                description if len(description) <= left else f"{description[: left - 3]}..." if left > 6 else ""
            )
            numbers = numbers[:room]
        return f"{description} {numbers}".lstrip()

    def _print(self, line: str) -> None:
        self._silent = False
        if not self._terminal:
            return self._write(line + "\n")
        self._write("\r" + line.ljust(self._width))
        self._width = len(line)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the reader has gone; that must not end the training
            self._quiet, self._next = True, float("inf")
