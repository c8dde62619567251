"""The choice of an execution by timing: some real updates of every candidate, on states that are thrown away."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from threading import Barrier

import torch

from labkit.config import NUMERICS_VERSION
from labkit.engine.evaluate import evaluate
from labkit.engine.execution import Execution, block_bounds, changed, fits, options, stated
from labkit.engine.memory import keep_freed_memory
from labkit.engine.population import Population
from labkit.engine.recipe import Recipe
from labkit.engine.state import RunState
from labkit.engine.step import Stepper
from labkit.engine.trainer import most_threads
from labkit.engine.workers import Workers
from labkit.preprocess.prepare import Parts

_UNTIMED_SECONDS = 2.0  # of training: a shorter one is not worth a choice
_SHARE = 0.02  # of the training that its choice may take
_ROUNDS = 2  # of every comparison, and as many more for one that gains; the fastest counts: a busy machine only adds
# Of every measurement, at least one update of every worker: as long as the share allows, since within 5 ms the weights
# of a network of middle size are read from memory and not, as in a training, from the processor's cache.
_SAMPLE_SECONDS = (0.005, 0.04)
_SAMPLES = 200  # what a long choice measures, about
_EVALUATED = 500  # samples of an evaluation that is measured
_GAIN = 0.95  # of the time: a candidate that is not clearly faster is left
_HOPELESS = 3  # times the time: it is not measured again
_WEIGHT = 0.01  # of the networks that are timed: any number does that neither grows nor fades fast
# For a guess at the time of an update, which is mostly too long.
_CALLS_SECONDS, _MULTIPLY_ADDS_PER_SECOND = 0.001, 5e9


@dataclass(frozen=True)
class Choice:
    """An execution and how it was found.

    Attributes:
        execution: The execution.
        why: One clause, such as `timed`.
        complete: True where everything was tried that could be; a short training has no time for that.
        seconds: Time of an update per member by what was tried, in seconds; empty where nothing was timed.
    """

    execution: Execution
    why: str
    complete: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)


def is_short(recipes: Sequence[Recipe], parts: Parts) -> bool:
    """Return True where a training most likely takes less than two seconds, so that nothing about it is timed."""
    first = recipes[0]
    samples = len(parts.train.features)
    work = 3 * first.network.multiply_adds * min(first.trainer.batch_size, samples) * len(recipes)
    update = _CALLS_SECONDS + work / _MULTIPLY_ADDS_PER_SECOND
    return first.trainer.length(samples, first.schedule).total * update < _UNTIMED_SECONDS


def choose(recipes: Sequence[Recipe], parts: Parts) -> Choice:
    """Return the fastest execution of a training on this machine, as far as it is worth the time to find it.

    One change after another is tried with the best so far, and kept where it gains. All trials together take about 2%
    of the training at most; what is left then stays untried.

    Args:
        recipes: Recipes of the members.
        parts: Training, validation and test part.
    """
    samples = len(parts.train)
    given = stated(recipes, samples)
    changes = options(recipes, samples, most_threads())
    if recipes[0].trainer.chosen_device().type != "cpu" or is_short(recipes, parts):
        return Choice(given, "stated: the training is too short to be timed, or on a GPU")
    with _threads():
        started = time.perf_counter()
        best = _Probe(recipes, parts, given)
        setup = time.perf_counter() - started
        best.measure(_SAMPLE_SECONDS[0])
        update = best.measure(_SAMPLE_SECONDS[0])
        expected = update * len(recipes) * best.length.total
        if expected < _UNTIMED_SECONDS:
            return Choice(given, f"stated: the training takes about {expected:.1f} seconds")
        sample = sample_seconds(expected)
        end, seconds = started + _SHARE * expected, {str(given): update}
        for change in changes:
            execution = fits(changed(best.execution, change), recipes)
            if str(execution) in seconds or _too_many(execution):
                continue
            # A new state, and both sides' rounds, twice as many where it gains, and one to warm up.
            longest = execution.block * execution.workers * seconds[str(best.execution)]
            cost = setup + 2 * (2 * _ROUNDS + 1) * max(sample, longest)
            if time.perf_counter() + cost > end:
                return Choice(best.execution, "timed as far as there was time", False, seconds)
            other = _Probe(recipes, parts, execution)
            seconds[str(best.execution)], seconds[str(execution)] = _compare(best, other, sample)
            if seconds[str(execution)] < _GAIN * seconds[str(best.execution)]:
                best = other
    return Choice(best.execution, "timed", True, seconds)


def sample_seconds(expected: float) -> float:
    """Return how long a measurement is, in seconds.

    Args:
        expected: Seconds that the training takes.
    """
    shortest, longest = _SAMPLE_SECONDS
    return min(longest, max(shortest, _SHARE * expected / _SAMPLES))


def _too_many(execution: Execution) -> bool:
    return execution.workers * execution.threads > max(most_threads(), execution.workers)


def ratio(recipe: Recipe, other: Recipe, parts: Parts) -> float:
    """Return the time of one recipe as a multiple of that of another, each at its likely best.

    It is the larger of two ratios: of an update, and of an evaluation, whose chunks can be far larger than a batch.
    """
    with _threads():
        one, two = (_Probe([each], parts, _likely(each, parts)) for each in (recipe, other))
        mine, its = _compare(two, one, _SAMPLE_SECONDS[0])
        evaluated = [(one.evaluate(), two.evaluate()) for _ in range(1 + _ROUNDS)][1:]  # the first only warms up
    ours, others = zip(*evaluated, strict=True)
    return float(max(its / mine, min(ours) / min(others)))


def _likely(recipe: Recipe, parts: Parts) -> Execution:
    """Return the execution that is mostly the fastest for one member, without timing."""
    found = stated([recipe], len(parts.train))
    if {"convolutions": "channels_last"} in options([recipe], len(parts.train), 1):
        found = changed(found, {"convolutions": "channels_last", "between": found.products})
    return found


class _Probe:
    """Some updates of every worker's first block, behind epoch 1 where there is more: what that measures takes time."""

    def __init__(self, recipes: Sequence[Recipe], parts: Parts, execution: Execution) -> None:
        self.execution = fits(execution, recipes)
        bounds = pairwise(block_bounds(len(recipes), self.execution)[: self.execution.workers + 1])
        populations = [Population(recipes[start:stop], parts, self.execution) for start, stop in bounds]
        self._first_population, self.length = populations[0], populations[0].length
        self._first = self.length.per_epoch if self.length.total > self.length.per_epoch else 0
        self._blocks = []
        for population in populations:
            state = population.empty_state()
            state.parameters.fill_(_WEIGHT)  # drawn ones would take more time than some updates
            state.step = self._first
            self._blocks.append((Stepper(population, state), state, len(population)))

    def measure(self, sample: float) -> float:
        """Return the seconds of an update per member, from as many updates as take `sample` seconds."""
        with Workers(self.execution) as workers:
            started_all = Barrier(len(self._blocks))
            workers.do([started_all.wait] * len(self._blocks))  # threads take a while to start
            started = time.perf_counter()
            counts = workers.do([partial(self._advance, block, started + sample) for block in self._blocks])
            return (time.perf_counter() - started) / sum(counts)

    def evaluate(self) -> float:
        """Return the seconds of an evaluation of the first block on some training samples."""
        stepper, population = self._blocks[0][0], self._first_population
        part = population.parts.train
        part = part.only(torch.arange(min(len(part), _EVALUATED)))
        started = time.perf_counter()
        evaluate(population.network, [(stepper.parameters, stepper.buffers)], part, population.context())
        return time.perf_counter() - started

    def _advance(self, block: tuple[Stepper, RunState, int], end: float) -> int:
        """Update a block until the clock says `end`, and return the updates of its members together."""
        stepper, state, members = block
        count = 0
        while not count or time.perf_counter() < end:
            if state.step >= self.length.total:
                state.step, state.position = self._first, 0
            stepper.step(state)
            count += members
        return count


def _compare(one: _Probe, other: _Probe, sample: float) -> tuple[float, float]:
    """Return the shortest seconds of both, measured in turn; the first time of each only warms up."""
    first, second = [one.measure(sample)], [other.measure(sample)]
    if second[0] > _HOPELESS * first[0]:
        return first[0], min(second[0], other.measure(sample))
    first, second = [], []
    while len(first) < _ROUNDS or (min(second) < _GAIN * min(first) and len(first) < 2 * _ROUNDS):
        first.append(one.measure(sample))
        second.append(other.measure(sample))
    return min(first), min(second)


@contextmanager
def _threads() -> Iterator[None]:
    """Put the number of threads back."""
    keep_freed_memory()
    previous = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(previous)


def work(recipes: Sequence[Recipe], parts: Parts) -> str:
    """Return the shape of the work, as a text: with processor, torch and cores it decides which execution is fast."""
    first, trainer = recipes[0], recipes[0].trainer
    layers = [(repr(stage.layer), stage.shape, stage.arrivals) for stage in first.network.stages]
    length = trainer.length(len(parts.train), first.schedule)
    rule = (first.rule.update.__qualname__, first.rule.slots, first.rule.decay)
    shape = hashlib.sha256(repr((layers, first.strategy.kind, rule)).encode()).hexdigest()[:16]
    return (
        f"network={shape} members={len(recipes)} seeds={len({recipe.seed for recipe in recipes})} "
        f"batch={min(trainer.batch_size, len(parts.train.features))} precision={trainer.precision} "
        f"epochs={'more' if length.total > length.per_epoch else 'one'} augmented={first.augmentation.active} "
        f"gradient={trainer.gradient} device={trainer.chosen_device()} "
        f"numerics={NUMERICS_VERSION}"
    )
