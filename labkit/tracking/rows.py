"""One run as the store has it, and what its tags say of it: the rules by which a run is told from another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from labkit.tracking import tag

SEED = "seed"  # the parameter that holds it
SECONDS = "time/seconds"  # the metric that holds the time of training
# Beginnings of parameters that make no difference to the numbers, which the config hash leaves out as well: where
# things lie and run, not what was computed.
IGNORED = (
    *(
        "paths.",
        "tracker.",
        "hydra.",
        "task.",
        "trainer.device",
        "trainer.execution",
        "data.root",
        "data.mirror",
        "data.download",
    ),
    *("objective", "targets"),
)
_UNTRAINED = (tag.CHECKS, tag.PRINCIPLE)
_NO_CONTESTANT = (tag.SWEEP, tag.SEEDS_OF, tag.LAB_PART, *_UNTRAINED)


@dataclass(frozen=True)
class RunRow:
    """One run of the store.

    Attributes:
        run_id: Id in the store.
        name: Name of the run.
        experiment: Name of its experiment, which is its lab.
        status: RUNNING, FINISHED, FAILED or KILLED.
        start_time: Milliseconds since 1970.
        end_time: Milliseconds since 1970; None while it runs.
        params: Configuration, flattened: `{"optimizer.lr": "0.1"}`.
        metrics: Last value of each metric.
        tags: Values by the names in `labkit.tracking.tag`.
        parent: Id of its parent run; None for a run of its own.
    """

    run_id: str
    name: str = ""
    experiment: str = ""
    status: str = "FINISHED"
    start_time: int = 0
    end_time: int | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None

    def __getitem__(self, name: str) -> object:
        """Return an attribute by its name, as notebooks write it: `table.rows[0]["metrics"]`."""
        if name not in (known.name for known in fields(self)):
            raise KeyError(name)
        return getattr(self, name)

    def with_tags(self, told: Mapping[str, str]) -> RunRow:
        """Return the same run with other values of some tags."""
        return replace(self, tags={**self.tags, **told})

    @property
    def config_hash(self) -> str:
        """Equal for runs that must give equal results; empty for a run that trains nothing."""
        return self.tags.get(tag.CONFIG_HASH, "")

    @property
    def seed_group(self) -> str:
        """Equal for runs that differ in their seed at most."""
        return self.tags.get(tag.SEED_GROUP, "")

    @property
    def shape(self) -> str:
        """Equal for runs that cost the same."""
        return self.tags.get(tag.SHAPE, "")

    @property
    def seed(self) -> str:
        """Seed as text; empty where none is stored."""
        return self.params.get(SEED, "")

    @property
    def study(self) -> str:
        """Name of the sweep or search that trained it first."""
        return self.tags.get(tag.STUDY, "")

    @property
    def stage(self) -> str:
        """Stage of its search; empty for a run of no search."""
        return self.tags.get(tag.STAGE, "")

    @property
    def trial(self) -> str:
        """Number of its trial in that stage."""
        return self.tags.get(tag.TRIAL, "")

    @property
    def code(self) -> str:
        """Versions of the user's own code on one line; empty where there is none."""
        return self.tags.get(tag.CODE, "")

    @property
    def settings_hash(self) -> str:
        """Hash of everything but that code; that of everything where there is none."""
        return self.tags.get(tag.SETTINGS) or self.config_hash

    @property
    def curves(self) -> str:
        """File and version of the curves that are drawn beside its own."""
        return self.tags.get(tag.CURVES, "")

    @property
    def process(self) -> str:
        """Process that writes it, on one line."""
        return self.tags.get(tag.PROCESS, "")

    @property
    def execution(self) -> str:
        """How its steps were computed, see `labkit.engine.execution`; empty where that was not recorded."""
        return self.tags.get(tag.EXECUTION, "")

    @property
    def processor(self) -> str:
        """The processor that it ran on; empty where that was not recorded."""
        return self.tags.get(tag.PROCESSOR, "")

    @property
    def data_sha256(self) -> str:
        """Hash of its data set's content; empty for a run that broke off before it was known."""
        return self.tags.get(tag.DATA_SHA256, "")

    @property
    def data_notes(self) -> tuple[str, ...]:
        """Remarks on its data set, a sentence each."""
        return tuple(self.tags.get(tag.DATA_NOTES, "").splitlines())

    @property
    def diagnoses(self) -> tuple[str, ...]:
        """Sentences that it said at its end."""
        return tuple(self.tags.get(tag.DIAGNOSIS, "").splitlines())

    @property
    def found(self) -> tuple[str, ...]:
        """Sentences that a check or a principle found."""
        return tuple(self.tags.get(tag.FOUND, "").splitlines())

    @property
    def seconds(self) -> float:
        """Time of training in seconds; 0 where none is stored."""
        return self.metrics.get(SECONDS, 0.0)

    @property
    def finished(self) -> bool:
        """True where it came to its end by itself, diverged or not."""
        return self.status == "FINISHED"

    @property
    def diverged(self) -> bool:
        """True where its loss became infinite or NaN."""
        return tag.DIVERGED_AT in self.tags

    @property
    def pruned(self) -> bool:
        """True where its search gave it up."""
        return tag.PRUNED_AT in self.tags

    @property
    def ended(self) -> bool:
        """True where it came to its end, be it that its search gave it up: the status is written last."""
        return self.finished or (self.status == "KILLED" and self.pruned)

    @property
    def opened_test(self) -> bool:
        """True where it measured anything on the test set."""
        return any(name.startswith("test/") for name in self.metrics)

    @property
    def is_sweep(self) -> bool:
        """True where it is the parent run of a multirun, or one that speaks for the seeds of a setting."""
        return tag.SWEEP in self.tags

    @property
    def speaks_for_others(self) -> bool:
        """True where it is no training of its own: the parent of a multirun, means over runs, a part, a check."""
        return any(name in self.tags for name in _NO_CONTESTANT)

    @property
    def is_untrained(self) -> bool:
        """True where it says what a check or a principle found, without training."""
        return any(name in self.tags for name in _UNTRAINED)

    def outcome(self, objective: str) -> str:
        """Return how it ended for who asks for one metric: FINISHED, or why there is no result.

        Args:
            objective: Name of a metric.

        Returns:
            FINISHED with a finite value; else PRUNED, FAILED, KILLED, RUNNING, DIVERGED, or NO VALUE where the metric
            was never logged.
        """
        if self.pruned:
            return "PRUNED"
        if not self.finished:
            return self.status
        if not self.diverged and objective not in self.metrics:
            return "NO VALUE"
        return "FINISHED" if not self.diverged and math.isfinite(self.metrics[objective]) else "DIVERGED"
