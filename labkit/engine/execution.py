"""How a training runs on this machine: what differs between two executions is rounding, never the mathematics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import prod
from typing import Annotated, Any, Literal

from pydantic import Field

from labkit.config import ConfigError, Count, checked
from labkit.engine.recipe import Recipe
from labkit.nn.convolution import Convolution
from labkit.nn.linear import Linear

Threads = Annotated[int, Field(ge=1, le=256, strict=True)]
Dtype = Literal["float32", "bfloat16", "float64"]
Convolutions = Literal["channels_first", "channels_last"]

# Numbers of a weight from which it pays to move it by the factors of its gradient (docs/decisions.md).
_LARGE_WEIGHT = 100_000
# Multiply-adds of convolutions in an update from which stacked members gain nothing.
_BUSY_CONVOLUTION = 300_000_000
# Weights of a network without convolutions, and multiply-adds with them, from which members leave the cache together.
_BUSY_WEIGHTS, _BUSY_PRODUCTS = 500_000, 30_000_000
# Another thread pays for convolutions from so many times the multiply-adds from which it does for products.
_CONVOLUTION_THREADS = 8


@dataclass(frozen=True)
class Execution:
    """How the steps of a training are computed.

    Attributes:
        threads: Number of CPU threads of a step.
        workers: Number of blocks that are at work at the same time, each with threads of its own.
        convolutions: Layout of pictures and kernels in memory: whether the channels of a place lie side by side.
        products: Dtype of products and convolutions.
        between: Dtype of what convolutions hand on.
        update: `factors` moves large linear weights by the factors of their gradients, `gradient` none.
        block: Number of members that share a step. A worker takes one block after another, each up to the next
            evaluation, so that the weights of a block stay in the cache.
    """

    threads: Threads
    workers: Threads
    convolutions: Convolutions
    products: Dtype
    between: Dtype
    update: Literal["gradient", "factors"]
    block: Count

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in asdict(self).items())


def stated(recipes: Sequence[Recipe], samples: int) -> Execution:
    """Return the execution of a training that is too short to be timed, or that nobody timed.

    Args:
        recipes: Recipes of the members.
        samples: Number of training samples.
    """
    first, members = recipes[0], len(recipes)
    batch, on_cpu = min(first.trainer.batch_size, samples), first.trainer.chosen_device().type == "cpu"
    # The backward pass costs two products of the size of the forward one: for dW and for dx.
    work = 3 * batch * first.network.multiply_adds
    # Stacked members gain nothing where one keeps a core busy alone.
    busy = is_busy_alone(first, batch) and first.trainer.threads == "auto" and on_cpu
    workers = min(first.trainer.chosen_threads(work * members), members) if busy else 1
    threads = first.trainer.chosen_threads(work * members // (_CONVOLUTION_THREADS if _convolutional(first) else 1))
    products = _products(first)
    return Execution(
        threads=1 if workers > 1 else threads,
        workers=workers,
        convolutions="channels_first",
        products=products,
        between="float32" if products == "bfloat16" else products,
        # A product in bfloat16 cannot be added into a float32 weight on its way.
        update="factors" if large_weights(first) and products != "bfloat16" else "gradient",
        block=1 if workers > 1 else members,
    )


def options(recipes: Sequence[Recipe], samples: int, cores: int) -> list[dict[str, Any]]:
    """Return the changes of an execution that are worth a trial, in the order in which to try them.

    Args:
        recipes: Recipes of the members.
        samples: Number of training samples.
        cores: Number of cores that may be used.
    """
    first, members = recipes[0], len(recipes)
    length = first.trainer.length(samples, first.schedule)
    counts = sorted({2**i for i in range(cores.bit_length())} | {cores}) if first.trainer.threads == "auto" else []
    found: list[dict[str, Any]] = [{"workers": count, "threads": 1} for count in counts[::-1] if count <= members]
    found += [{"block": size} for size in sorted({min(size, members) for size in (1, 8)})]
    if large_weights(first) and length.total > length.per_epoch:  # in epoch 1 gradients are measured
        found += [{"update": "gradient"}, {"update": "factors"}]
    if _has_planes(first):
        found += [{"convolutions": "channels_first"}, {"convolutions": "channels_last"}]
    if _products(first) == "bfloat16" and _convolutional(first):
        found += [{"between": "float32"}, {"between": "bfloat16"}]
    return found + [{"threads": count} for count in counts]


def is_busy_alone(recipe: Recipe, batch: int) -> bool:
    """Return True where an update of one member keeps a core busy: with convolutions, or with weights beyond its cache.

    Args:
        recipe: Recipe of the member.
        batch: Number of samples in a batch.
    """
    network = recipe.network
    if _convolutional(recipe):
        return convolution_work(recipe, batch) >= _BUSY_CONVOLUTION
    return network.parameter_count >= _BUSY_WEIGHTS and 3 * batch * network.multiply_adds >= _BUSY_PRODUCTS


def convolution_work(recipe: Recipe, batch: int) -> int:
    """Return the multiply-adds of one member's convolutions in an update with `batch` samples, forward and backward."""
    network = recipe.network
    convolutional = [stage for stage in network.stages if isinstance(stage.layer, Convolution)]
    return 3 * batch * sum(map(network.multiply_adds_of, convolutional))


def _convolutional(recipe: Recipe) -> list[Convolution]:
    return [stage.layer for stage in recipe.network.stages if isinstance(stage.layer, Convolution)]


def _has_planes(recipe: Recipe) -> bool:
    """Return True if there are convolutions over two axes: torch knows another layout for those only."""
    return any(layer.dimensions == 2 for layer in _convolutional(recipe))


def _products(recipe: Recipe) -> Dtype:
    precision = recipe.trainer.precision
    return "float32" if precision == "fast" else precision  # a word that nobody has decided


def large_weights(recipe: Recipe) -> list[int]:
    """Return the positions of the weights that a rule may move by the factors of their gradients, in order.

    A small weight gains nothing: a call for each member costs more than the passes over memory that it saves.
    """
    if (
        recipe.rule.product is None
        or recipe.trainer.gradient == "autograd"
        or recipe.strategy.shares is not None
        or recipe.rule.decay == "decoupled"  # the product knows of decay in the gradient only
        # The numbers of the update would be read back from the device.
        or recipe.trainer.chosen_device().type != "cpu"
    ):
        return []
    network = recipe.network
    weights = [stage.first_parameter for stage in network.stages if isinstance(stage.layer, Linear)]
    return [i for i in weights if prod(network.parameters[i][1].shape) >= _LARGE_WEIGHT]


def block_bounds(members: int, execution: Execution) -> list[int]:
    """Return where blocks of nearly equal size begin, and the end of the last one."""
    count = -(-members // execution.block)
    return [i * members // count for i in range(count + 1)]


def changed(execution: Execution, parts: Mapping[str, object], key: str = "trainer.execution") -> Execution:
    """Return the execution with some parts set by hand; raise ConfigError for an unknown part or value."""
    return Execution(**checked(key, Execution, {**asdict(execution), **parts}))


def fits(execution: Execution, recipes: Sequence[Recipe], key: str = "trainer.execution") -> Execution:
    """Return the execution with a block for every worker; raise ConfigError for what the training cannot do."""
    first, threads = recipes[0], recipes[0].trainer.threads
    products = _products(first)
    if threads not in ("auto", execution.threads):
        raise ConfigError(f"{key}: threads={execution.threads} contradicts trainer.threads={threads}.")
    if execution.products != products:
        raise ConfigError(f"{key}: products={execution.products} contradicts trainer.precision={products}.")
    if execution.between not in (products, "float32" if products == "bfloat16" else products):
        raise ConfigError(f"{key}: between={execution.between} does not go with products={products}.")
    if execution.update == "factors" and not large_weights(first):
        raise ConfigError(
            f"{key}: update=factors needs a linear weight of at least {_LARGE_WEIGHT:,} numbers on a CPU, under sgd or "
            "momentum with gradient=auto and strategy=together; valid: gradient."
        )
    if execution.convolutions == "channels_last" and not _has_planes(first):
        raise ConfigError(f"{key}: convolutions=channels_last needs a network with conv2d; valid: channels_first.")
    workers = min(execution.workers, len(recipes))
    return replace(execution, workers=workers, block=min(execution.block, -(-len(recipes) // workers)))
