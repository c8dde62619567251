"""What the store keeps of a part: one run with its claims, its commands and the runs behind them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from labkit.labs.command import Ran
from labkit.labs.part import Claim
from labkit.labs.rows import Rows, diagnoses
from labkit.labs.table import to_csv, to_markdown
from labkit.labs.verdict import Verdict
from labkit.tasks import provenance, session
from labkit.tasks.plan import resolved
from labkit.tracking.reading import artifact
from labkit.tracking.store import default_store

# Tags: which part; the hash of what it runs; whether all steps ran; words that give it another data set.
PART, DEFINITION, WHOLE = "labkit.lab_part", "labkit.part_definition", "labkit.part_whole"
GIVEN = "labkit.part_given"


def keep(
    config: DictConfig,
    overrides: Sequence[str],
    definition: str,
    ran: Mapping[str, Ran],
    found: Sequence[Verdict],
    seconds: float,
    given: Sequence[str] = (),
) -> None:
    """One run for a part; FAILED where a claim or a step failed.

    Args:
        config: of the command, with `lab`, `part` and `profile` of this part.
        overrides: the words that run the part again.
        definition: of the part, see `Lab.definition`.
        ran: its steps.
        found: its claims.
        seconds: wall time of this call.
        given: words that name another data set than the lab's own.
    """
    whole = not any(step.code for step in ran.values())
    runs = {row["run_id"]: row for step in ran.values() for row in step.rows}.values()
    opened = [row for row in runs if any(name.startswith("test/") for name in row["metrics"])]
    kept = session.tracker(Path(config.paths.root)).start_run(
        experiment=config.lab,
        name=config.part,
        params={"profile": config.profile, "data": " ".join(sorted({_data(row) for row in runs}))},
        tags={
            **provenance.tags(resolved(config), overrides),
            PART: f"{config.lab}/{config.part}",
            DEFINITION: definition,
            WHOLE: str(whole).lower(),
            **({GIVEN: " ".join(given)} if given else {}),
        },
    )
    failed = sum(verdict.holds is False for verdict in found)
    kept.log(
        0,
        {
            "claims": len(found),
            "claims_failed": failed,
            "runs": len(runs),
            "test_openings": len(opened),
            "time/seconds": seconds,
            "time/training": sum(row["metrics"].get("time/seconds", 0.0) for row in runs),
        },
    )
    kept.artifact_text("claims.md", to_markdown(found, config.profile))
    kept.artifact_text("claims.csv", to_csv(found, config.profile))
    kept.artifact_text("claims.json", json.dumps([asdict(verdict) for verdict in found], indent=1))
    kept.artifact_text("steps.json", json.dumps({name: _step(step) for name, step in ran.items()}, indent=1))
    bad = failed or not whole
    kept.finish("FAILED" if bad else "FINISHED", "A claim or a step failed." if bad else "")


def earlier(tracker: Any, root: Path, definition: str) -> dict[str, Rows] | None:
    """The rows of each step of a part that ran whole before, by its definition; None where it has not."""
    records = tracker.find(f"tags.`{DEFINITION}` = '{definition}' and tags.`{WHOLE}` = 'true'")
    if not records:
        return None
    steps = read(root, records[-1]["run_id"], "steps.json")
    ids = [run_id for step in steps.values() for run_id in step["run_ids"]]
    rows = {row["run_id"]: row for row in _by_id(tracker, ids)}
    if set(ids) - rows.keys():  # runs were deleted since
        return None
    return {name: [rows[run_id] for run_id in step["run_ids"]] for name, step in steps.items()}


def verdicts(root: Path, run_id: str) -> list[Verdict]:
    """The claims of a part's record."""
    return [
        Verdict(**{**plain, "claim": Claim(**plain["claim"]), "run_ids": tuple(plain["run_ids"])})
        for plain in read(root, run_id, "claims.json")
    ]


def read(root: Path, run_id: str, name: str) -> Any:
    """A JSON artifact of a part's record."""
    return json.loads(artifact(default_store(root)[0], run_id, name))


def _by_id(tracker: Any, ids: Sequence[str], portion: int = 200) -> list[Any]:
    found = []
    for start in range(0, len(ids), portion):
        listed = ", ".join(f"'{run_id}'" for run_id in ids[start : start + portion])
        found += tracker.find(f"attributes.run_id IN ({listed})")
    return found


def _step(step: Ran) -> dict[str, Any]:
    return {
        "command": " ".join(["labkit", *step.words]),
        "code": step.code,
        "seconds": step.seconds,
        "training": sum(row["metrics"].get("time/seconds", 0.0) for row in step.rows),
        "test_openings": sum(any(name.startswith("test/") for name in row["metrics"]) for row in step.rows),
        "run_ids": [row["run_id"] for row in step.rows],
        "diagnoses": diagnoses(step.rows),
    }


def _data(row: Mapping[str, Any]) -> str:
    """The data set's name, with a star where it is read from files that are not the published archive."""
    name = str(row["params"].get("data._target_", "data")).rpartition(".")[2]
    verified = (row.get("tags") or {}).get("labkit.data_verified") != "false"
    return name if verified or "data.root" not in row["params"] else f"{name}*"
