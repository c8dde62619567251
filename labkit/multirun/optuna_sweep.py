"""`hydra/sweeper=optuna`: the search of `labkit.search`, its trials run as jobs through Hydra's launcher."""

from __future__ import annotations

import hashlib
import itertools
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from labkit.multirun import parent_run, runner, search_runs, space_grammar
from labkit.multirun.grid_sweep import name_failed
from labkit.multirun.parent_run import Checked
from labkit.multirun.runner import Runner
from labkit.report.durations import duration
from labkit.runs.result import Returns, Table
from labkit.search import samplers, stages
from labkit.search.owner import check_apart
from labkit.search.results import StageResult
from labkit.search.search import Definition, Proposal, SearchFailed, TrialAnswer, outlook, search
from labkit.search.space import Space
from labkit.search.trials import StoredTrial
from labkit.tracking import session, store
from labkit.tracking.quantities import is_maximised
from labkit.tracking.rows import IGNORED
from labkit.tracking.run import Run
from labkit.words import Words, merged


def sweep(sweeper: Any, arguments: Sequence[str]) -> Returns:
    """Search, confirm and train the winner, as far as that is not done; then show the table of all of it."""
    settings = parent_run.settings(sweeper)
    overrides = parent_run.overrides(sweeper.config, arguments, sweeper.hydra_context.config_loader)
    fixed, searched = space_grammar.divided(overrides)
    space = space_grammar.space(searched, settings["conditions"])
    ours = getattr(sweeper.task_function, "trains_populations", False)
    if ours and parent_run.task_name(sweeper.config) == "train":
        return LabSearch(sweeper, settings, fixed, space).run()
    return _search_any(sweeper, settings, fixed, space)


def defined(
    study: str, space: Space, settings: Mapping[str, Any], directions: Sequence[str], seed: int, **more: Any
) -> Definition:
    """The search that `hydra.sweeper`'s keys describe; raises ConfigError.

    Args:
        study: its name, unless the keys give one.
        directions: of the objectives, unless the keys give them.
        seed: the first of the runs.
        more: Further attributes of the definition.
    """
    common = {key: settings[key] for key in ("sampler", "n_trials", "n_jobs", "pruner")}
    samplers.check_sampler(common["sampler"], "hydra.sweeper.sampler")
    told = settings["direction"]
    return Definition(
        study=settings["study_name"] or study,
        space=space,
        stages=stages.read_stages(settings["stages"], {**common, "seeds": settings.get("seeds")}),
        confirm=stages.read_confirm(settings["confirm"]),
        final=stages.read_final(settings["final"]),
        directions=tuple(directions) if told is None else (told,) if isinstance(told, str) else tuple(told),
        seed=settings["seed"],
        base_seed=seed,
        max_failure_rate=settings["max_failure_rate"],
        **more,
    )


class LabSearch:
    """One search on runs of labkit."""

    def __init__(self, sweeper: Any, settings: Mapping[str, Any], fixed: Words, space: Space) -> None:
        session.start_writer(sweeper.config)  # first: it imports MLflow while torch is imported here
        from labkit.runs.plan import objectives

        self.sweeper, self.config, self.settings = sweeper, sweeper.config, settings
        check_apart(settings["storage"], store.default_store(Path(self.config.paths.root))[0])
        self.fixed, self.space = fixed, space
        parent_run.check_settings(self.config, sweeper.launcher)
        space_grammar.check_seeds(space, self.config.seeds)
        self.composer = parent_run.composer(sweeper)
        self.objectives = objectives(self.config.objective)
        self.corners = parent_run.check(self.composer, [self._words(corner) for corner in space_grammar.corners(space)])
        name = self.config.hydra.runtime.choices.get("sweeps") or self.config.name or "search"
        directions = ["maximize" if is_maximised(name) else "minimize" for name in self.objectives]
        code = {file: version for corner in self.corners for file, version in corner.code.items()}
        study = f"{name}-{fingerprint(self.corners[0], space, self._asked(), code)}"
        common = {k: v for k, v in flat(shared(self.corners[0], space)).items() if not k.startswith(IGNORED)}
        known = {**settings, "seeds": self.config.seeds}
        self.definition = defined(
            study, space, known, directions, self.config.seed, objectives=self.objectives, fixed=common, code=code
        )
        self.folder = Path(self.config.paths.root) / "mlruns" / "studies"
        self.tracker = parent_run.store(self.config)

    def run(self) -> Returns:
        """What is missing of the search, and its table."""
        if self.settings["dry_run"]:
            self.dry_run()
            return Returns()
        storage = self.settings["storage"]
        try:
            result = search(self.definition, self.evaluate, storage, self.folder, _say, self.lost)
        except SearchFailed as failure:
            self.close(failure.known, failed=True)
            raise
        returns = Returns(self.runner.returns if result.evaluated else ())
        returns.table = self.close(result.known)
        if self.tracker is None and result.winner is not None:
            print(f"best: {' '.join(space_grammar.words(result.winner.params, self.space))}")
        return returns

    def close(self, known: Sequence[StageResult], failed: bool = False) -> Table | None:
        """Show and keep the table, at every call; where this one ran nothing, nothing of the store changes."""
        if self.tracker is None:
            return None
        from labkit.multirun import search_outcome

        parent = self.__dict__.get("parent")
        return search_outcome.close(self.config, self.definition, self.tracker, parent, known, failed)

    @cached_property
    def runner(self) -> Runner:
        """Made for the first trial, when the search is held and certain to have something to do."""
        parent_run.write_down(self.config)
        return Runner(self.sweeper, self.tracker, self.objectives)

    @cached_property
    def parent(self) -> Run | None:
        """The parent run, opened for the first trial likewise."""
        if self.tracker is None:
            return None
        parent_run.adopt(self.tracker)
        return parent_run.open_parent(self.config, self.tracker, self.definition.study, 0)

    def evaluate(
        self, stage: str, overrides: tuple[str, ...], proposals: Sequence[Proposal], purpose: str
    ) -> list[TrialAnswer]:
        """Run a batch of trials, each on its seeds."""
        jobs = self._jobs(overrides, proposals, purpose)
        told = [self._told(stage, proposal) for proposal, own in zip(proposals, jobs, strict=True) for _ in own]
        flat_jobs = [job for own in jobs for job in own]
        answers = self.runner(flat_jobs, told)
        name_failed(flat_jobs, answers)
        before = sum(answer.before for answer in answers)
        if before:
            _say(f"{stage}: {before} of {len(answers)} runs were trained before; the store has them")
        each = iter(answers)
        return [folded(list(itertools.islice(each, len(own)))) for own in jobs]

    def lost(
        self, stage: str, overrides: tuple[str, ...], trials: Sequence[StoredTrial], purpose: str
    ) -> Mapping[str, str]:
        """Which trials that ended count no longer, and why, by key: the store lacks their results."""
        if self.tracker is None:
            return {}
        place = store.shown(store.default_store(Path(self.config.paths.root))[0])
        jobs = self._jobs(overrides, trials, purpose)
        return search_runs.lost(self.tracker, place, self.objectives, trials, jobs)

    def _jobs(
        self, overrides: Sequence[str], trials: Sequence[Proposal | StoredTrial], purpose: str
    ) -> list[list[Checked]]:
        """The jobs of each trial, one for each of its seeds."""
        rows = []
        for trial in trials:
            point = self._words(space_grammar.words(trial.params, self.space), *overrides, f"purpose={purpose}")
            rows.append([merged(point, [f"seed={seed}", "seeds=null"]) for seed in trial.seeds] or [point])
        checked = iter(parent_run.check(self.composer, [words for own in rows for words in own]))
        return [list(itertools.islice(checked, len(own))) for own in rows]

    def _asked(self) -> dict[str, Any]:
        """What is asked of every point beyond the default; it makes another search, not other runs."""
        asked = {"objective": list(self.objectives), "seeds": self.config.seeds}
        return {key: value for key, value in asked.items() if value not in (None, ["val/accuracy"])}

    def _told(self, stage: str, proposal: Proposal) -> dict[str, str]:
        common = runner.sweep_variables(self.definition.study, self.parent)
        own = {session.STAGE: stage, session.TRIAL: str(proposal.number)}
        if any(one.name == stage and one.pruner is not None for one in self.definition.stages):
            own |= {session.PRUNED_BY: proposal.trial[0], session.STUDY_OF_TRIAL: proposal.trial[1]}
        return {**common, **own}

    def _words(self, point: Sequence[str], *more: str) -> Words:
        return merged(self.fixed, point, more)

    def dry_run(self) -> None:
        """Print the stages, what is done of them, and the time that the rest should take."""
        print(f"study {self.definition.study}")
        for stage in outlook(self.definition, self.settings["storage"], self.folder, self.lost):
            middle = parent_run.check(self.composer, [merged(self.corners[0].words, stage.overrides)])[0]
            past = self.tracker.finished(middle.shape) if self.tracker is not None else []
            each = statistics.median(r.seconds for r in past) if past else None
            runs = (stage.trials - stage.done) * (stage.seeds or 1)
            time = "no run of this shape to tell the time from" if each is None else f"about {duration(each * runs)}"
            print(f"  {stage.stage:<10} {stage.trials:4d} trials, {stage.done} finished, {runs} runs to go: {time}")
            if stage.lost:
                print(f"    {stage.lost}")
        print("nothing was trained.")


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def folded(answers: Sequence[runner.Answer]) -> TrialAnswer:
    """The jobs of a trial as one answer: the mean over its seeds, unless one of them failed or had no value."""
    run_ids = tuple(answer.run_id for answer in answers if answer.run_id)
    for status, state in (("FAILED", "failed"), ("DIVERGED", "diverged"), ("PRUNED", "pruned")):
        worst = [answer for answer in answers if answer.status == status]
        if worst:
            return TrialAnswer(None, state, run_ids=run_ids, note=str(worst[0].error or ""))
    rows = [answer.values for answer in answers if answer.values is not None]
    if len(rows) < len(answers):
        return TrialAnswer(None, "failed", run_ids=run_ids, note="the job measured no objective")
    values = tuple(statistics.fmean(column) for column in zip(*rows, strict=True))
    spread = statistics.stdev(row[0] for row in rows) if len(rows) > 1 else None
    return TrialAnswer(values, "complete", spread, run_ids)


def fingerprint(job: Checked, space: Space, asked: Mapping[str, Any], code: Mapping[str, str]) -> str:
    """Six digits of a hash of what a search holds fixed: another of it is another search.

    Args:
        job: Any job of the search.
        space: Keys that differ between jobs.
        asked: What is asked of every point, where that is not the default.
        code: Versions of the user's own code that its corners train with.
    """
    fixed = shared(job, space) | ({"code": dict(code)} if code else {})
    text = json.dumps(fixed, sort_keys=True) + (json.dumps(asked, sort_keys=True) if asked else "")
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def shared(job: Checked, space: Space) -> dict[str, Any]:
    """What all jobs of a search have in common and their results depend on, group by group."""
    from labkit.runs.identity import LEFT_OUT

    searched = {d.key for d in space.dimensions}
    fixed = {
        group: {k: v for k, v in value.items() if f"{group}.{k}" not in searched}
        if isinstance(value, Mapping)
        else value
        for group, value in job.config.items()
        if group not in searched and group not in LEFT_OUT
    }
    if isinstance(fixed.get("data"), Mapping):
        fixed["data"] = {key: value for key, value in fixed["data"].items() if key != "root"}
    return fixed


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as `{"optimizer.lr": 0.1}`."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        inner = isinstance(value, Mapping) and value
        found |= flat(value, f"{prefix}{key}.") if inner else {f"{prefix}{key}": value}
    return found


def _search_any(sweeper: Any, settings: Mapping[str, Any], fixed: Words, space: Space) -> Returns:
    """A search on the jobs of any Hydra program, each returning its objective; remembered only under a study's name."""
    launcher = Runner(sweeper, None, ())
    folder = Path(str(sweeper.config.hydra.sweep.dir)).absolute()
    parent_run.write_down(sweeper.config)

    def evaluate(_: str, overrides: tuple[str, ...], proposals: Sequence[Proposal], purpose: str) -> list[TrialAnswer]:
        rows = [merged(fixed, space_grammar.words(p.params, space), overrides) for p in proposals]
        answers = launcher([Checked(words, "", "", "", 0, {}, {}) for words in rows], [{}] * len(rows))
        return [folded([answer]) for answer in answers]

    definition = defined("search", space, settings, ("minimize",), 0)  # as in Hydra's own Optuna sweeper
    search(definition, evaluate, settings["storage"], folder)
    return Returns(launcher.returns)
