"""Samplers, which say where trials lie, and pruners, which stop one: by name, or by a node for one of Optuna's.

What holds when a search is killed and goes on: `grid`, `random` and `qmc` are functions of (seed, stage, place of the
trial), so their points are exactly those of the search that was not killed. A sampler that learns is made anew for
every trial, from (seed, stage, place), and sees what is in the storage; its points are the same as long as that is the
same, which holds when the kill came before or after the answers of a batch were written down. Where it came between,
or a failed trial was run again, the former trials stand in another order, and points after it may differ.
"""

from __future__ import annotations

import importlib.util
import inspect
import zlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, cast

from labkit.config import ConfigError, nearest, shown
from labkit.search import listed
from labkit.search.draws import KINDS
from labkit.search.quiet import quiet
from labkit.search.space import Json, Space

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

Node = str | Mapping[str, Json]  # the name of a sampler or pruner, or a mapping with `_target_` and keywords

LEARNING = {"tpe": "TPESampler", "gp": "GPSampler", "cmaes": "CmaEsSampler", "nsgaii": "NSGAIISampler"}
PRUNERS: dict[str, tuple[str, dict[str, Json]]] = {
    "nop": ("NopPruner", {}),
    "median": ("MedianPruner", {}),
    "percentile": ("PercentilePruner", {"percentile": 25.0}),
    "hyperband": ("HyperbandPruner", {}),
    "successive_halving": ("SuccessiveHalvingPruner", {}),
    "threshold": ("ThresholdPruner", {}),
    "patient": ("PatientPruner", {"wrapped_pruner": {"_target_": "optuna.pruners.MedianPruner"}, "patience": 2}),
}
TRIALS_AT_ONCE = 4  # of a sampler that learns: more of them know less of each other

_OURS = {"GridSampler": "grid", "RandomSampler": "random", "QMCSampler": "qmc"}
_ONE_SEQUENCE = ("GridSampler", "QMCSampler")  # their seed is that of the whole sequence
_NEEDS = {"CmaEsSampler": "cmaes"}  # packages that Optuna imports only once there is something to learn from
_INNER = ("base_sampler", "independent_sampler", "wrapped_pruner")  # keys that hold another one of the family
_ALONE = ("nop", "successive_halving", "threshold")  # pruners that need no finished trial to compare with


def kind(node: Node) -> str:
    """Return `grid`, `random` or `qmc` for one of these, `listed` where all points are known beforehand, else ""."""
    if isinstance(node, str):
        return node if node in KINDS else ""
    if listed.lists(node):
        return "listed"
    plain = set(node) <= {"_target_", "seed", "_partial_"}
    return _OURS.get(str(node.get("_target_")).rpartition(".")[2], "") if plain else ""


def seed_of(node: Node, seed: int) -> int:
    """Return the seed of the sampler: its node's own, else `seed`."""
    own = node.get("seed") if isinstance(node, Mapping) else None
    return own if isinstance(own, int) else seed  # anything else was refused by `check_sampler`


def batch(sampler: Node, pruner: Node | None, n_jobs: int | None, remaining: int) -> int:
    """Return the number of trials that are proposed before the first of them is told.

    All that remain, unless the sampler learns from earlier trials, or the pruner compares with finished ones; then
    `n_jobs`, or 4.
    """
    waits = not kind(sampler) or (pruner is not None and _waits_for_a_result(pruner))
    return min(remaining, n_jobs or (TRIALS_AT_ONCE if waits else remaining))


def _waits_for_a_result(pruner: Node) -> bool:
    """Tell whether a pruner stops nothing before some trial has finished."""
    if isinstance(pruner, str):
        return pruner not in _ALONE
    target = str(pruner.get("_target_")).rpartition(".")[2]
    if target == "PatientPruner":
        inner = pruner.get("wrapped_pruner")
        return isinstance(inner, str | Mapping) and _waits_for_a_result(inner)
    if target == "HyperbandPruner":
        return not isinstance(pruner.get("max_resource"), int)
    return target not in {PRUNERS[name][0] for name in _ALONE} or _halves_by_a_result(pruner)


def remark(pruner: Node | None) -> str:
    """Return what a user must know of a pruner's verdicts, to follow a line about the stage; "" where nothing."""
    if pruner is None:
        return ""
    if "hyperband" in str(pruner).lower():
        return (
            "; hyperband draws each trial's bracket from the study's name and the trial's number: under another name "
            "it gives up others"
        )
    if pruner == "successive_halving" or _halves_by_a_result(pruner):
        return "; successive halving with min_resource: auto gives up nothing before a trial has finished"
    return ""


def _halves_by_a_result(pruner: Node) -> bool:
    """Tell whether it is a node of successive halving that takes its first rung from a finished trial."""
    if isinstance(pruner, str) or not str(pruner.get("_target_")).endswith(".SuccessiveHalvingPruner"):
        return False
    return bool(pruner.get("min_resource", "auto") == "auto")


def check_sampler(node: object, where: str) -> None:
    """Check that there is such a sampler, with these keys.

    Args:
        node: Name or node as a configuration writes it.
        where: Key of the node, for messages.

    Raises:
        ConfigError: There is no such sampler, a key or a value is wrong, or a package that it needs is missing.
    """
    if isinstance(node, str):
        if node not in (*KINDS, *LEARNING):
            raise ConfigError(f"{where}: there is no sampler {node!r}, {nearest(node, (*KINDS, *LEARNING))}")
    elif not isinstance(node, Mapping):
        raise ConfigError(f"{where}: expected the name of a sampler or a node with _target_, got {shown(node)}.")
    else:
        listed.check_values(node, where)
    own = node.get("seed") if isinstance(node, Mapping) else None
    if own is not None and (isinstance(own, bool) or not isinstance(own, int) or own < 0):
        raise ConfigError(f"{where}.seed: expected a whole number of at least 0, got {shown(own)}.")
    if kind(node) in ("", "listed"):
        sampler(node, 0, "check", 0, where)


def check_pruner(node: object, where: str) -> None:
    """Check that there is such a pruner, with these keys; arguments as in `check_sampler`.

    Raises:
        ConfigError: There is no such pruner, or a key or a value is wrong.
    """
    if isinstance(node, str) and node not in PRUNERS:
        raise ConfigError(f"{where}: there is no pruner {node!r}, {nearest(node, PRUNERS)}")
    if not isinstance(node, str | Mapping):
        raise ConfigError(f"{where}: expected the name of a pruner or a node with _target_, got {shown(node)}.")
    pruner(node, where)


def class_of(node: Node) -> str:
    """Return the name of Optuna's class."""
    return str((_node_of(node) if isinstance(node, str) else node).get("_target_")).rpartition(".")[2]


def sampler(
    node: Node,
    seed: int,
    stage: str,
    index: int,
    where: str = "hydra.sweeper.sampler",
    space: Space | None = None,
) -> BaseSampler:
    """Return Optuna's sampler for the trial at place `index` of a stage.

    Args:
        node: Name or node of the sampler.
        seed: Seed of the search.
        stage: Name of the stage.
        index: Place of the trial in the stage.
        where: Key of the node, for messages.
        space: Space that rewrites the values of the node as it writes them itself; None: they stay as they are.

    Raises:
        ConfigError: Optuna makes no sampler of this node.
    """
    node = _node_of(node) if isinstance(node, str) else node
    # A sampler of one sequence draws its next point by itself; any other one gets a seed of its own for each trial,
    # so that its draw is the same after a kill as without one.
    place = "" if any(name in str(node) for name in _ONE_SEQUENCE) else f"/{index}"
    derived = zlib.crc32(f"{seed_of(node, seed)}/{stage}{place}".encode())
    if space is not None and "fixed_params" in node:
        node = {**node, "fixed_params": listed.fixed_values(node, space, where)}
    return cast("BaseSampler", _build({**node, "seed": None}, "samplers", derived, where))


def pruner(node: Node, where: str = "hydra.sweeper.pruner") -> BasePruner:
    """Return Optuna's pruner.

    Args:
        node: Name or node of the pruner.
        where: Key of the node, for messages.

    Raises:
        ConfigError: Optuna makes no pruner of this node.
    """
    node = _node_of(node) if isinstance(node, str) else node
    return cast("BasePruner", _build(node, "pruners", None, where))


def _build(node: Mapping[str, Json], family: str, seed: int | None, where: str) -> object:
    """Build the object that a node names, its inner nodes likewise."""
    constructor = _constructor(node.get("_target_"), family, where)
    valid = [name for name in inspect.signature(constructor).parameters if name != "self"]
    keys: dict[str, object] = {k: value for k, value in node.items() if k not in ("_target_", "_partial_")}
    if seed is not None:
        keys = {name: value for name, value in keys.items() if name != "seed"}
        keys |= {"seed": seed} if "seed" in valid else {}
    for name, value in keys.items():
        if name not in valid:
            raise ConfigError(f"{where}: {constructor.__name__} has no key {name!r}, {nearest(name, valid)}")
        if name in _INNER and isinstance(value, str) and value in (LEARNING if family == "samplers" else PRUNERS):
            value = _node_of(value)
        if isinstance(value, Mapping) and "_target_" in value:
            keys[name] = _build(value, family, seed, f"{where}.{name}")
        elif name in _INNER and value is not None:
            raise ConfigError(f"{where}.{name}: expected one of Optuna's {family}, got {shown(value)}.")
    needed = _NEEDS.get(constructor.__name__)
    try:
        with quiet():
            if needed and importlib.util.find_spec(needed) is None:
                raise ModuleNotFoundError(name=needed)
            return constructor(**keys)
    except ImportError as error:
        cause = error.__cause__
        missing = error.name or (cause.name if isinstance(cause, ImportError) else None) or str(error).splitlines()[0]
        raise ConfigError(f"{where}: {constructor.__name__} needs the package {missing!r}, which is missing.") from None
    except Exception as error:  # of an outside library, and of whatever the user wrote
        raise ConfigError(f"{where}: {constructor.__name__}: {' '.join(str(error).split())}") from None


def _node_of(name: str) -> dict[str, Json]:
    """Return the node that a name stands for."""
    if name in LEARNING:
        return {"_target_": f"optuna.samplers.{LEARNING[name]}"}
    return {"_target_": f"optuna.pruners.{PRUNERS[name][0]}", **PRUNERS[name][1]}


def _constructor(target: Json, family: str, where: str) -> Callable[..., object]:
    import optuna

    home: ModuleType = getattr(optuna, family)
    classes = {name: getattr(home, name) for name in home.__all__}
    able = [name for name, one in classes.items() if inspect.isclass(one) and not inspect.isabstract(one)]
    valid = {f"optuna.{family}.{name}": name for name in able}
    if target not in valid:
        raise ConfigError(
            f"{where}._target_: {shown(target)} is not one of Optuna's {family}, {nearest(str(target), valid)}"
        )
    constructor: Callable[..., object] = classes[valid[target]]
    return constructor
