"""`task=lab`: a part of a lab, all of a lab, or all labs; a claim outside its band ends it with exit code 1."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from omegaconf import DictConfig, open_dict

from labkit.config import ConfigError, Flag, nearest
from labkit.data.dataset import Dataset, MissingFileError
from labkit.labs import part_record
from labkit.labs.chosen_parts import parts_asked_for
from labkit.labs.claim_table import claim_sheet
from labkit.labs.command import CommandOutcome, command_line
from labkit.labs.course import Course, PartOutcome
from labkit.labs.schema import PROFILES, Lab
from labkit.labs.step_record import diagnoses
from labkit.report.durations import duration
from labkit.report.sheet_terminal import to_terminal
from labkit.runs.plan import resolved
from labkit.runs.prepared_data import dataset
from labkit.shipped import IN_FILE, defaults
from labkit.tracking import session

_EMBEDDED = ("cluttered_digits", "tones", "syllables")  # images, sounds, texts


@defaults("task/lab")
def lab(*, dry_run: Flag = IN_FILE) -> Callable[[DictConfig, Sequence[str]], None]:
    """Make the task that runs the part `part` of the lab `lab` in the profile `profile`.

    `all` stands for every part, or every lab. Each step is a `labkit` command, so finished runs are skipped and a
    killed part goes on when it is called again. A part that takes winners of earlier parts runs those first where they
    have not run.

    Args:
        dry_run: True to print the plan only.

    Returns:
        The task. It raises ConfigError where there is no such lab, part or profile, or the part does not take the data
        set, and SystemExit with a code other than 0 where a claim or a command failed.
    """

    def task(config: DictConfig, overrides: Sequence[str]) -> None:
        """Run the parts that `config` names; raises as `lab` says."""
        if config.profile not in PROFILES:
            raise ConfigError(f"profile: there is no profile {config.profile!r}, {nearest(config.profile, PROFILES)}")
        wanted = parts_asked_for(config.lab, config.part)
        everywhere, data = words_for_steps(overrides)
        course = Course(config.profile, Path(config.paths.root).absolute(), everywhere, data)
        with session.keep_open():
            given = given_data(config) if data else None
            if given is not None:
                course.kind, course.sha256 = given.kind, given.sha256
            order = in_order(course, wanted)
            if given is not None:
                check_fits(given, order)
            announce(course, order)
            if not dry_run:
                finish([carry_out(course, one, part, config) for one, part in order])

    return task


def words_for_steps(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words of the command line that every step gets: those of places, and those of data.

    Raises:
        ConfigError: A word would be lost: it is about neither, or it is a key of a data set that is not named.
    """
    own = ("task=", "task.", "lab=", "part=", "profile=")
    for word in overrides:
        if not word.lstrip("+").startswith((*own, "paths.", "data=", "data.")):
            raise ConfigError(
                f"{word}: a part of a lab runs as its file in conf/labs says; only paths.* and data may be given."
            )
    places = [word for word in overrides if word.lstrip("+").startswith("paths.")]
    data = [word for word in overrides if word.lstrip("+").startswith(("data=", "data."))]
    if data and not any(word.startswith("data=") for word in data):
        raise ConfigError(f"{data[0]}: keys of a data set go with data=..., which gives the part another set.")
    return places, data


def given_data(config: DictConfig) -> Dataset:
    """Return the data set that the command line gives.

    Raises:
        ConfigError: Its files are missing or wrong.
    """
    try:
        return dataset(resolved(config))
    except MissingFileError as error:
        raise ConfigError(f"{error} Without files: {' or '.join(f'data={name}' for name in _EMBEDDED)}.") from None


def check_fits(given: Dataset, wanted: Sequence[tuple[Lab, str]]) -> None:
    """Raise ConfigError unless every part accepts the data set that is given."""
    for lab, name in wanted:
        accepts = lab.parts[name].accepts
        where = f"data={given.name}: {lab.name} {name}"
        if accepts is None:
            raise ConfigError(f"{where} has data of its own and takes no other.")
        if given.kind not in accepts.kinds:
            raise ConfigError(f"{where} expects data of kind {' or '.join(accepts.kinds)}, got {given.kind!r}.")
        if len(given.class_names) < accepts.classes:
            raise ConfigError(f"{where} expects at least {accepts.classes} classes, got {len(given.class_names)}.")
        if len(given.labels) < accepts.samples:
            raise ConfigError(f"{where} expects at least {accepts.samples} samples, got {len(given.labels)}.")


def in_order(course: Course, wanted: Sequence[tuple[Lab, str]]) -> list[tuple[Lab, str]]:
    """Return the parts, each behind the earlier ones that must run first, and none twice."""
    order: list[tuple[Lab, str]] = []
    for lab, part in wanted:
        for name in [*course.missing(lab, part), part]:
            if not any((lab.name, name) == (other.name, key) for other, key in order):
                order.append((lab, name))
    return order


def announce(course: Course, order: Sequence[tuple[Lab, str]]) -> None:
    """Print the plan: the commands, what they wait for, and how long they should take."""
    minutes = [lab.parts[name].minutes.get(course.profile, 0.0) for lab, name in order]  # type: ignore[call-overload]
    for (lab, name), expected in zip(order, minutes, strict=True):
        time = f", about {duration(60 * expected)} on two cores" if expected else ""
        print(f"{lab.name} {name}: {lab.parts[name].title} (profile {course.profile}{time})")
        for key, step in lab.parts[name].of_profile(course.profile).items():
            print(f"  {key:<20} {command_line([*course.words(lab.parts[name], step), *course.everywhere])}")
            for one in step.references(course.profile):
                print(f"  {'':<20} + {', '.join(one.keys)} of {one}")
        for earlier in lab.required_parts(name, course.profile):
            later = any((lab.name, earlier) == (other.name, key) for other, key in order)
            print(f"  it takes winners of {earlier}, which {'runs first' if later else 'has run'}")
    if len(order) > 1:
        print(f"{len(order)} parts, about {duration(60 * sum(minutes))}")
    sys.stdout.flush()


def carry_out(course: Course, lab: Lab, part: str, config: DictConfig) -> PartOutcome:
    """Run one part, print its claims, and write its record; where its data are missing, do neither."""
    definition = course.definition(lab, part)  # before the run, since a file may be edited while it goes on
    try:
        course.check_data(lab, part)
    except ConfigError as error:
        hint = " Without files: profile=smoke." if isinstance(error, MissingFileError) else ""
        print(f"labkit: {error}{hint}", file=sys.stderr)
        done = PartOutcome(lab.name, part, {"data": CommandOutcome((), 2, (), 0.0)}, (), 0.0)
    else:
        done = course.run(lab, part)
    show(done, course.profile)
    if done.code != 2 or any(step.rows for step in done.steps.values()):
        own = config.copy()
        with open_dict(own):
            own.lab, own.part = lab.name, part
        words = ["task=lab", f"lab={lab.name}", f"part={part}", f"profile={course.profile}", *course.data]
        part_record.keep(own, words, definition, done.steps, done.verdicts, course.data, course.sha256)
    return done


def show(done: PartOutcome, profile: str) -> None:
    """Print the claims of a part and what failed."""
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    print(f"\n{done.lab} {done.part}, profile {profile}, {duration(done.seconds)}")
    if done.verdicts:
        console.print(to_terminal(claim_sheet(done.verdicts, profile)))
    for name, step in done.steps.items():
        for sentence in diagnoses(step.rows):
            print(f"step {name}: {sentence}")
        if step.code:
            print(f"step {name} ended with exit code {step.code}")
    for sentence in done.outside:
        print(f"outside its band: {sentence}")
    sys.stdout.flush()


def finish(parts: Sequence[PartOutcome]) -> None:
    """Print how several parts went.

    Raises:
        SystemExit: Code 2 where a command was refused, 1 where a claim or a command failed.
    """
    for done in parts if len(parts) > 1 else ():
        holding = sum(verdict.holds is True for verdict in done.verdicts)
        state = {0: "", 1: "  FAILED", 2: "  REFUSED"}[done.code]
        claims = f"{holding} claims hold, {len(done.outside)} do not"
        print(f"{done.lab + ' ' + done.part:<24} {duration(done.seconds):>8}  {claims}{state}")
    code = max((done.code for done in parts), default=0)
    if code:
        session.settle()
        raise SystemExit(code)
