"""The `trainer` group: the length, the batches and the arithmetic of a run."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field

from labkit.config import ConfigError, Count, Flag, Positive
from labkit.optim.schedules import Length, Schedule
from labkit.shipped import IN_FILE, defaults

DEFAULT_EPOCHS = 10
_MOST_UPDATES = 100_000_000  # the rate and the loss of every update are kept in memory
_EVERY = re.compile(r"(\d+)/(epoch|cycle|run)")
_DTYPES = {"float64": torch.float64}  # of the parameters; else float32
# A thread pays from about this many multiply-adds of its own in a step; `make bench` prints the table behind it.
_WORK_PER_THREAD = 20_000_000


def cores() -> int:
    """Return the number of cores that this process may use.

    LABKIT_CORES, set by a parent that starts several processes, comes first, then Slurm's own variable.
    """
    told = _number("LABKIT_CORES") or _number("SLURM_CPUS_PER_TASK")
    if told:
        return told
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def most_threads() -> int:
    """Return the number of threads that a training may use: joblib and Ray say it by OMP_NUM_THREADS."""
    return _number("LABKIT_CORES") or _number("OMP_NUM_THREADS") or cores()


def _number(variable: str) -> int:
    """Return an environment variable as a number; 0 where it is not set or is no number."""
    told = os.environ.get(variable, "")
    return int(told) if told.isdecimal() else 0


@dataclass(frozen=True)
@defaults("trainer/default")
class Trainer:
    """Keys of the group `trainer`.

    Attributes:
        epochs: Number of passes over the training part; None is 10, unless `steps` or the schedule decides.
        steps: Number of updates, instead of epochs.
        batch_size: Number of samples per update; the last batch of an epoch may be shorter.
        device: Device to train on; `auto` is the GPU where there is one.
        precision: Precision of the parameters; `bfloat16` keeps them in float32 and multiplies in bfloat16. `fast` is
            the faster of float32 and bfloat16 on this machine: a plan puts it in the place of the word.
        threads: Number of CPU threads; `auto` is part of the execution.
        execution: How the steps are computed: `auto` is timed once and remembered; else parts of
            `labkit.engine.execution.Execution` by name, or the id of a run to do as it did.
        eval_every: Frequency of evaluations: `n/epoch`, `n/cycle`, `n/run`, or a number of updates between two; None is
            10/cycle with cycles, else 1/epoch.
        eval_train: True to evaluate the training part, too, as `train/*`; a number to evaluate so many of its samples,
            the same in every run (`labkit.preprocess.split.subset`).
        gradient: Source of gradients: `analytic` is each layer's hand-written backward pass, `autograd` torch's;
            `auto` is analytic.
        patience: Number of evaluations without a lower `val/loss` after which to stop; None is never.
        ensemble: Number of last cycle ends whose networks form an ensemble (snapshot ensembles, Huang et al. 2017):
            the mean of their class probabilities gives `val/ensemble/*` and `test/ensemble/*`. None is no ensemble.

    Raises:
        ConfigError: Two keys contradict each other, `eval_every` cannot be read, or there is no GPU to use.
    """

    epochs: Positive | None = None
    steps: Count | None = None
    batch_size: Count = IN_FILE
    device: Literal["auto", "cpu", "cuda"] = IN_FILE
    precision: Literal["float32", "bfloat16", "float64", "fast"] = IN_FILE
    threads: Literal["auto"] | Annotated[int, Field(ge=1, le=256, strict=True)] = IN_FILE
    execution: str | dict[str, Any] = IN_FILE
    eval_every: str | Count | None = None
    eval_train: Flag | Count = IN_FILE
    gradient: Literal["auto", "analytic", "autograd"] = IN_FILE
    patience: Count | None = None
    ensemble: Count | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None and self.steps is not None:
            raise ConfigError("trainer.steps: give either trainer.epochs or trainer.steps, not both.")
        if isinstance(self.eval_every, str) and not _EVERY.fullmatch(self.eval_every):
            raise ConfigError(
                f"trainer.eval_every: expected such as '10/cycle', '1/epoch' or a number of updates, "
                f"got {self.eval_every!r}."
            )
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("trainer.device: 'cuda' was asked for and torch sees no GPU; valid: auto, cpu.")

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the parameters and features."""
        return _DTYPES.get(self.precision, torch.float32)

    @property
    def product(self) -> torch.dtype | None:
        """Dtype of the matrix products, None where it is the parameters' own."""
        return torch.bfloat16 if self.precision == "bfloat16" else None

    def chosen_device(self) -> torch.device:
        """Return the device that the run is on."""
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return torch.device(self.device)

    def chosen_threads(self, multiply_adds: int) -> int:
        """Return the number of threads for work of `multiply_adds`, all members and passes together."""
        if self.threads != "auto":
            return self.threads
        return max(1, min(most_threads(), multiply_adds // _WORK_PER_THREAD))

    def length(self, samples: int, schedule: Schedule) -> Length:
        """Return the run's length in updates; raise ConfigError where trainer and schedule both decide it."""
        per_epoch = -(-samples // self.batch_size)
        fixed = Length(per_epoch, samples, self.batch_size, 0)
        if schedule.updates is not None:
            for key in ("epochs", "steps"):
                if getattr(self, key) is not None:
                    raise ConfigError(f"trainer.{key}: schedule={schedule.kind} sets the run's length; leave it null.")
            total = schedule.updates(fixed)
        elif self.steps is not None:
            total = self.steps
        else:
            total = max(1, round((self.epochs if self.epochs is not None else DEFAULT_EPOCHS) * per_epoch))
        if total > _MOST_UPDATES:
            raise ConfigError(f"trainer: the run would take {total:,} updates, expected at most {_MOST_UPDATES:,}.")
        return Length(per_epoch, samples, self.batch_size, total)

    def snapshots(self, length: Length, schedule: Schedule) -> list[int]:
        """Return the updates after which the networks are kept for the ensemble: the last `ensemble` ends of cycles.

        Raises:
            ConfigError: The run could end early, has no cycles, or has fewer than `ensemble`.
        """
        if self.ensemble is None:
            return []
        if self.patience is not None:
            raise ConfigError("trainer.ensemble: it needs every cycle, and trainer.patience may end the run before.")
        if schedule.cycle is None:
            raise ConfigError(f"trainer.ensemble: it needs a schedule with cycles, got schedule={schedule.kind}.")
        cycle = schedule.cycle(length)
        ends = [length.total - i * cycle for i in range(length.total // cycle)]
        if self.ensemble > len(ends):
            raise ConfigError(f"trainer.ensemble: expected at most schedule.cycles={len(ends)}, got {self.ensemble}.")
        return sorted(ends[: self.ensemble])

    def evaluations(self, length: Length, schedule: Schedule) -> list[int]:
        """Return the updates after which the run is evaluated: 0, then as `eval_every` says, and the last.

        Raises:
            ConfigError: `eval_every` counts cycles that the schedule does not have, or asks for none at all.
        """
        cycle = schedule.cycle(length) if schedule.cycle else None
        if isinstance(self.eval_every, int):
            every: float = self.eval_every
        else:
            text = self.eval_every or ("10/cycle" if cycle else "1/epoch")
            count, unit = text.split("/")
            if unit == "cycle" and cycle is None:
                raise ConfigError(f"trainer.eval_every: {text!r} needs a schedule with cycles, got {schedule.kind}.")
            spans = {"epoch": length.per_epoch, "cycle": cycle, "run": length.total}
            span = spans[unit]
            assert span is not None
            if int(count) == 0:
                raise ConfigError(f"trainer.eval_every: {text!r} asks for no evaluation at all, expected at least 1.")
            every = max(1.0, span / int(count))
        # Rounded from the exact spacing: steps of a rounded spacing would drift away from the ends of epochs.
        points = {round(i * every) for i in range(int(length.total / every) + 1)}
        return sorted({p for p in points if p <= length.total} | {0, length.total})
