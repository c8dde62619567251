"""Samplers that learn nothing: grid, random and quasi-random points, functions of their place in the stage alone."""

from __future__ import annotations

import zlib

from labkit.config import ConfigError
from labkit.search.space import Point, Space

KINDS = ("grid", "random", "qmc")


def points(kind: str, space: Space, n_trials: int, seed: int, stage: str) -> list[Point]:
    """Return the points of a stage, in order.

    `random` draws every point from a generator seeded by (seed, stage, place); `qmc` is Sobol's sequence, scrambled by
    (seed, stage). A larger budget begins with the points of a smaller one. `grid` is the largest grid that the budget
    allows, with equally many values per range, and all choices; of another budget it is another grid.

    Raises:
        ConfigError: The budget is too small for a grid over this space.
    """
    if kind == "grid":
        return grid(space, n_trials)
    key = [seed, zlib.crc32(stage.encode())]
    return _sobol(space, n_trials, key) if kind == "qmc" else [_random(space, [*key, k]) for k in range(n_trials)]


def grid(space: Space, n_trials: int) -> list[Point]:
    """Return the largest grid of at most `n_trials` points.

    Raises:
        ConfigError: Two values per range are too many already.
    """
    found = space.grid(2)
    if len(found) > n_trials:
        raise ConfigError(
            f"hydra.sweeper: n_trials is {n_trials}, but the smallest grid over {', '.join(space.keys)} has "
            f"{len(found)} points."
        )
    fits, too_many = 2, 4  # values per range; doubled until it is too many, then halved: large grids are slow to make
    while too_many <= n_trials and len(rows := space.grid(too_many)) <= n_trials:
        found, fits, too_many = rows, too_many, 2 * too_many
    too_many = min(too_many, n_trials + 1)
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        rows = space.grid(middle)
        if len(rows) <= n_trials:
            found, fits = rows, middle
        else:
            too_many = middle
    return found


def _random(space: Space, key: list[int]) -> Point:
    import numpy as np

    return space.at(np.random.default_rng(key).random(len(space.dimensions)).tolist())


def _sobol(space: Space, n: int, key: list[int]) -> list[Point]:
    import numpy as np
    from scipy.stats import qmc

    sequence = qmc.Sobol(len(space.dimensions), scramble=True, rng=np.random.default_rng(key))
    # Sobol's sequence is balanced, and scipy draws it without a warning, in powers of two only.
    rows = sequence.random_base2((n - 1).bit_length())
    return [space.at(row.tolist()) for row in rows[:n]]
