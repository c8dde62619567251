"""The files of the labs: what a part runs, whose winners it takes over, and which claims must hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Literal

from omegaconf import OmegaConf
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked

from labkit.config import ConfigError, Count, made, nearest
from labkit.preprocess.prepare import Kind

Profile = Literal["smoke", "quick", "full"]
PROFILES: tuple[Profile, ...] = ("smoke", "quick", "full")
Band = tuple[float | None, float | None]  # (lowest, highest) value; None: no limit
_STRICT = ConfigDict(extra="forbid")
_WORDING = ("says", "says_in", "source", "assignment_says", "published_by")  # fields of a claim that change no verdict
_CHOOSES = "^(val|train|grad_l1|time)/"  # metrics that a row may be chosen by: none of the test set


@checked(frozen=True, kw_only=True, config=_STRICT)
class Reference:
    """The winner of earlier steps, some parameters of which a step takes over.

    Attributes:
        keys: Parameters as the store names them; they become words `key=value` of the step's command.
        steps: Steps whose runs are ranked together, `step` of the same part or `part.step`; `from` in the file.
        metric: Metric that ranks the settings by its mean over seeds; none of the test set, so that nothing is chosen
            on test data.
        rule: End of the ranking that wins.
        place: Place in the ranking; 2 for the second best, and so on.
        where: Parameters that a row must have; a list of values means one of them.
        stage: Stage of a search whose runs alone count; None for all.
        only: Profiles in which it is taken over.
    """

    keys: list[str] = Field(min_length=1)
    steps: list[str] = Field(alias="from", min_length=1)
    metric: str = Field(default="val/accuracy", pattern=_CHOOSES)
    rule: Literal["highest", "lowest"] = "highest"
    place: Count = 1
    where: dict[str, object] = field(default_factory=dict)
    stage: str | None = None
    only: list[Profile] = field(default_factory=lambda: list(PROFILES))

    def __str__(self) -> str:
        """Describe it in words, such as `grid: highest val/accuracy, place 2`."""
        words = [f"{key}={value}" for key, value in self.where.items()]
        words += [f"stage {self.stage}"] if self.stage else []
        words += [f"place {self.place}"] if self.place > 1 else []
        return ", ".join([f"{' and '.join(self.steps)}: {self.rule} {self.metric}", *words])


@checked(frozen=True, kw_only=True, config=_STRICT)
class Step:
    """One command of a part.

    Attributes:
        run: Words of the `labkit` command.
        takes: Winners of earlier steps, whose parameters become further words.
        smoke: Further words in the profile `smoke`.
        quick: Further words in the profile `quick`.
        full: Further words in the profile `full`.
        only: Profiles that it belongs to.
    """

    run: list[str] = Field(min_length=1)
    takes: list[Reference] = field(default_factory=list)
    smoke: list[str] = field(default_factory=list)
    quick: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)
    only: list[Profile] = field(default_factory=lambda: list(PROFILES))

    def of_profile(self, profile: str) -> list[str]:
        """Return the further words of a profile."""
        words: list[str] = getattr(self, profile)
        return words

    def references(self, profile: str) -> list[Reference]:
        """Return the winners that it takes over in a profile."""
        return [reference for reference in self.takes if profile in reference.only]


@checked(frozen=True, kw_only=True, config=_STRICT)
class Claim:
    """A sentence about the runs of one step that a part must support.

    Attributes:
        says: Sentence; a question where there is neither band nor goal. What depends on the profile stands in braces,
            see `labkit.labs.wording`.
        says_in: Sentence in a profile where another one is true.
        step: Step whose runs it is about.
        metric: Metric whose mean over seeds is compared with the bands.
        where: Parameters that pick one setting of the step, a list of values meaning one of them. Where several
            settings have them, or none are given, the best by `best` counts.
        best: Metric that ranks the settings.
        stage: Stage of a search whose runs alone count; None for all.
        against: Parameters of another setting: the claim is about the difference of the two, paired by seed.
        against_step: Step of that other setting, or several that are ranked together; None: the same step.
        smoke: Band in the profile `smoke`; outside it the part fails. None: there is no verdict.
        quick: Band in the profile `quick`.
        full: Band in the profile `full`.
        goal: Band hoped for in the profile `full`; it is reported, and makes no exit code.
        any_data: True where the band holds on any data set, not only on the lab's own.
        source: Source of the band and the goal.
        assignment: Number that the assignment prints.
        assignment_says: Remark on that number, where it is not exactly this quantity.
        published: Best published number.
        published_by: Authors of the published number.
    """

    says: str
    step: str
    metric: str
    where: dict[str, object] = field(default_factory=dict)
    best: str = Field(default="val/accuracy", pattern=_CHOOSES)
    stage: str | None = None
    against: dict[str, object] | None = None
    against_step: str | list[str] | None = None
    smoke: Band | None = None
    quick: Band | None = None
    full: Band | None = None
    goal: Band | None = None
    any_data: bool = False
    source: str = ""
    says_in: dict[Profile, str] = field(default_factory=dict)
    assignment: float | None = None
    assignment_says: str = ""
    published: float | None = None
    published_by: str = ""

    def band(self, profile: str) -> Band | None:
        """Return the band in a profile; None where there is none."""
        found: Band | None = getattr(self, profile)
        return found

    @property
    def asks(self) -> dict[str, object]:
        """Fields that decide the verdict, without the words that say it: equal for claims that differ in wording."""
        return {key: value for key, value in asdict(self).items() if key not in _WORDING}

    @property
    def of_smoke_alone(self) -> bool:
        """True where it has a band in the profile `smoke` and nowhere else."""
        return self.smoke is not None and (self.quick, self.full, self.goal) == (None, None, None)

    @property
    def against_steps(self) -> tuple[str, ...]:
        """Steps of the other setting."""
        others = self.against_step or self.step
        return (others,) if isinstance(others, str) else tuple(others)

    @property
    def about(self) -> tuple[str, ...]:
        """Steps whose runs it is about, on both sides of a difference."""
        return (self.step, *self.against_steps)

    @property
    def paired(self) -> bool:
        """True where it is about the difference of two settings."""
        return self.against is not None or self.against_step is not None


@checked(frozen=True, kw_only=True, config=_STRICT)
class Accepts:
    """The data sets that a part may be given instead of its own.

    Attributes:
        kinds: Kinds of data.
        classes: Lowest number of classes.
        samples: Lowest number of samples.
        words: Further words for data of a kind, behind all others of a step.
    """

    kinds: list[Kind]
    classes: Count = 2
    samples: Count = 1
    words: dict[Kind, list[str]] = field(default_factory=dict)


@checked(frozen=True, kw_only=True, config=_STRICT)
class LabPart:
    """One part of a lab.

    Attributes:
        title: Title.
        steps: Steps by name, in their order.
        claims: Claims that its runs must support.
        minutes: Expected time on two cores in minutes, by profile.
        accepts: Other data sets that it may be given; None: it has its own and no other.
        shows: Further metrics of each setting on the page of results.
    """

    title: str
    steps: dict[str, Step] = Field(min_length=1)
    claims: list[Claim] = field(default_factory=list)
    minutes: dict[Profile, float] = field(default_factory=dict)
    accepts: Accepts | None = None
    shows: list[str] = field(default_factory=list)

    def of_profile(self, profile: str) -> dict[str, Step]:
        """Return the steps that belong to a profile, by name."""
        return {name: step for name, step in self.steps.items() if profile in step.only}


@checked(frozen=True, kw_only=True, config=_STRICT)
class Lab:
    """A lab's file.

    Attributes:
        name: Name of the lab.
        parts: Parts by name, in their order; a part refers to itself and to earlier ones.
    """

    name: str
    parts: dict[str, LabPart]

    def references(self, part: str, profile: str) -> Iterator[tuple[str, str]]:
        """Yield `(part, step)` for every earlier step whose winner a part takes over."""
        for step in self.parts[part].of_profile(profile).values():
            for reference in step.references(profile):
                yield from (part_and_step(name, part) for name in reference.steps)

    def required_parts(self, part: str, profile: str) -> list[str]:
        """Return the other parts whose winners a part takes over, in their order."""
        return [name for name in self.parts if name in {p for p, _ in self.references(part, profile)} - {part}]


def read(folder: Path, name: str) -> Lab:
    """Return the lab in `folder/<name>.yaml`.

    Raises:
        ConfigError: There is no such file, or a key, a value or a reference in it is wrong.
    """
    files = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    if name not in files:
        raise ConfigError(f"lab: there is no lab {name!r}, {nearest(name, [*files, 'all'])}")
    file = files[name]
    content = OmegaConf.to_container(OmegaConf.load(file))
    if not isinstance(content, dict):
        raise ConfigError(f"{file.name}: expected parts by their names, got a list.")
    parts = {str(part): _part(value, f"{file.name}: {part!s}") for part, value in content.items()}
    found = Lab(name=name, parts=parts)
    for part in parts:
        _check(found, part, f"{file.name}: {part}")
    return found


def names(folder: Path) -> list[str]:
    """Return the names of the labs in a folder, sorted."""
    return sorted(file.stem for file in folder.glob("*.yaml"))


def _part(content: object, where: str) -> LabPart:
    """Return a part from plain values, its steps and claims one by one, so that an error names the one at fault."""
    plain = dict(content) if isinstance(content, Mapping) else content
    if isinstance(plain, dict):
        if isinstance(plain.get("steps"), Mapping):
            plain["steps"] = {key: _step(step, f"{where}.steps.{key}") for key, step in plain["steps"].items()}
        if isinstance(plain.get("claims"), list):
            plain["claims"] = [made(Claim, claim, f"{where}.claims[{i}]") for i, claim in enumerate(plain["claims"])]
    return made(LabPart, plain, where)


def _step(content: object, where: str) -> Step:
    plain = dict(content) if isinstance(content, Mapping) else content
    if isinstance(plain, dict) and isinstance(plain.get("takes"), list):
        plain["takes"] = [made(Reference, one, f"{where}.takes[{i}]") for i, one in enumerate(plain["takes"])]
    return made(Step, plain, where)


def _check(lab: Lab, name: str, where: str) -> None:
    """Raise ConfigError where a part names a step that is not there, or a claim without a band is no question."""
    part, earlier = lab.parts[name], list(lab.parts)[: list(lab.parts).index(name)]
    known: list[str] = [f"{other}.{step}" for other in earlier for step in lab.parts[other].steps]
    for key, step in part.steps.items():
        for reference in step.takes:
            for wanted in reference.steps:
                if wanted not in known:
                    raise ConfigError(
                        f"{where}.steps.{key}.takes: no earlier step {wanted!r}, {nearest(wanted, known)}"
                    )
        known.append(key)
    for claim in part.claims:
        for step_name in claim.about:
            if step_name not in part.steps:
                raise ConfigError(f"{where}.claims: there is no step {step_name!r}, {nearest(step_name, part.steps)}")
        judged = [*(claim.band(profile) for profile in PROFILES), claim.goal]
        if all(band is None for band in judged) and not claim.says.endswith("?"):
            raise ConfigError(f"{where}.claims: {claim.says!r} has neither band nor goal; then it must be a question.")


def part_and_step(name: str, part: str) -> tuple[str, str]:
    """Split `part.step` into two names; a name alone is a step of `part`."""
    before, dot, after = name.partition(".")
    return (before, after) if dot else (part, name)
