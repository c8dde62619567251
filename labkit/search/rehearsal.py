"""A sampler or a pruner of Optuna's asked once before anything is trained: what it would raise later, it raises now."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from labkit.config import ConfigError
from labkit.search import listed, samplers
from labkit.search.quiet import quiet
from labkit.search.space import Space

_TRIALS = 12  # more than the ten that samplers draw at random before they learn
_SLOW = "GPSampler"  # fits a Gaussian process for every trial after these


def rehearse_sampler(node: samplers.Node, space: Space, directions: Sequence[str], where: str) -> None:
    """Raise ConfigError where a sampler cannot propose points of this space.

    Args:
        node: Of a sampler that is in order by itself.
        space: Of the search.
        directions: Of its objectives.
        where: The node's key, for messages.
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

        ways: Any = list(directions)
        study = optuna.create_study(directions=ways)
        for index in range(trials):
            study.sampler = samplers.sampler(node, 0, "rehearsal", index, where, space)
            trial = study.ask()
            space.suggest(trial)
            study.tell(trial, [float(index)] * len(directions))


def rehearse_pruner(node: samplers.Node, where: str) -> None:
    """Raise ConfigError where a pruner cannot judge a trial."""
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
    """Inside, Optuna is silent, and whatever it raises becomes one sentence."""
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
