"""What the store keeps of a part: one run with its claims, its commands and the runs behind them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from labkit.labs.claim_table import claim_sheet
from labkit.labs.command import CommandOutcome, command_line
from labkit.labs.selection import Rows, diagnoses, wall_seconds
from labkit.labs.verdict import Verdict, stored_verdict
from labkit.report.sheet_csv import to_csv
from labkit.report.sheet_markdown import to_markdown
from labkit.runs import commands, provenance
from labkit.runs.plan import resolved
from labkit.tracking import session
from labkit.tracking import tags as tag
from labkit.tracking.reading import artifact
from labkit.tracking.rows import RunRow
from labkit.tracking.settings import Mlflow
from labkit.tracking.store import default_store
from labkit.tracking.tracker import Tracker


@dataclass(frozen=True)
class Record:
    """A part as the store has it.

    Attributes:
        row: its run.
        verdicts: its claims.
        steps: by name: `command`, `code`, `seconds` of wall time (of the call, or of its runs where earlier calls
            trained them), seconds of `training`, `run_ids` and the `stages` that these were of in the step (a search
            may use a run in several), the runs that opened the test set (`tested`), and what is known of the winners
            taken and what the runs said at their ends (`diagnoses`).
    """

    row: RunRow
    verdicts: Sequence[Verdict]
    steps: Mapping[str, Mapping[str, Any]]

    @property
    def profile(self) -> str:
        """It ran in."""
        return self.row.params["profile"]

    @property
    def given(self) -> tuple[str, ...]:
        """The words that gave it another data set than its own; none where none did."""
        return tuple(shlex.split(self.row.tags.get(tag.PART_GIVEN, "")))

    @property
    def tested(self) -> set[str]:
        """The runs that opened the test set."""
        return {run_id for step in self.steps.values() for run_id in step["tested"]}


def keep(
    config: DictConfig,
    overrides: Sequence[str],
    definition: str,
    ran: Mapping[str, CommandOutcome],
    found: Sequence[Verdict],
    given: Sequence[str] = (),
    given_sha256: str = "",
) -> None:
    """One run for a part; FAILED where a claim or a step failed.

    Args:
        config: of the command, with `lab`, `part` and `profile` of this part.
        overrides: the words that run the part again.
        definition: of the part, see `labkit.labs.definition`.
        ran: its steps.
        found: its claims.
        given: words that name another data set than the lab's own, and
        given_sha256: the hash of that data.
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
    kept.artifact_text("steps.json", json.dumps({name: _step(step) for name, step in ran.items()}, indent=1))
    kept.set_tag(tag.PART_WHOLE, str(whole).lower())
    kept.set_tag(tag.PART_DEFINITION, definition)
    bad = failed or not whole
    kept.finish("FAILED" if bad else "FINISHED", "A claim or a step failed." if bad else "")


def earlier_rows(tracker: Tracker, root: Path, definition: str) -> dict[str, Rows] | None:
    """The rows of each step of a part that ran whole before, by its definition; None where it has not."""
    found = list(read(tracker.whole_parts(definition), root))
    if not found:
        return None
    steps = found[-1].steps
    ids = {run_id for step in steps.values() for run_id in step["run_ids"]}
    runs = tracker.by_id(ids)
    if ids - runs.keys():  # runs were deleted since
        return None
    return {name: rows_of(step, runs) for name, step in steps.items()}


def rows_of(step: Mapping[str, Any], runs: Mapping[str, RunRow]) -> list[RunRow]:
    """The rows of a step as it had them, each with its stage there: its own tags name the search that trained it first.

    Args:
        step: One of `Record.steps`; those of earlier versions know no stages.
        runs: Rows of the store by id; a run that is not among them is left out.
    """
    stages = step.get("stages") or [None] * len(step["run_ids"])
    return [
        runs[run_id] if stage is None else runs[run_id].with_tags({tag.STAGE: stage})
        for run_id, stage in zip(step["run_ids"], stages, strict=True)
        if run_id in runs
    ]


def read(rows: Iterable[RunRow], root: Path) -> Iterator[Record]:
    """The records among the rows of a store, but for those that were never finished or are of another version."""
    uri, _ = default_store(root)
    for row in rows:
        if tag.LAB_PART not in row.tags or tag.PART_DEFINITION not in row.tags:
            continue
        try:
            claims, steps = (json.loads(artifact(uri, row.run_id, f"{name}.json")) for name in ("claims", "steps"))
            verdicts = [stored_verdict(one) for one in claims]
        except (TypeError, ValueError, KeyError):
            continue
        if all("tested" in step for step in steps.values()):
            yield Record(row, verdicts, steps)


def _step(step: CommandOutcome) -> dict[str, Any]:
    runs = {row.run_id: row for row in step.rows}.values()
    tested = [row.run_id for row in runs if row.opened_test]
    return {
        "command": command_line(step.words),
        "code": step.code,
        "seconds": max(step.seconds, wall_seconds(step.rows)),
        "training": sum(row.seconds for row in runs if not row.speaks_for_others),
        "run_ids": [row.run_id for row in step.rows],
        "stages": [row.stage or None for row in step.rows],
        "tested": tested,
        "diagnoses": [*step.notes, *diagnoses(step.rows)],
    }


def _data(row: RunRow) -> str:
    """The data set's name, with a star where it is read from files that are not the published archive."""
    name = row.params.get("data._target_", "data").rpartition(".")[2]
    verified = row.tags.get(tag.DATA_VERIFIED) != "false"
    return name if verified or "data.root" not in row.params else f"{name}*"
