"""A part of a lab as its file says it: what it runs, and what must come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Literal, TypeVar

from omegaconf import OmegaConf
from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from labkit.config import ConfigError, first_problem, nearest

Profile = Literal["smoke", "quick", "full"]
PROFILES: tuple[Profile, ...] = ("smoke", "quick", "full")
Band = tuple[float | None, float | None]  # lowest and highest value; None: no limit
_STRICT: Any = {"extra": "forbid"}
T = TypeVar("T")


@checked(frozen=True, kw_only=True, config=_STRICT)
class Step:
    """One command of a part.

    Attributes:
        run: the words of `labkit`.
        smoke, quick, full: further words in that profile.
        only: the profiles that it belongs to; all unless given.
    """

    run: list[str]
    smoke: list[str] = field(default_factory=list)
    quick: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)
    only: list[Profile] = field(default_factory=lambda: list(PROFILES))

    def words(self, profile: str) -> list[str]:
        """The command line in a profile."""
        return [*self.run, *getattr(self, profile)]


@checked(frozen=True, kw_only=True, config=_STRICT)
class Claim:
    """A sentence about the runs of one step that a part must support.

    Attributes:
        says: the sentence; a question where there is neither band nor goal.
        step: whose runs it is about.
        metric: its mean over seeds is compared with the bands.
        where: parameters that pick one row of the step's leaderboard; none: the best by `best`.
        best: what ranks the rows.
        against: parameters of another row: the claim is about the difference of the two, paired by seed.
        smoke, quick, full: the band in that profile; outside it the part fails. Without one there is no verdict.
        goal: reported, never an exit code.
        source: of the band.
    """

    says: str
    step: str
    metric: str
    where: dict[str, Any] = field(default_factory=dict)
    best: str = "val/accuracy"
    against: dict[str, Any] | None = None
    smoke: Band | None = None
    quick: Band | None = None
    full: Band | None = None
    goal: Band | None = None
    source: str = ""

    def band(self, profile: str) -> Band | None:
        """The band in a profile."""
        found: Band | None = getattr(self, profile)
        return found


@checked(frozen=True, kw_only=True, config=_STRICT)
class Part:
    """One part of a lab.

    Attributes:
        title: what it is.
        steps: by name, in their order.
        claims: what must come out.
        minutes: measured on two cores, by profile.
    """

    title: str
    steps: dict[str, Step]
    claims: list[Claim] = field(default_factory=list)
    minutes: dict[Profile, float] = field(default_factory=dict)


def read(folder: Path, lab: str, part: str | None) -> Part:
    """A part from `folder/<lab>.yaml`; raises ConfigError where there is none, or a key of it is wrong."""
    labs = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    if lab not in labs:
        raise ConfigError(f"lab: there is no lab {lab!r}, {nearest(lab, labs)}")
    parts: Any = OmegaConf.to_container(OmegaConf.load(labs[lab]))
    if part is None:
        raise ConfigError(f"part: which of lab {lab!r}? valid: {', '.join(parts)}.")
    if part not in parts:
        raise ConfigError(f"part: lab {lab!r} has no part {part!r}, {nearest(part, parts)}")
    where = f"{labs[lab].name}: {part}"
    plain: dict[str, Any] = dict(parts[part])
    if isinstance(plain.get("steps"), dict):
        plain["steps"] = {key: _made(Step, step, f"{where}.steps.{key}") for key, step in plain["steps"].items()}
    if isinstance(plain.get("claims"), list):
        plain["claims"] = [_made(Claim, claim, f"{where}.claims[{i}]") for i, claim in enumerate(plain["claims"])]
    found = _made(Part, plain, where)
    _check_steps(found, where)
    return found


def _made(kind: type[T], value: Any, where: str) -> T:
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ConfigError(first_problem(error, where, kind)) from None


def _check_steps(part: Part, where: str) -> None:
    steps: Mapping[str, Step] = part.steps
    for claim in part.claims:
        if claim.step not in steps:
            raise ConfigError(f"{where}.claims: there is no step {claim.step!r}, {nearest(claim.step, steps)}")
        judged = [*(claim.band(profile) for profile in PROFILES), claim.goal]
        if all(band is None for band in judged) and not claim.says.endswith("?"):
            raise ConfigError(f"{where}.claims: {claim.says!r} has neither band nor goal; then it must be a question.")
