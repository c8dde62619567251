"""Run the parts of a lab: the winners that a part takes over, its steps one after another, its claims."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from labkit.config import ConfigError
from labkit.labs.command import MULTIRUN, CommandOutcome, check_data, command_line, run_command
from labkit.labs.definition import definition
from labkit.labs.part_record import earlier_rows
from labkit.labs.schema import Claim, Lab, LabPart, Step, part_and_step
from labkit.labs.selection import Rows, at_the_edge, winner
from labkit.labs.verdict import Verdict, verdict
from labkit.labs.wording import claim_in_words
from labkit.preprocess.prepare import Kind
from labkit.tracking import session
from labkit.tracking.rows import RunRow
from labkit.tracking.settings import Mlflow
from labkit.words import merged, word

_OF_DATA = ("experiment=", "sweeps=", "data", "~data")  # words that say which data a command trains on


@dataclass
class Course:
    """The parts that one call of `task=lab` runs, and what is known of those that ran before.

    Attributes:
        profile: Profile of all parts.
        root: Folder whose store keeps the runs.
        everywhere: Words that every step gets; they say where files lie.
        data: Words that name another data set than the labs' own; () for none.
        kind: Kind of that data set.
        sha256: Hash of that data set.
        known: Rows of each step of the parts that have run, in this call or before, by (lab, part).
    """

    profile: str
    root: Path
    everywhere: Sequence[str] = ()
    data: Sequence[str] = ()
    kind: Kind | None = None
    sha256: str = ""
    known: dict[tuple[str, str], Mapping[str, Rows]] = field(default_factory=dict)

    def missing(self, lab: Lab, part: str) -> list[str]:
        """Return the earlier parts that must run before a part, each after those that it needs itself."""
        found: list[str] = []
        for name in lab.required_parts(part, self.profile):
            if not self._knows(lab, name):
                found += [one for one in (*self.missing(lab, name), name) if one not in found]
        return found

    def _knows(self, lab: Lab, part: str) -> bool:
        key = (lab.name, part)
        if key not in self.known:
            rows = earlier_rows(session.tracker(Mlflow(), self.root), self.root, self.definition(lab, part))
            if rows is not None:
                self.known[key] = rows
        return key in self.known

    def definition(self, lab: Lab, part: str) -> str:
        """Return the hash of what a part trains in this profile, on these data, see `labkit.labs.definition`."""
        return definition(lab, part, self.profile, self.data, self.sha256)

    def check_data(self, lab: Lab, name: str) -> None:
        """Raise ConfigError where a data set that the part trains on lacks files or samples."""
        if self.profile == "smoke" and not self.data:
            return  # this profile trains on embedded data only
        part = lab.parts[name]
        steps = part.of_profile(self.profile).values()
        about = {tuple(word for word in self.words(part, step) if word.startswith(_OF_DATA)) for step in steps}
        for words in sorted(about):
            if words:
                check_data([*words, *self.everywhere])

    def run(self, lab: Lab, name: str) -> PartOutcome:
        """Run all steps of a part and judge its claims.

        A step that fails ends the part only where its command was refused: then the later ones would be, too.
        """
        started = time.perf_counter()
        part = lab.parts[name]
        ran: dict[str, CommandOutcome] = {}
        steps = part.of_profile(self.profile)
        for number, (key, step) in enumerate(steps.items(), start=1):
            rows = {own: done.rows for own, done in ran.items()}
            try:
                taken, notes = self._words_of_winners(lab, name, step, rows)
                words = self.words(part, step, taken)
            except ConfigError as error:
                ran[key] = self._refuse(part, step, error)
                continue
            head = [
                f"\n--- {name}, step {number} of {len(steps)}: {key}",
                f"    {command_line([*words, *self.everywhere])}",
            ]
            print("\n".join([*head, *(f"    {note}" for note in notes)]), flush=True)
            ran[key] = replace(run_command(words, self.everywhere), notes=notes)
            if ran[key].code == 2:
                break
        rows = {key: done.rows for key, done in ran.items()}
        self.known[lab.name, name] = rows
        found = [verdict(claim, rows, self.profile) for claim in self.claims_of(part)]
        return PartOutcome(lab.name, name, ran, found, time.perf_counter() - started)

    def words(self, part: LabPart, step: Step, taken: Iterable[str] = ()) -> list[str]:
        """Return the words of a step's command line.

        Args:
            part: Part of the step.
            step: Step.
            taken: Words that winners of earlier steps give; they are unknown before those have run.
        """
        of_kind = part.accepts.words.get(self.kind, []) if part.accepts and self.kind else []
        flag = [word for word in step.run[:1] if word == MULTIRUN]
        return [*flag, *merged(step.run[len(flag) :], taken, step.of_profile(self.profile), self.data, of_kind)]

    def _words_of_winners(
        self, lab: Lab, name: str, step: Step, own: Mapping[str, Rows]
    ) -> tuple[list[str], list[str]]:
        """Return the words that winners of earlier steps give, and sentences on these winners.

        Args:
            lab: Lab of the part.
            name: Name of the part.
            step: Step that takes them over.
            own: Rows of the part's own steps so far, by name.

        Raises:
            ConfigError: There is no winner.
        """
        words, notes = [], []
        for reference in step.references(self.profile):
            rows: list[RunRow] = []
            for wanted in reference.steps:
                part, key = part_and_step(wanted, name)
                rows += (own if part == name else self.known.get((lab.name, part), {})).get(key, ())
            chosen = winner(reference, rows)
            words += [word(key, value) for key, value in chosen.items()]
            notes += at_the_edge(reference, rows, chosen)
        return words, notes

    def claims_of(self, part: LabPart) -> Iterator[Claim]:
        """Yield the claims that can be judged here, each in the words of the profile and the data."""
        for claim in self._claims_of_profile(part):
            yield claim_in_words(claim, self.profile, self.words(part, part.steps[claim.step]))

    def _claims_of_profile(self, part: LabPart) -> Iterator[Claim]:
        """Yield the claims of a profile, without the numbers that do not apply to its data.

        The profile `smoke` trains on embedded data: only claims with a band for it are judged, and only by that band.
        Elsewhere claims about embedded data alone are left out. Bands of the lab's own data say nothing about another
        data set, and goals are for `full`.
        """
        steps = part.of_profile(self.profile).keys()
        for claim in part.claims:
            if not {*claim.about} <= steps or (claim.of_smoke_alone and self.profile != "smoke"):
                continue
            if self.data:
                yield _without_published(claim) if claim.any_data else _without_numbers(claim)
            elif self.profile != "smoke":
                yield claim if self.profile == "full" else replace(claim, goal=None)  # a goal is for all of the data
            elif claim.band("smoke") is not None:
                source = claim.source if claim.of_smoke_alone else ""
                yield replace(_without_numbers(claim), smoke=claim.smoke, source=source)

    def _refuse(self, part: LabPart, step: Step, error: ConfigError) -> CommandOutcome:
        """Print why a step cannot run; the part goes on, since other steps may not need the winner."""
        print(f"labkit: {error}", file=sys.stderr)
        return CommandOutcome(self.words(part, step), 1, (), 0.0)


@dataclass(frozen=True)
class PartOutcome:
    """The outcome of a part.

    Attributes:
        lab: Name of its lab.
        part: Name.
        steps: Outcome of each step's command, by the step's name.
        verdicts: Verdict on each claim.
        seconds: Wall time in seconds.
    """

    lab: str
    part: str
    steps: Mapping[str, CommandOutcome]
    verdicts: Sequence[Verdict]
    seconds: float

    @property
    def outside(self) -> list[str]:
        """Sentences of the claims outside their bands."""
        return [verdict.claim.says for verdict in self.verdicts if verdict.holds is False]

    @property
    def code(self) -> int:
        """Exit code: 2 where a command was refused, 1 where a claim or a command failed, else 0."""
        codes = {step.code for step in self.steps.values()}
        return 2 if 2 in codes else int(bool(self.outside or any(codes)))


def _without_published(claim: Claim) -> Claim:
    """Return a claim without what is said of the lab's own data only, whoever measured it."""
    return replace(claim, goal=None, assignment=None, assignment_says="", published=None, published_by="")


def _without_numbers(claim: Claim) -> Claim:
    """Return a claim without any number of the lab's own data, its bands and their source included."""
    return replace(_without_published(claim), smoke=None, quick=None, full=None, source="")
