"""The record of a step: its command, how that ended, and the runs behind it, as `steps.json` of a part keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from labkit.labs.command import CommandOutcome, command_line
from labkit.labs.selection import Rows
from labkit.report.diagnoses import kind
from labkit.tracking import tag
from labkit.tracking.rows import RunRow


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """A step as the store has it; the fields are the keys of the stored JSON, in their order.

    Attributes:
        command: Command line.
        code: Exit code.
        seconds: Wall time in seconds, of the call or of its runs where earlier calls trained them.
        training: Seconds of training, summed over the runs.
        run_ids: Ids of the runs; a search may use a run in several stages, and names it once for each.
        stages: Stage of each of `run_ids` in this step; () in records of earlier versions.
        tested: Ids of the runs that opened the test set.
        diagnoses: Sentences on the winners that it took over, and what its runs said at their ends.
    """

    command: str
    code: int
    seconds: float
    training: float
    run_ids: tuple[str, ...]
    stages: tuple[str | None, ...] = ()
    tested: tuple[str, ...]
    diagnoses: tuple[str, ...] = ()


_STORED = TypeAdapter(StepRecord)


def step_record(step: CommandOutcome) -> StepRecord:
    """Return what the store keeps of a step."""
    runs = {row.run_id: row for row in step.rows}.values()  # each once, in however many stages it is
    return StepRecord(
        command=command_line(step.words),
        code=step.code,
        seconds=max(step.seconds, wall_seconds(step.rows)),
        training=sum(row.seconds for row in runs if not row.speaks_for_others),
        run_ids=tuple(row.run_id for row in step.rows),
        stages=tuple(row.stage or None for row in step.rows),
        tested=tuple(row.run_id for row in runs if row.opened_test),
        diagnoses=(*step.notes, *diagnoses(step.rows)),
    )


def stored_step(plain: Mapping[str, object]) -> StepRecord:
    """Return the record of a step from stored JSON.

    Raises:
        ValueError: A key is missing, or a value is of another type. A record that does not count the openings of the
            test set is too old to be read, since it would pass for one that opened it never.
    """
    return _STORED.validate_python(plain)


def rows_of(step: StepRecord, runs: Mapping[str, RunRow]) -> list[RunRow]:
    """Return the rows of a step as it had them, each with its stage there.

    A row's own tags name the stage of the search that trained it first.

    Args:
        step: Record of the step.
        runs: Rows of the store by id; a run that is not among them is left out.
    """
    stages = step.stages or [None] * len(step.run_ids)
    return [
        runs[run_id] if stage is None else runs[run_id].with_tags({tag.STAGE: stage})
        for run_id, stage in zip(step.run_ids, stages, strict=True)
        if run_id in runs
    ]


def wall_seconds(rows: Rows) -> float:
    """Return the seconds in which at least one of these runs was under way, whenever that was.

    A run without an end does not count.
    """
    spans = sorted((row.start_time, row.end_time) for row in rows if row.end_time is not None)
    total, last = 0, 0
    for start, end in spans:
        total += max(0, end - max(start, last))
        last = max(last, end)
    return total / 1000


def diagnoses(rows: Rows) -> list[str]:
    """Return a sentence for each kind of diagnosis: how many runs said it at their ends, and the first one's words."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        for sentence in row.diagnoses:
            kinds.setdefault(kind(sentence), []).append((row.run_id[:8], sentence))
    return [f"{len(own)} of {len(rows)} runs, first {own[0][0]}: {own[0][1]}" for own in kinds.values()]
