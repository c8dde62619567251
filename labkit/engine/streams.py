"""Random streams: each seed gives one independent generator per purpose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

PURPOSES = ("init", "shuffle", "augmentation", "dropout")


def generator(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return the generator of one seed for one purpose; a purpose that draws more or less moves no other.

    Raise ValueError for a purpose that is not in `PURPOSES`.
    """
    words = np.random.SeedSequence((seed, PURPOSES.index(purpose))).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(words[0]) >> 1)


def distinct(seeds: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the distinct seeds in order of appearance, and for each member the position of its own."""
    unique = list(dict.fromkeys(seeds))
    return unique, [unique.index(seed) for seed in seeds]
