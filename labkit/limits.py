"""How much one command may ask for: worked out before anything is allocated, and refused in one sentence.

Memory is held against what is free on the machine, or left of this process's own limit. The other ceilings are far
above what the labs and the usual networks need.
"""

from __future__ import annotations

import os
from pathlib import Path

from labkit.config import ConfigError

MOST_LAYERS = 2_000  # of a network
MOST_CLASSES = 10_000  # of a data set; a confusion matrix has the square of it
MOST_COLUMNS = 200_000  # of a table
MOST_SEEDS = 10_000  # of one setting
MOST_TRIALS = 100_000  # of a stage of a search
MOST_VALUES = 1_000_000  # of one word of a multirun
LONGEST_WORD = 10_000  # characters; Hydra's grammar takes seconds for as many
MOST_UNFOLDED = 2**30  # bytes that a .mat file may unfold to
_CGROUP = Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Return the bytes that this process can still have; None where the system does not say."""
    known = [number for number in (_of_machine(), _of_group(), _of_process()) if number is not None]
    return min(known) if known else None


def require(amount: int, what: str) -> None:
    """Raise ConfigError where so much memory is not free.

    Args:
        amount: Bytes that will be needed at least.
        what: Key and value that ask for them, or the thing itself; begins the sentence.
    """
    free = free_memory()
    if free is not None and amount > free:
        raise ConfigError(f"{what}: it needs at least {_shown(amount)} of memory, and {_shown(free)} are free.")


def require_samples(key: str, samples: int, *numbers: int, size: int = 4) -> None:
    """Raise ConfigError where a set of so many samples would not fit: as it is made, and once more as it is used.

    Args:
        key: Option of `data`.
        samples: Number of samples.
        *numbers: Sides of a sample.
        size: Bytes of one number.
    """
    amount = samples * size
    for number in numbers:
        amount *= number
    require(2 * amount + 16 * samples, f"data={key} data.samples={samples:,}")


def _of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _of_group() -> int | None:
    """Return what a container has left; None where it has no limit of its own."""
    try:
        limit, used = ((_CGROUP / f"memory.{name}").read_text().strip() for name in ("max", "current"))
    except OSError:
        return None
    return max(0, int(limit) - int(used)) if limit.isdecimal() and used.isdecimal() else None


def _of_process() -> int | None:
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        return None
    return None if limit == resource.RLIM_INFINITY else max(0, limit - pages * os.sysconf("SC_PAGE_SIZE"))


def _shown(amount: int) -> str:
    return f"{amount / 2**30:,.1f} GiB" if amount >= 2**30 else f"{amount / 2**20:,.0f} MiB"
