"""The results of the labs as one Markdown page, from the records of their parts only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from labkit.labs.table import band, finding, verdict_words
from labkit.labs.verdict import Verdict
from labkit.report import cells as write
from labkit.report.progress import duration

RIGHT = ("ours", "n", "assignment", "runs", "training", "wall", "test set opened")
CLAIM_HEADS = ("claim", "ours", "n", "assignment", "best published", "band", "verdict", "goal", "source", "runs")
STEP_HEADS = ("step", "command", "runs", "training", "test set opened")
PART_HEADS = ("part", "profile", "claims", "goals", "runs", "test set opened", "training", "wall", "command")


@dataclass(frozen=True)
class Record:
    """A part as the store has it.

    Attributes:
        lab, part, title: what it is.
        row: its run.
        verdicts: its claims.
        steps: by name: command, runs, seconds of training, how often the test set was opened.
    """

    lab: str
    part: str
    title: str
    row: Mapping[str, Any]
    verdicts: Sequence[Verdict]
    steps: Mapping[str, Mapping[str, Any]]

    @property
    def profile(self) -> str:
        """It ran in."""
        return str(self.row["params"]["profile"])

    @property
    def command(self) -> str:
        """It runs again by."""
        return f"make {self.lab}-{self.part} PROFILE={self.profile}"


def page(records: Sequence[Record], absent: Sequence[str], unverified: Mapping[str, str], command: str) -> str:
    """The page.

    Args:
        records: of the parts that ran, in order.
        absent: names of the parts that have no record.
        unverified: what is known of data sets whose files are not the published ones.
        command: that wrote it.
    """
    blocks = [
        "# Results of the labs",
        f"Written by `{command}` from the records of the parts in the store. Shares are in per cent; mean ± sample "
        "standard deviation over n seeds. A band is a claim about the world: outside it a part ends with exit code 1. "
        "A goal is only reported. Differences are paired by seed, with their 95% interval (Student's t).",
        "\n".join(f"- {line}" for line in _facts(records, unverified)),
        write.markdown_table(PART_HEADS, [_overview(record) for record in records], right=RIGHT),
    ]
    if absent:
        blocks.append(f"Parts without a record: {', '.join(absent)}.")
    for record in records:
        blocks += _part(record)
    return "\n".join(block.rstrip("\n") + "\n" for block in blocks)


def _facts(records: Sequence[Record], unverified: Mapping[str, str]) -> Iterator[str]:
    """Machine and versions, and data whose files are not the published ones."""
    for tag, name in (("labkit.hardware", "Machine"), ("labkit.versions", "Versions")):
        yield f"{name}: {'; '.join(dict.fromkeys(str(record.row['tags'].get(tag, '-')) for record in records))}."
    marked = {name for record in records for name in str(record.row["params"]["data"]).split() if name.endswith("*")}
    for name in sorted(name.rstrip("*") for name in marked):
        known = f": {unverified[name]}" if name in unverified else ""
        yield f"{name}*: its files are not the published archive, so its checksum could not be compared{known}."


def _overview(record: Record) -> list[str]:
    judged = [verdict.holds for verdict in record.verdicts if verdict.holds is not None]
    goals = [verdict.reached for verdict in record.verdicts if verdict.reached is not None]
    metrics = record.row["metrics"]
    return [
        f"{record.lab} {record.part}",
        record.profile,
        f"{sum(judged)} of {len(judged)} hold",
        f"{sum(goals)} of {len(goals)} reached" if goals else write.NOTHING,
        f"{metrics['runs']:.0f}",
        f"{metrics['test_openings']:.0f}",
        duration(metrics["time/training"]),
        duration(metrics["time/seconds"]),
        f"`{record.command}`",
    ]


def _part(record: Record) -> Iterator[str]:
    metrics, tags = record.row["metrics"], record.row["tags"]
    day = datetime.fromtimestamp(record.row["start_time"] / 1000, UTC).date()
    commit = str(tags.get("mlflow.source.git.commit", ""))[:8] or "no commit"
    if tags.get("labkit.git_dirty") == "true":
        commit += " with changes"
    yield f"## {record.lab} {record.part}: {record.title}"
    yield (
        f"`{record.command}`, {day}, {commit}; data: {record.row['params']['data'] or 'none'}; "
        f"{metrics['runs']:.0f} runs with {duration(metrics['time/training'])} of training, the last call took "
        f"{duration(metrics['time/seconds'])}; the test set was opened {metrics['test_openings']:.0f} times."
    )
    if record.verdicts:
        lines = [_claim(verdict, record.profile) for verdict in record.verdicts]
        yield write.markdown_table(CLAIM_HEADS, lines, right=RIGHT)
    yield write.markdown_table(STEP_HEADS, [_step(name, step) for name, step in record.steps.items()], right=RIGHT)
    said = [f"- {name}: {sentence}" for name, step in record.steps.items() for sentence in step["diagnoses"]]
    if said:
        yield "\n".join(said)


def _claim(verdict: Verdict, profile: str) -> list[str]:
    claim = verdict.claim
    numbers = [
        None if value is None else write.number(claim.metric, value) for value in (claim.assignment, claim.published)
    ]
    published = write.NOTHING if numbers[1] is None else f"{numbers[1]} ({claim.published_by})"
    first, rest = verdict.run_ids[:1], len(verdict.run_ids) - 1
    words, reached = verdict_words(verdict)
    return [
        f"{claim.says} ({claim.metric})",
        finding(verdict),
        str(verdict.n) if verdict.n == verdict.tried else f"{verdict.n} of {verdict.tried}",
        numbers[0] or write.NOTHING,
        published,
        band(claim.metric, claim.band(profile)),
        words,
        f"{band(claim.metric, claim.goal)}{reached}",
        claim.source or write.NOTHING,
        "".join(f"`{run_id[:8]}`" for run_id in first) + (f" +{rest}" if rest > 0 else ""),
    ]


def _step(name: str, step: Mapping[str, Any]) -> list[str]:
    failed = f" (exit code {step['code']})" if step["code"] else ""
    opened = str(step["test_openings"])
    return [name + failed, f"`{step['command']}`", str(len(step["run_ids"])), duration(step["training"]), opened]


def newest(rows: Iterable[Mapping[str, Any]], order: Sequence[str]) -> Mapping[str, Any] | None:
    """Of the records of one part the newest in the profile that comes last in `order`, first of the lab's own data."""
    known = sorted(rows, key=lambda row: (order.index(row["params"]["profile"]), row["start_time"]))
    return known[-1] if known else None
