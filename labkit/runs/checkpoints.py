"""Checkpoints of a training: when they are due, what they say, and how a training goes on from one."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from labkit.config import ConfigError
from labkit.engine.execution import Execution
from labkit.engine.loop import Keeper
from labkit.engine.processor import processor
from labkit.runs import checkpoint_files, commands, provenance
from labkit.runs.interruption import Interruption, heeded
from labkit.runs.record import Job, flattened
from labkit.tracking import session
from labkit.tracking.rows import IGNORED

RESUME = "LABKIT_RESUME"  # environment variable: the folder that `labkit resume=` goes on from
_SLURM_JOB = "slurm_job"  # the fact that holds the id of a Slurm job
_SHARE = 0.02  # of the time that checkpoints may take


class Owned(NamedTuple):
    """The place of a training's checkpoints.

    Attributes:
        training: Folder of the training.
        folder: Folder of its owner in it.
    """

    training: Path
    folder: Path


class Checkpoints(Keeper):
    """The keeper of the checkpoints of one training of one or several jobs.

    Args:
        jobs: The members of the training.
        quiet: True to print nothing, as in a worker.

    Attributes:
        state: State to go on from; None to begin.
        execution: Execution that the state belongs to; None to begin.
        run_ids: Ids of the members' runs in the store, as far as the state knows them.
        owned: The place of the checkpoints.
        late: What ends the process after the training, where a signal came too late to stop it; else None.

    Raises:
        ConfigError: `labkit resume=` names a training that this process cannot go on with.
    """

    def __init__(self, jobs: Sequence[Job], quiet: bool = False) -> None:
        first = jobs[0].plan
        self._quiet = quiet
        self._jobs = jobs
        self._every = first.tracking.checkpoint_every if first.tracking.enabled else None
        hashes = "\n".join(job.plan.config_hash for job in jobs)
        training = checkpoint_files.folder(first.paths.root) / hashlib.sha256(hashes.encode()).hexdigest()[:16]
        self.owned = Owned(training, training / checkpoint_files.own_name())
        self._interruption: Interruption | None = None
        self._observer: Callable[[], dict[str, Any]] = dict
        self._ids: Callable[[], Sequence[str]] = list
        self._interval = self._every or 0.0
        self._due = float("inf")
        self._step = 0  # of the last checkpoint
        self.late: BaseException | None = None
        self.state: dict[str, Any] | None = None
        self.execution: Execution | None = None
        self.run_ids: Sequence[str] = [""] * len(jobs)
        if self._every is not None:
            self._claim()

    def _claim(self) -> None:
        """Take over the state of an earlier call: of a job of a multirun or of one that Slurm put back in its queue.

        A run of its own begins anew, unless `labkit resume=` asks for it.
        """
        first = self._jobs[0]
        requeued = checkpoint_files.of_job(self.owned.training, _SLURM_JOB, _requeued(first.environment))
        if asked := first.environment.get(RESUME):
            self._take(Path(asked))
        elif first.parent is None and not requeued:
            self._mention()
            return
        elif not checkpoint_files.claim(*self.owned, requeued):
            return
        damaged: list[str] = []
        found = checkpoint_files.newest(self.owned.folder, damaged)
        for sentence in damaged:
            self._say(sentence)
        if found is None:
            self._say("no whole checkpoint is left; the training begins anew.")
            return
        facts = found.facts
        given = first.plan.recipe.trainer.execution
        execution = facts["execution"] if isinstance(given, str) else {**facts["execution"], **given}
        if other := _difference(facts["execution"], execution):
            self._say(f"the checkpoint was written with trainer.execution {other}; the training begins anew.")
            return
        if other := _difference(facts["device"], _device(first)):
            self._say(f"the checkpoint was written with {other}; the training begins anew.")
            return
        if other := _difference(facts["machine"], machine()):
            self._say(f"the checkpoint was written with {other}; the last digits may differ.")
        self.state, self.execution, self.run_ids = found.state, Execution(**execution), facts["run_ids"]
        step = min(block["state"]["step"] for block in found.state["training"]["blocks"])
        self._say(f"{first.plan.name} goes on after update {step:,} of {facts['total']:,}.")

    def _take(self, asked: Path) -> None:
        """Take over the folder that `labkit resume=` names; raise ConfigError where it is of another training."""
        if asked.parent.resolve() != self.owned.training.resolve():
            facts = checkpoint_files.newest_facts(asked) or {"settings": {}}
            now = _settings(self._jobs[0])
            other = _difference(facts["settings"], now) or "labkit, the data or code of your own in another version"
            raise ConfigError(f"resume: the run cannot go on, since it began with {other}.")
        if not checkpoint_files.take(asked, self.owned.folder):
            raise ConfigError("resume: another process goes on with the run.")

    def _mention(self) -> None:
        """Say what an earlier run of the same settings left, which this run does not go on from."""
        for owned in checkpoint_files.superfluous(*self.owned):
            facts = checkpoint_files.newest_facts(owned)
            if facts is not None and (run_id := facts["run_ids"][0]):
                self._say(f"such a run broke off earlier; `{commands.resume(run_id)}` would have gone on with it.")
                return

    @contextmanager
    def watching(
        self, execution: Execution, total: int, observer: Callable[[], dict[str, Any]], ids: Callable[[], Sequence[str]]
    ) -> Iterator[None]:
        """Keep checkpoints within the `with`, and heed signals.

        Args:
            execution: How the training is computed.
            total: Number of its updates.
            observer: Function that returns what its observer needs to go on.
            ids: Function that returns the ids of the members' runs, empty texts where unknown.
        """
        if self._every is None:
            yield
            return
        self._total, self._observer, self._ids = total, observer, ids
        self.execution = execution
        self._due = time.monotonic() + self._interval
        with heeded(self._quiet) as self._interruption:
            yield
        if self._interruption.ending is not None:
            self.late = self._interruption.error("stopped after the end of a training")

    def due(self) -> bool:
        """Return whether a signal has asked for the state, or its time has come."""
        return self._interruption is not None and (self._interruption.asked or time.monotonic() >= self._due)

    def keep(self, state: Callable[[], dict[str, Any]]) -> None:
        """Write a checkpoint; end the process where a signal asked for that. A full disk ends no training."""
        assert self._interruption is not None
        assert self._every is not None
        self._interruption.asked = False
        began = time.monotonic()
        try:
            training = state()
            self._step = min(block["state"]["step"] for block in training["blocks"])
            content = {"training": training, "observer": self._observer()}
            checkpoint_files.write(self.owned.folder, self._facts(), content)
            kept = True
        except (OSError, MemoryError, RuntimeError) as error:  # the last one is torch's, where a GPU is full
            self._say(f"no checkpoint under {self.owned.folder}: {error}; the training goes on.")
            kept = False
        now = time.monotonic()
        self._interval = max(self._every, (now - began) / _SHARE)
        self._due = now + self._interval
        if self._interruption.ending is not None:
            way = self.way_on() if kept else "its state could not be kept"
            self.leave()  # now, whoever sees this process or not
            sentence = f"stopped after update {self._step:,} of {self._total:,}; {way}."
            self._say(sentence)
            raise self._interruption.error(sentence)

    def leave(self) -> None:
        """Leave the checkpoints to whoever goes on, where a training broke off."""
        self.owned = self.owned._replace(folder=checkpoint_files.release(self.owned.folder))

    def done(self) -> None:
        """Have the checkpoints removed once the store has all that came of the training."""
        if self._every is not None:
            discard(self._jobs[0], self.owned)

    def way_on(self) -> str:
        """Return how to go on with a training that broke off, as the end of a sentence; empty without a checkpoint."""
        if not self.owned.folder.is_dir():
            return ""
        if self._jobs[0].parent is not None:
            return "the same command goes on with it"
        return f"`{commands.resume(self._known_ids()[0] or 'newest')}` goes on with it"

    def _say(self, sentence: str) -> None:
        if not self._quiet:
            print(f"labkit: {sentence}", file=sys.stderr)

    def _known_ids(self) -> Sequence[str]:
        return self._ids() or [""] * len(self._jobs)

    def _facts(self) -> dict[str, Any]:
        assert self.execution is not None
        first = self._jobs[0]
        return {
            "folder": os.getcwd(),
            "command": first.plan.command,
            "run_ids": list(self._known_ids()),
            "parent": first.parent or "",
            "total": self._total,
            "settings": _settings(first),
            _SLURM_JOB: first.environment.get("SLURM_JOB_ID", ""),
            "execution": vars(self.execution),
            "device": _device(first),
            "machine": machine(),
        }


def _requeued(environment: Mapping[str, str]) -> str:
    """Return the id of the Slurm job that this is, where Slurm has put it back in its queue; empty otherwise.

    Its node may be gone, so that nothing can be known of the process that trained before.
    """
    again = environment.get("SLURM_RESTART_COUNT", "0") not in ("", "0")
    return environment.get("SLURM_JOB_ID", "") if again else ""


def _settings(job: Job) -> dict[str, str]:
    """Return what decides the numbers of a job, by key."""
    ready = job.plan
    known = {key: value for key, value in flattened(ready.config).items() if not key.startswith(IGNORED)}
    return {**known, "data": ready.data.sha256, **ready.code}


def discard(job: Job, owned: Owned) -> None:
    """Have the checkpoints of a training removed once the store has all that came of it."""
    tracker = session.tracker(job.plan.tracking, job.plan.paths.root)
    tracker.discard(checkpoint_files.superfluous(*owned))


def _device(job: Job) -> dict[str, str]:
    """Return the kind of device: the random streams of one cannot go on on another."""
    return {"trainer.device": job.plan.recipe.trainer.chosen_device().type}


def machine() -> dict[str, str]:
    """Return what the last bits of a training depend on, beside its execution."""
    told = provenance.versions()
    return {"processor": processor(), "torch": told["torch"], "numerics": told["numerics"]}


def _difference(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Return what differs between two sets of facts, in words; empty where nothing does."""
    return ", ".join(f"{key}={one.get(key)} (now {other[key]})" for key in other if one.get(key) != other[key])
