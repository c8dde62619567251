"""Groups of jobs that train together, as one program or side by side in processes, and why: functions on plans."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch

from labkit.config import Count, Positive
from labkit.engine.execution import convolution_work, is_busy_alone
from labkit.engine.trainer import cores
from labkit.runs.plan import Plan

# Measured with `python benchmarks/members.py FOLDER`; the table is in docs/decisions.md. Small networks gain
# up to here, wide ones stay level, and memory is what ends it.
MOST_MEMBERS = 128
# A convolutional step of this many multiply-adds keeps a core busy alone: stacked members gain nothing there. Much
# longer ones share a process (`labkit.engine.execution.is_busy_alone`), these would wait for Python's lock.
_LEAST_CONVOLUTION = 15_000_000
_SHARE_OF_MEMORY = 0.25
_FLOATS_OF_A_PARAMETER = 4  # itself, its gradient, its decay, and a copy while somebody is frozen


@dataclass(frozen=True)
class Group:
    """Jobs that train together.

    Attributes:
        members: Positions of the jobs.
        together: True for one program, False for processes side by side, one thread each.
        why: Reason, one line.
    """

    members: tuple[int, ...]
    together: bool
    why: str


@dataclass(frozen=True)
class Limits:
    """Keys of `hydra.launcher=population`; see there."""

    most_members: Count | None = None
    memory_gib: Positive | None = None
    processes: Count | None = None


def groups(plans: Sequence[Plan], limits: Limits) -> list[Group]:
    """Return groups that hold every job exactly once, in the order of their first members."""
    kinds: list[list[int]] = []
    for i, plan in enumerate(plans):
        home = next((kind for kind in kinds if _one_program(plans[kind[0]], plan)), None)
        kinds.append([i]) if home is None else home.append(i)
    return [group for kind in kinds for group in _divided(kind, plans[kind[0]], limits)]


def _one_program(one: Plan, other: Plan) -> bool:
    same_data = one.data_key == other.data_key and one.paths == other.paths and one.tracking == other.tracking
    return same_data and one.recipe.structure == other.recipe.structure


def _divided(kind: list[int], plan: Plan, limits: Limits) -> list[Group]:
    """Divide a kind into one group or several, each within the limits and of about the same size."""
    if len(kind) == 1:
        return [Group(tuple(kind), True, "no other job shares its program")]
    processes = min(limits.processes or cores(), len(kind))
    batch = min(plan.recipe.trainer.batch_size, len(plan.parts.train))
    work = convolution_work(plan.recipe, batch)
    side_by_side = is_busy_alone(plan.recipe, batch) and plan.recipe.trainer.threads == "auto"
    apart = work >= _LEAST_CONVOLUTION and not (side_by_side and limits.processes is None)
    if apart and processes > 1 and plan.recipe.trainer.chosen_device().type == "cpu":
        why = f"convolutions of {work / 1e6:.0f} million multiply-adds a step fill a core alone"
        return [Group(tuple(kind), False, f"{processes} processes side by side, one thread each: {why}")]
    size, reason = _most(plan, limits)
    parts = -(-len(kind) // size)
    even = -(-len(kind) // parts)
    chunks = [tuple(kind[start : start + even]) for start in range(0, len(kind), even)]
    why = "their configurations differ in numbers only" + (f"; at most {size}: {reason}" if parts > 1 else "")
    return [Group(chunk, True, f"one program of {len(chunk)}: {why}") for chunk in chunks]


def _most(plan: Plan, limits: Limits) -> tuple[int, str]:
    """Return the size of the largest group, and what limits it."""
    budget = limits.memory_gib * 2**30 if limits.memory_gib else _SHARE_OF_MEMORY * free_memory(plan)
    fitting = max(1, int(budget / bytes_per_member(plan)))
    wanted = limits.most_members or MOST_MEMBERS
    if fitting < wanted:
        return fitting, f"memory of {budget / 2**30:.1f} GiB"
    return wanted, "larger groups are no faster" if limits.most_members is None else "hydra.launcher.most_members"


def bytes_per_member(plan: Plan) -> int:
    """Return the bytes of one more member: parameters and their companions, activations of a batch, losses."""
    recipe = plan.recipe
    size = torch.tensor([], dtype=recipe.trainer.dtype).element_size()
    numbers = recipe.network.parameter_count * (_FLOATS_OF_A_PARAMETER + len(recipe.rule.slots))
    activations = sum(prod(stage.output_shape) for stage in recipe.network.stages)
    own_batch = prod(plan.parts.shape)  # with a seed of its own it gathers a batch of its own
    updates = recipe.trainer.length(len(plan.parts.train.features), recipe.schedule).total
    return size * (numbers + recipe.trainer.batch_size * (3 * activations + own_batch) + 2 * updates)


def free_memory(plan: Plan) -> int:
    """Return the bytes that are free where the plan trains."""
    if plan.recipe.trainer.chosen_device().type == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    try:
        with open("/proc/meminfo") as facts:
            line = next(line for line in facts if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
