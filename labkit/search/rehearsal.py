"""Rehearsal of Optuna's samplers and pruners before anything is trained: an error of later is raised now."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from labkit.config import ConfigError
from labkit.search import listed, samplers
from labkit.search.quiet import quiet
from labkit.search.space import Space

_TRIALS = 12  # more than the ten that samplers draw at random before they learn
_SLOW = "GPSampler"  # fits a Gaussian process for every trial after these


def rehearse_sampler(node: samplers.Node, space: Space, directions: Sequence[str], where: str) -> None:
    """Check that a sampler proposes points of this space.

    Args:
        node: Name or node of a sampler that is in order by itself.
        space: Space of the search.
        directions: `maximize` or `minimize`, one per objective.
        where: Key of the node, for messages.

    Raises:
        ConfigError: The sampler raises, or cannot list its points.
    """
    if samplers.kind(node) == "listed" and not isinstance(node, str):
        listed.points(node, space, where)
        return
    if samplers.kind(node):
        return
    name = samplers.class_of(node)
    trials = 1 if isinstance(node, str) or _SLOW in str(node) else _TRIALS
    with _one_sentence(where, name):
        import optuna

        ways = [optuna.study.StudyDirection[direction.upper()] for direction in directions]
        study = optuna.create_study(directions=ways)
        for index in range(trials):
            study.sampler = samplers.sampler(node, 0, "rehearsal", index, where, space)
            trial = study.ask()
            space.suggest(trial)
            study.tell(trial, [float(index)] * len(directions))


def rehearse_pruner(node: samplers.Node, where: str) -> None:
    """Check that a pruner judges a trial; arguments as in `rehearse_sampler`.

    Raises:
        ConfigError: The pruner raises.
    """
    with _one_sentence(where, samplers.class_of(node)):
        import optuna

        study = optuna.create_study(pruner=samplers.pruner(node, where))
        for number in range(_TRIALS):
            trial = study.ask()
            for step in range(1, 5):
                trial.report(float(number + step), step)
                trial.should_prune()
            study.tell(trial, float(number))


@contextmanager
def _one_sentence(where: str, name: str) -> Iterator[None]:
    """Keep Optuna silent inside, and make one sentence of whatever it raises."""
    import optuna

    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # `quiet` puts back what was before
        try:
            yield
        except ConfigError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ConfigError(f"{where}: {name}: {reason}") from None
