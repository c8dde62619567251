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
from typing import TYPE_CHECKING, Any

from labkit.config import Plain
from labkit.multirun import parent_run, runner, search_runs, space_grammar
from labkit.multirun.configured_task import ConfiguredSweeper, ConfiguredTask, trains
from labkit.multirun.grid_sweep import job_composer, name_failed
from labkit.multirun.runner import Runner
from labkit.multirun.sweeper_settings import Settings, check_settings, read_settings, sweep_overrides
from labkit.report.durations import duration
from labkit.runs.result import Returns, Table
from labkit.search import samplers, stages
from labkit.search.owner import check_apart
from labkit.search.results import StageResult
from labkit.search.search import Definition, Proposal, SearchFailed, TrialAnswer, outlook, search
from labkit.search.space import Space
from labkit.search.trials import StoredTrial
from labkit.tracking import session
from labkit.tracking.quantities import is_maximised
from labkit.tracking.rows import IGNORED
from labkit.tracking.store import shown
from labkit.tracking.tracker import Run
from labkit.words import Words, merged

if TYPE_CHECKING:
    from labkit.runs.plan import Plan


def sweep(sweeper: ConfiguredSweeper, arguments: Sequence[str]) -> Returns:
    """Search, confirm and train the winner, as far as that is not done; then show the table of all of it."""
    settings = read_settings(sweeper)
    overrides = sweep_overrides(sweeper.config, arguments, sweeper.hydra_context.config_loader)
    fixed, searched = space_grammar.divide_overrides(overrides)
    space = space_grammar.space(searched, settings["conditions"])
    if isinstance(sweeper.task_function, ConfiguredTask) and trains(sweeper.config):
        return LabSearch(sweeper, settings, fixed, space).run()
    return _search_any(sweeper, settings, fixed, space)


def search_definition(
    study: str, space: Space, settings: Settings, directions: Sequence[str], seed: int, **more: Any
) -> Definition:
    """Return the search that `hydra.sweeper`'s keys describe; raise ConfigError.

    Args:
        study: Name of the search, unless the keys give one.
        space: Ranges of the searched keys.
        settings: Keys of `hydra.sweeper`.
        directions: Direction of each objective, unless the keys give them.
        seed: First seed of the runs.
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

    def __init__(self, sweeper: ConfiguredSweeper, settings: Settings, fixed: Words, space: Space) -> None:
        from labkit.runs.plan import objectives
        from labkit.runs.prepared_data import PreparedData

        self.sweeper, self.config, self.settings = sweeper, sweeper.config, settings
        self.store = session.settings(self.config).store(Path(self.config.paths.root))
        check_apart(settings["storage"], self.store)
        self.fixed, self.space = fixed, space
        check_settings(self.config)
        space_grammar.check_seeds(space, self.config.seeds)
        self.composer, self.prepared = job_composer(sweeper), PreparedData()
        self.objectives = objectives(self.config.objective)
        self.corners = self._planned([self._words(corner) for corner in space_grammar.corners(space)])
        name = self.config.hydra.runtime.choices.get("sweeps") or self.config.name or "search"
        directions = ["maximize" if is_maximised(name) else "minimize" for name in self.objectives]
        code = {file: version for corner in self.corners for file, version in corner.code.items()}
        study = f"{name}-{fingerprint(self.corners[0], space, self._asked(), code)}"
        common = {k: v for k, v in flat(common_settings(self.corners[0], space)).items() if not k.startswith(IGNORED)}
        known = {**settings, "seeds": self.config.seeds}
        self.definition = search_definition(
            study, space, known, directions, self.config.seed, objectives=self.objectives, fixed=common, code=code
        )
        self.folder = Path(self.config.paths.root) / "mlruns" / "studies"
        self.tracker = parent_run.multirun_tracker(self.config)

    def run(self) -> Returns:
        """Run what is missing of the search; return its table."""
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
        """Show the table at every call, and keep it unless this call ran nothing and an earlier one kept it."""
        if self.tracker is None:
            return None
        from labkit.multirun import search_outcome

        parent = self.__dict__.get("parent")
        if parent is None and any(not row.finished for row in self.tracker.sweeps(self.definition.study)):
            parent = self.parent  # an earlier call was killed before it could
        return search_outcome.close(self.config, self.definition, self.tracker, parent, known, failed)

    @cached_property
    def runner(self) -> Runner:
        """Made for the first trial, when the search is held and certain to have something to do."""
        parent_run.save_config(self.config)
        return Runner(self.sweeper, self.tracker, self.objectives)

    @cached_property
    def parent(self) -> Run | None:
        """The parent run, opened for the first trial likewise."""
        if self.tracker is None:
            return None
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
        return [fold_seeds(list(itertools.islice(each, len(own)))) for own in jobs]

    def lost(
        self, stage: str, overrides: tuple[str, ...], trials: Sequence[StoredTrial], purpose: str
    ) -> Mapping[str, str]:
        """Return why trials that ended count no longer, by key: the store lacks their results."""
        if self.tracker is None:
            return {}
        jobs = self._jobs(overrides, trials, purpose)
        return search_runs.lost(self.tracker, shown(self.store), self.objectives, trials, jobs)

    def _jobs(
        self, overrides: Sequence[str], trials: Sequence[Proposal | StoredTrial], purpose: str
    ) -> list[list[Plan]]:
        """Return the jobs of each trial, one for each of its seeds."""
        rows = []
        for trial in trials:
            point = self._words(space_grammar.words(trial.params, self.space), *overrides, f"purpose={purpose}")
            rows.append([merged(point, [f"seed={seed}", "seeds=null"]) for seed in trial.seeds] or [point])
        planned = iter(self._planned([words for own in rows for words in own]))
        return [list(itertools.islice(planned, len(own))) for own in rows]

    def _planned(self, rows: Sequence[Words]) -> list[Plan]:
        from labkit.multirun.planned_jobs import plan_jobs

        return plan_jobs(self.composer, rows, self.prepared)

    def _asked(self) -> dict[str, object]:
        """Return the demands on every point beyond the default; they make another search, not other runs."""
        asked = {"objective": list(self.objectives), "seeds": self.config.seeds}
        return {key: value for key, value in asked.items() if value not in (None, ["val/accuracy"])}

    def _told(self, stage: str, proposal: Proposal) -> dict[str, str]:
        common = parent_run.sweep_variables(self.definition.study, self.parent)
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
            middle = self._planned([merged(self.corners[0].words, stage.overrides)])[0]
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


def fold_seeds(answers: Sequence[runner.Answer]) -> TrialAnswer:
    """Return the answers of a trial's jobs as one: the mean over its seeds, unless one failed or had no value."""
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


def fingerprint(job: Plan, space: Space, asked: Mapping[str, object], code: Mapping[str, str]) -> str:
    """Six digits of a hash of what a search holds fixed: another of it is another search.

    Args:
        job: One job of the search, no matter which.
        space: Keys that differ between jobs.
        asked: Objective and number of seeds of every point, where they are not the default.
        code: Versions of the user's own code that its corners train with.
    """
    fixed = common_settings(job, space) | ({"code": dict(code)} if code else {})
    text = json.dumps(fixed, sort_keys=True) + (json.dumps(asked, sort_keys=True) if asked else "")
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def common_settings(job: Plan, space: Space) -> dict[str, object]:
    """Return the settings that all jobs of a search share and their results depend on, group by group."""
    from labkit.runs.identity import LEFT_OUT

    searched = {d.key for d in space.dimensions}
    fixed = {
        group: {k: v for k, v in value.items() if f"{group}.{k}" not in searched}
        if isinstance(value, Mapping)
        else value
        for group, value in job.config.items()
        if group not in searched and group not in LEFT_OUT
    }
    for group, aside in (("data", "root"), ("trainer", "execution")):
        if isinstance(fixed.get(group), Mapping):
            fixed[group] = {key: value for key, value in fixed[group].items() if key != aside}
    return fixed


def flat(config: Plain, prefix: str = "") -> dict[str, object]:
    """Return a nested mapping as `{"optimizer.lr": 0.1}`."""
    found: dict[str, object] = {}
    for key, value in config.items():
        inner = isinstance(value, Mapping) and value
        found |= flat(value, f"{prefix}{key}.") if inner else {f"{prefix}{key}": value}
    return found


def _search_any(sweeper: ConfiguredSweeper, settings: Settings, fixed: Words, space: Space) -> Returns:
    """Search on the jobs of any Hydra program, each returning its objective; remembered only under a study's name."""
    launcher = Runner(sweeper, None, ())
    folder = Path(str(sweeper.config.hydra.sweep.dir)).absolute()
    parent_run.save_config(sweeper.config)

    def evaluate(_: str, overrides: tuple[str, ...], proposals: Sequence[Proposal], purpose: str) -> list[TrialAnswer]:
        rows = [merged(fixed, space_grammar.words(p.params, space), overrides) for p in proposals]
        return [fold_seeds([answer]) for answer in launcher.launch(rows)]

    definition = search_definition("search", space, settings, ("minimize",), 0)  # as in Hydra's own Optuna sweeper
    search(definition, evaluate, settings["storage"], folder)
    return Returns(launcher.returns)
