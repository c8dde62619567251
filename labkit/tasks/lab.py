"""`task=lab`: one part of a lab, command by command; a claim outside its band ends it with exit code 1."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from labkit.compose import CONF
from labkit.config import ConfigError, Flag, nearest
from labkit.labs.part import PROFILES, Claim, Part, read
from labkit.labs.table import to_csv, to_markdown, to_rich
from labkit.labs.verdict import Verdict, verdict
from labkit.report.progress import duration
from labkit.tasks import provenance, session
from labkit.tasks.plan import resolved

Rows = Sequence[Mapping[str, Any]]


def lab(*, dry_run: Flag = False) -> Callable[[DictConfig, Sequence[str]], None]:
    """The task: run the part `part` of the lab `lab` in the profile `profile`.

    Each step is a `labkit` command of its own, so finished runs are skipped and a killed part goes on when it is
    called again.

    Args:
        dry_run: only print the plan.

    Raises:
        ConfigError: there is no such lab, part or profile.
    """

    def task(config: DictConfig, overrides: Sequence[str]) -> None:
        profile = config.profile
        if profile not in PROFILES:
            raise ConfigError(f"profile: there is no profile {profile!r}, {nearest(str(profile), PROFILES)}")
        part = read(CONF / "labs", config.lab, config.part)
        shared = passed_on(overrides)
        steps = {name: [*step.words(profile), *shared] for name, step in part.steps.items() if profile in step.only}
        announce(config, part, steps)
        if dry_run:
            return
        started = time.perf_counter()
        codes, rows = carried_out(steps)
        found = [verdict(claim, rows[claim.step], profile) for claim in asked(part, profile) if claim.step in rows]
        finish(config, overrides, found, codes, time.perf_counter() - started)

    return task


def passed_on(overrides: Sequence[str]) -> list[str]:
    """The words that every step gets too; raises ConfigError for one that would be lost."""
    own = ("task=", "task.", "lab=", "part=", "profile=")
    for word in overrides:
        if not word.lstrip("+").startswith((*own, "paths.")):
            raise ConfigError(f"{word}: a part of a lab runs as its file in conf/labs says; only paths.* may be given.")
    return [word for word in overrides if word.startswith("paths.")]


def asked(part: Part, profile: str) -> list[Claim]:
    """The claims of a profile: on embedded data only those with a band of their own mean anything."""
    return [claim for claim in part.claims if profile != "smoke" or claim.band(profile) is not None]


def announce(config: DictConfig, part: Part, steps: Mapping[str, Sequence[str]]) -> None:
    """Print the plan: the commands and how long they should take."""
    minutes = part.minutes.get(config.profile)
    expected = f", about {duration(60 * minutes)} on two cores" if minutes else ""
    print(f"{config.lab} {config.part}: {part.title} (profile {config.profile}{expected})")
    for name, words in steps.items():
        print(f"  {name:<20} labkit {' '.join(words)}")
    sys.stdout.flush()


def carried_out(steps: Mapping[str, Sequence[str]]) -> tuple[dict[str, int], dict[str, Rows]]:
    """Run the steps one after another; exit codes and the rows of their tables. A step that fails ends none of them."""
    codes: dict[str, int] = {}
    rows: dict[str, Rows] = {}
    with tempfile.TemporaryDirectory(prefix="labkit-") as folder:
        for name, words in steps.items():
            print(f"\n--- {name}", flush=True)
            table = Path(folder) / f"{name}.json"
            variables = {**os.environ, "LABKIT_TABLE": str(table)}
            command = [sys.executable, "-m", "labkit", *words]
            codes[name] = subprocess.run(command, env=variables).returncode
            if codes[name] in (130, -2):
                raise KeyboardInterrupt
            rows[name] = json.loads(table.read_text())["rows"] if table.exists() else []
    return codes, rows


def finish(
    config: DictConfig, overrides: Sequence[str], found: Sequence[Verdict], codes: Mapping[str, int], seconds: float
) -> None:
    """Print and record the claims; exit with 2 where a command was refused, with 1 where a claim or a command fails."""
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    print(f"\n{config.lab} {config.part}, profile {config.profile}, {duration(seconds)}")
    if found:
        console.print(to_rich(found, config.profile))
    for name, code in codes.items():
        if code:
            hint = "; profile=smoke needs no files" if code == 2 and config.profile != "smoke" else ""
            print(f"step {name} ended with exit code {code}{hint}")
    failed = [v.claim.says for v in found if v.holds is False]
    for sentence in failed:
        print(f"outside its band: {sentence}")
    if config.tracker.enabled is True:
        _record(config, overrides, found, codes, seconds, bool(failed))
    if failed or any(codes.values()):
        session.settle()
        raise SystemExit(2 if 2 in codes.values() else 1)


def _record(
    config: DictConfig,
    overrides: Sequence[str],
    found: Sequence[Verdict],
    codes: Mapping[str, int],
    seconds: float,
    failed: bool,
) -> None:
    """One run for the part, with its claims."""
    run = session.tracker(Path(config.paths.root)).start_run(
        experiment=config.lab,
        name=config.part,
        params={"profile": config.profile},
        tags={**provenance.tags(resolved(config), overrides), "labkit.lab_part": f"{config.lab}/{config.part}"},
    )
    run.log(0, {"claims": len(found), "claims_failed": sum(v.holds is False for v in found), "time/seconds": seconds})
    run.artifact_text("claims.md", to_markdown(found, config.profile))
    run.artifact_text("claims.csv", to_csv(found, config.profile))
    bad = failed or any(codes.values())
    run.finish("FAILED" if bad else "FINISHED", "A claim or a step failed." if bad else "")
