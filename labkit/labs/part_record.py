"""The record of a part: one run in the store, with its claims, its commands and the ids of the runs behind them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from omegaconf import DictConfig

from labkit.labs.claim_table import claim_sheet
from labkit.labs.command import CommandOutcome
from labkit.labs.selection import Rows
from labkit.labs.step_record import StepRecord, rows_of, step_record, stored_step
from labkit.labs.stored_verdict import stored_verdict
from labkit.labs.verdict import Verdict
from labkit.report.sheet_csv import to_csv
from labkit.report.sheet_markdown import to_markdown
from labkit.runs import commands, provenance
from labkit.runs.plan import resolved
from labkit.tracking import session, tag
from labkit.tracking.reading import artifact
from labkit.tracking.rows import RunRow
from labkit.tracking.settings import Mlflow
from labkit.tracking.store import default_store
from labkit.tracking.tracker import Tracker


@dataclass(frozen=True)
class Record:
    """A part as the store has it.

    Attributes:
        row: Row of the run that is the record.
        verdicts: Verdict on each claim.
        steps: Record of each step, by name.
    """

    row: RunRow
    verdicts: Sequence[Verdict]
    steps: Mapping[str, StepRecord]

    @property
    def profile(self) -> str:
        """Profile that it ran in."""
        return self.row.params["profile"]

    @property
    def given(self) -> tuple[str, ...]:
        """Words that gave it another data set than its own; () for none."""
        return tuple(shlex.split(self.row.tags.get(tag.PART_GIVEN, "")))

    @property
    def tested(self) -> set[str]:
        """Ids of the runs that opened the test set."""
        return {run_id for step in self.steps.values() for run_id in step.tested}


def keep(
    config: DictConfig,
    overrides: Sequence[str],
    definition: str,
    ran: Mapping[str, CommandOutcome],
    found: Sequence[Verdict],
    given: Sequence[str] = (),
    given_sha256: str = "",
) -> None:
    """Write the record of a part: one run, FAILED where a claim or a step failed.

    Args:
        config: Configuration of the command, with `lab`, `part` and `profile` of this part.
        overrides: Words that run the part again.
        definition: Hash of what the part trains, see `labkit.labs.definition`.
        ran: Outcome of each step's command, by the step's name.
        found: Verdict on each claim.
        given: Words that name another data set than the lab's own; () for none.
        given_sha256: Hash of that data set; "" for none.
    """
    whole = not any(step.code for step in ran.values())
    runs = {row.run_id: row for step in ran.values() for row in step.rows}.values()
    data = {_data(row) for row in runs if not row.speaks_for_others}
    kept = session.tracker(Mlflow(), Path(config.paths.root)).start_run(
        experiment=config.lab,
        name=config.part,
        params={"profile": config.profile, "data": " ".join(sorted(data))},
        tags={
            **provenance.tags(resolved(config), commands.written(overrides, commands.VARIABLES)),
            tag.LAB_PART: f"{config.lab}/{config.part}",
            **({tag.PART_GIVEN: shlex.join(given), tag.PART_GIVEN_SHA256: given_sha256} if given else {}),
        },
    )
    failed = sum(verdict.holds is False for verdict in found)
    seconds = sum(step.seconds for step in ran.values())
    kept.log(0, {"claims": len(found), "claims_failed": failed, "runs": len(runs), "time/seconds": seconds})
    kept.artifact_text("claims.md", to_markdown(claim_sheet(found, config.profile)))
    kept.artifact_text("claims.csv", to_csv(claim_sheet(found, config.profile)))
    kept.artifact_text("claims.json", json.dumps([asdict(verdict) for verdict in found], indent=1))
    kept.artifact_text(
        "steps.json", json.dumps({name: asdict(step_record(step)) for name, step in ran.items()}, indent=1)
    )
    kept.set_tag(tag.PART_WHOLE, str(whole).lower())
    kept.set_tag(tag.PART_DEFINITION, definition)
    bad = failed or not whole
    kept.finish("FAILED" if bad else "FINISHED", "A claim or a step failed." if bad else "")


def earlier_rows(tracker: Tracker, root: Path, definition: str) -> dict[str, Rows] | None:
    """Return the rows of each step of a part that ran whole before.

    Args:
        tracker: Tracker of the store.
        root: Folder of the store.
        definition: Hash of what the part trains; the newest record with it counts.

    Returns:
        Rows by the step's name; None where no such record is, or one of its runs was deleted since.
    """
    found = list(read(tracker.whole_parts(definition), root))
    if not found:
        return None
    steps = found[-1].steps
    ids = {run_id for step in steps.values() for run_id in step.run_ids}
    runs = tracker.by_id(ids)
    if ids - runs.keys():  # runs were deleted since
        return None
    return {name: rows_of(step, runs) for name, step in steps.items()}


def read(rows: Iterable[RunRow], root: Path) -> Iterator[Record]:
    """Yield the records among the rows of a store.

    A record that was never finished is left out, and so is one of a version that kept other things.
    """
    uri, _ = default_store(root)
    for row in rows:
        if tag.LAB_PART not in row.tags or tag.PART_DEFINITION not in row.tags:
            continue
        try:
            claims, steps = (json.loads(artifact(uri, row.run_id, f"{name}.json")) for name in ("claims", "steps"))
            verdicts = [stored_verdict(one) for one in claims]
            read_steps = {name: stored_step(step) for name, step in steps.items()}
        except (TypeError, ValueError, KeyError):
            continue
        yield Record(row, verdicts, read_steps)


def _data(row: RunRow) -> str:
    """Return the data set's name, with a star where it is read from files that are not the published archive."""
    name = row.params.get("data._target_", "data").rpartition(".")[2]
    verified = row.tags.get(tag.DATA_VERIFIED) != "false"
    return name if verified or "data.root" not in row.params else f"{name}*"
