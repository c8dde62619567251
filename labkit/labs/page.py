"""The results of the labs as one Markdown page, from the records of their parts only."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from labkit.labs.claim_table import page_sheet
from labkit.labs.part_record import Record
from labkit.labs.schema import PROFILES, Claim, LabPart
from labkit.labs.selection import Rows
from labkit.labs.settings_table import settings_sheet
from labkit.labs.step_record import StepRecord, rows_of
from labkit.report.durations import duration
from labkit.report.kinds import COMMAND, SECONDS
from labkit.report.sheet import Cell, Column, Sheet
from labkit.report.sheet_markdown import to_markdown
from labkit.tracking import tag
from labkit.tracking.rows import RunRow

_COUNTS = (Column("runs", right=True), Column("test set opened", right=True))
_TIMES = (Column("training", SECONDS, right=True), Column("wall", SECONDS, right=True))
_PART = [*map(Column, ("part", "profile", "data", "claims", "goals")), *_COUNTS, *_TIMES, Column("command", COMMAND)]
_STEP = [Column("step"), Column("command", COMMAND), _COUNTS[0], *_TIMES, _COUNTS[1]]


@dataclass(frozen=True)
class PageEntry:
    """A part as the page shows it.

    Attributes:
        name: Names of lab and part, `kth ex3`.
        part: Part as its file describes it today.
        record: Newest record in the largest profile that it ran in.
        runs: Rows of the store by step.
        changed: True where its file, or one that its commands name, trains something else by now.
        rejudged: True where its file claims something else by now, not only in other words.
        tested: Ids of all its runs that ever opened the test set, in any profile and under any definition.
    """

    name: str
    part: LabPart
    record: Record
    runs: Mapping[str, Rows]
    changed: bool
    rejudged: bool
    tested: frozenset[str]

    @property
    def given(self) -> str:
        """Words that gave it another data set, without the one that says where its files lie."""
        return " ".join(word for word in self.record.given if not word.startswith("data.root="))

    @property
    def label(self) -> str:
        """Name, and the data set that it was given."""
        return f"{self.name} ({self.given})" if self.given else self.name

    @property
    def command(self) -> str:
        """Command that runs it again."""
        data = f" DATA={shlex.quote(self.given.removeprefix('data='))}" if self.given else ""
        return f"make {self.name.replace(' ', '-', 1)} PROFILE={self.record.profile}{data}"


def page_entries(
    name: str,
    part: LabPart,
    records: Iterable[Record],
    runs: Mapping[str, RunRow],
    today: Callable[[Record], tuple[str, Sequence[Claim]]],
) -> list[PageEntry]:
    """Return the entries of a part: one on its own data, and one for each other data set that it was given.

    Args:
        name: Names of lab and part.
        part: Part as its file describes it today.
        records: Records of the part.
        runs: Rows of the store by id.
        today: Record -> the definition and the claims that its part would have today.
    """
    by_given: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        by_given.setdefault(record.given, []).append(record)
    found = []
    for own in (by_given[given] for given in sorted(by_given)):
        best = max(own, key=lambda record: (PROFILES.index(record.profile), record.row.start_time))
        tested = frozenset().union(*(one.tested for one in own))
        rows = {key: rows_of(step, runs) for key, step in best.steps.items()}
        definition, claims = today(best)
        changed = best.row.tags[tag.PART_DEFINITION] != definition
        rejudged = [verdict.claim.asks for verdict in best.verdicts] != [claim.asks for claim in claims]
        if not rejudged:
            worded = [replace(one, claim=claim) for one, claim in zip(best.verdicts, claims, strict=True)]
            best = replace(best, verdicts=worded)
        found.append(PageEntry(name, part, best, rows, changed, rejudged, tested))
    return found


def page(parts: Sequence[PageEntry], absent: Sequence[str], unverified: Mapping[str, str], command: str) -> str:
    """Return the results page as Markdown.

    Args:
        parts: Entries of the parts that ran, in order.
        absent: Names of the parts without a record.
        unverified: Name of a data set whose files are not the published ones -> a remark on them.
        command: Command that writes the page.
    """
    blocks = [
        "# Results of the labs",
        f"Written by `{command}` from the records of the parts in the store. Shares are in per cent; mean ± sample "
        "standard deviation over n seeds. A band is a claim about the world: outside it a part ends with exit code 1. "
        "A goal is only reported. Differences are paired by seed, with their 95% interval (Student's t), none from "
        "fewer than three seeds or where these differ by one sample at most. Training is the sum over runs, wall the "
        "time in which a step's runs were under way, or that of its call where longer. "
        "What a step chooses it chooses on validation data; openings of the test set count every run that a record of "
        "the part names, those of other profiles and of earlier versions of the part included. The experiments "
        "themselves were shaped by trials before, some with test numbers in sight; docs/log.md tells of them. "
        "'assignment' is the number in the lab's own document, which for Caltech and Montreal is a student's solution.",
        "\n".join(f"- {line}" for line in _facts(parts, unverified)),
        to_markdown(Sheet(_PART, [_overview(part) for part in parts])),
    ]
    if absent:
        blocks.append(f"Parts without a record: {', '.join(absent)}.")
    for part in parts:
        blocks += _part(part, unverified)
    return "\n".join(block.rstrip("\n") + "\n" for block in blocks)


def _facts(parts: Sequence[PageEntry], unverified: Mapping[str, str]) -> Iterator[str]:
    """Yield sentences on the versions, and on data whose files are not the published ones."""
    rows = [part.record.row for part in parts]
    yield f"Versions: {'; '.join(dict.fromkeys(row.tags.get(tag.VERSIONS, '-') for row in rows))}."
    marked = {name for row in rows for name in row.params["data"].split() if name.endswith("*")}
    for name in sorted(name.rstrip("*") for name in marked):
        known = f": {unverified[name]}" if name in unverified else ""
        yield f"{name}*: its files are not the published archive, so its checksum could not be compared{known}."


def _overview(part: PageEntry) -> list[Cell]:
    """Return the part's row of the first table, a value for each of `_PART`."""
    judged = [verdict.holds for verdict in part.record.verdicts if verdict.holds is not None]
    goals = [verdict.reached for verdict in part.record.verdicts if verdict.reached is not None]
    return [
        part.label,
        part.record.profile,
        part.record.row.params["data"] or None,
        _claims(part, judged),
        f"{sum(goals)} of {len(goals)} reached" if goals else None,
        *_sizes(part),
        part.command,
    ]


def _claims(part: PageEntry, judged: Sequence[bool]) -> str | None:
    """Say how many claims hold, which steps failed, and whether the part has changed since."""
    failed = [name for name, step in part.record.steps.items() if step.code]
    words = [f"{sum(judged)} of {len(judged)} hold"] if judged else []
    words += [f"FAILED: {', '.join(failed)}"] if failed else []
    words += ["changed since"] if part.changed else ["claims changed since"] if part.rejudged else []
    return "; ".join(words) or None


def _sizes(part: PageEntry) -> tuple[int, int, float, float]:
    """Return the numbers of runs and of openings of the test set, seconds of training and of wall time."""
    steps = part.record.steps.values()
    runs = len({run_id for step in steps for run_id in step.run_ids})
    return runs, len(part.tested), sum(step.training for step in steps), sum(step.seconds for step in steps)


def _part(part: PageEntry, unverified: Mapping[str, str]) -> Iterator[str]:
    """Yield the blocks of a part's own section."""
    record, tags = part.record, part.record.row.tags
    day = datetime.fromtimestamp(record.row.start_time / 1000, UTC).date()
    commit = tags.get(tag.COMMIT, "")[:8] or "no commit"
    if tags.get(tag.GIT_DIRTY) == "true":
        commit += " with changes"
    trained = [row for rows in part.runs.values() for row in rows] or [record.row]
    machines = dict.fromkeys(row.tags.get(tag.HARDWARE, "-") for row in trained)
    runs, opened, training, wall = _sizes(part)
    yield f"## {part.label}: {part.part.title}"
    known = {f"{name}*": f"{name}* ({said})" for name, said in unverified.items()}
    data = " ".join(known.get(name, name) for name in record.row.params["data"].split()) or "none"
    yield (
        f"`{part.command}`, {day}, commit {commit}; on {' and '.join(machines)}; data: {data}; {_runs(runs)}, "
        f"{duration(training)} of training, {duration(wall)} in all; "
        f"{_runs(opened)} opened the test set, once each{_of_others(part)}."
    )
    if part.changed:
        yield "The part has changed since: its command trains what is new."
    elif part.rejudged:
        yield "Its claims have changed since: its command judges them again."
    if record.verdicts:
        yield to_markdown(page_sheet(record.verdicts, record.profile))
    settings = settings_sheet(part.runs, part.part.shows)
    if settings.rows:
        yield to_markdown(settings)
    yield to_markdown(Sheet(_STEP, [_step(name, step) for name, step in record.steps.items()]))
    said = [f"- {name}: {sentence}" for name, step in record.steps.items() for sentence in step.diagnoses]
    if said:
        yield "\n".join(said)


def _of_others(part: PageEntry) -> str:
    """Say how many of the openings belong to other records of the part."""
    others = len(part.tested - part.record.tested)
    return f" ({others} of them in other profiles or earlier versions of the part)" if others else ""


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"


def _step(name: str, step: StepRecord) -> list[Cell]:
    """Return a step's row, a value for each of `_STEP`."""
    failed = f" (exit code {step.code})" if step.code else ""
    runs, tested = len({*step.run_ids}), len({*step.tested})
    return [name + failed, step.command, runs, step.training, step.seconds, tested]
