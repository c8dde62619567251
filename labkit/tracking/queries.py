"""Questions to the store, by name: the children of a run, the finished runs of a shape, the runs of a study.

A question is a value that names tags, a status, ids; every backend answers `find`, and the questions by name follow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from labkit.tracking import tag
from labkit.tracking.rows import RunRow

_AT_ONCE = 400  # ids in one question: below what any database takes as variables of a statement


@dataclass(frozen=True)
class Wanted:
    """A question: the runs for which all of this holds.

    Attributes:
        tags: Values of tags by name.
        having: Names of tags that are there, whatever they hold.
        status: RUNNING, FINISHED, FAILED or KILLED; empty for any.
        since: Earliest start in milliseconds since 1970.
        run_ids: Ids; None for any.
        experiments: Names of experiments; None for any. Unknown names match nothing.
        deleted: Ask for the runs that were deleted and can still be restored, instead of those that were not.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    having: tuple[str, ...] = ()
    status: str = ""
    since: int = 0
    run_ids: tuple[str, ...] | None = None
    experiments: tuple[str, ...] | None = None
    deleted: bool = False

    def fits(self, row: RunRow) -> bool:
        """Return whether a run is asked for; whether it was deleted is for the backend to know."""
        return (
            all(row.tags.get(name) == value for name, value in self.tags.items())
            and all(name in row.tags for name in self.having)
            and self.status in ("", row.status)
            and row.start_time >= self.since
            and (self.run_ids is None or row.run_id in self.run_ids)
            and (self.experiments is None or row.experiment in self.experiments)
        )


class Queries(ABC):
    """The questions that labkit asks; each answer holds the oldest run first."""

    @abstractmethod
    def find(self, wanted: Wanted = Wanted()) -> list[RunRow]:
        """Return the runs that a question asks for, oldest first; all that are not deleted unless told otherwise."""

    def children(self, parent: str) -> list[RunRow]:
        """Return the runs whose parent has this id."""
        return self.find(Wanted(tags={tag.PARENT: parent}))

    def finished(self, shape: str) -> list[RunRow]:
        """Return the finished runs that cost the same."""
        return self.find(Wanted(tags={tag.SHAPE: shape}, status="FINISHED"))

    def by_config(self, config_hash: str) -> list[RunRow]:
        """Return the runs that must give equal results, however they ended."""
        return self.find(Wanted(tags={tag.CONFIG_HASH: config_hash}))

    def finished_with_code(self) -> list[RunRow]:
        """Return the finished runs that used code of the user's own."""
        return self.find(Wanted(having=(tag.CODE,), status="FINISHED"))

    def by_study(self, study: str) -> list[RunRow]:
        """Return the runs that a sweep or search of this name trained."""
        return self.find(Wanted(tags={tag.STUDY: study}))

    def failed(self, study: str) -> list[RunRow]:
        """Return those of them that failed."""
        return self.find(Wanted(tags={tag.STUDY: study}, status="FAILED"))

    def sweeps(self, sweep: str) -> list[RunRow]:
        """Return the parent runs of the multiruns of this name."""
        return self.find(Wanted(tags={tag.SWEEP: sweep}))

    def seed_rows(self, mark: str) -> list[RunRow]:
        """Return the runs that speak for the seeds of one setting of a multirun."""
        return self.find(Wanted(tags={tag.SEEDS_OF: mark}))

    def whole_parts(self, definition: str) -> list[RunRow]:
        """Return the records of the part of a lab with this definition, where every step of it ran."""
        return self.find(Wanted(tags={tag.PART_DEFINITION: definition, tag.PART_WHOLE: "true"}))

    def since(self, milliseconds: int) -> list[RunRow]:
        """Return the runs that began at this time (since 1970) or later."""
        return self.find(Wanted(since=milliseconds))

    def by_id(self, run_ids: Iterable[str], *, deleted: bool = False) -> dict[str, RunRow]:
        """Return runs by their ids, whoever made them; ids that the store does not know are left out.

        Args:
            run_ids: Ids in any order.
            deleted: Ask for runs that were deleted and can still be restored, instead of those that were not.
        """
        ids = sorted({run_id for run_id in run_ids if run_id.isalnum()})
        asked = [Wanted(run_ids=tuple(ids[i : i + _AT_ONCE]), deleted=deleted) for i in range(0, len(ids), _AT_ONCE)]
        return {row.run_id: row for wanted in asked for row in self.find(wanted)}
