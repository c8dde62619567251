"""The split of a data set into training, validation and test part, which depends on its labels and one seed alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from labkit.config import ConfigError, Count, Fraction, Natural
from labkit.data.dataset import Dataset
from labkit.shipped import IN_FILE, defaults

_SUBSET_SEED = 5000  # of `subset`, fixed for good: it has nothing to do with any seed of a run


@defaults("split/default")
def split(
    dataset: Dataset,
    *,
    split_seed: Natural = IN_FILE,
    validation: Natural | Fraction = IN_FILE,
    test: Fraction = IN_FILE,
    train_size: Count | None = None,
) -> dict[str, np.ndarray]:
    """Divide a set into training, validation and test part, in four steps.

    1. Parts that the publisher ships stay as they are. A sample in no published part is a training sample, unless the
       publisher ships a training part too: then it is left out.
    2. Without a published test part, a share `test` of the training samples becomes the test part.
    3. Without a published validation part, `validation` of what remains becomes it: a share (float) or a count (int).
       Where the publisher ships one, `validation` has no effect.
    4. With `train_size`, that many training samples are kept and the others left out.

    Steps 2 to 4 are stratified (see `allocate`) and draw from three streams of `split_seed`, so a larger validation
    part moves no test sample and a smaller `train_size` moves no validation sample.

    Args:
        dataset: Stored set.
        split_seed: Seed of the split; the run's own seed never moves a sample.
        validation: Number (int) or share (float) of the samples for the validation part.
        test: Share of the samples for the test part.
        train_size: Number of training samples to keep; None for all.

    Returns:
        Positions of the samples of `train`, `validation` and `test`: disjoint, each of shape (n_part,), int64; those
        drawn here are sorted.

    Raises:
        ConfigError: A part asks for more than there is, or a class would vanish from the training part.
    """
    labels, published = dataset.labels, dataset.splits
    train = published.get("train")
    if train is None:
        train = np.setdiff1d(np.arange(len(labels)), np.concatenate([*published.values(), np.empty(0, np.int64)]))
    test_part, validation_part = published.get("test"), published.get("validation")
    if test_part is None:
        count = _count(test, len(train))
        test_part, train = _carve(labels, train, count, np.random.default_rng([split_seed, 0]), "test")
    if validation_part is None:
        count = _count(validation, len(train))
        validation_part, train = _carve(labels, train, count, np.random.default_rng([split_seed, 1]), "validation")
    if train_size is not None:
        train = _keep(labels, train, train_size, np.random.default_rng([split_seed, 2]))
    return {"train": train, "validation": validation_part, "test": test_part}


def subset(labels: np.ndarray, count: int) -> np.ndarray:
    """Return the positions of `count` of the samples, sorted: stratified, and the same whatever the run and its seeds.

    Args:
        labels: Labels of the part, shape (n,).
        count: Number of samples; all of them where there are no more.
    """
    if count >= len(labels):
        return np.arange(len(labels))
    sizes = np.bincount(labels)
    present = np.minimum(sizes, 1)
    low = present if count >= present.sum() else np.zeros_like(present)
    pool = np.arange(len(labels))
    chosen = _draw(labels, pool, allocate(sizes, count, low, sizes), np.random.default_rng(_SUBSET_SEED))
    return np.asarray(pool[chosen])


def missing_classes(dataset: Dataset, indices: Mapping[str, np.ndarray]) -> dict[str, list[str]]:
    """Return the names of the classes without a sample, for each part that has samples but not of every class.

    Args:
        dataset: Stored set.
        indices: Positions of the samples of each part, shape (n_part,).
    """
    missing = {}
    for part, rows in indices.items():
        counts = np.bincount(dataset.labels[rows], minlength=len(dataset.class_names))
        if len(rows) and not counts.all():
            missing[part] = [name for name, count in zip(dataset.class_names, counts, strict=True) if not count]
    return missing


def allocate(sizes: np.ndarray, total: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Share `total` seats among K classes in proportion to their sizes, by largest remainder, within bounds.

    Args:
        sizes: Number of samples of each class, shape (K,).
        total: Number of seats.
        low: Least number of seats of each class, shape (K,); together at most `total`.
        high: Largest number of seats of each class, shape (K,); together at least `total`.

    Returns:
        Numbers of seats, shape (K,), that sum to `total`, each within 1 of the exact share if the bounds allow it.
    """
    share = sizes * (total / sizes.sum())
    # A share that is whole but for rounding, such as 2.9999999996, must not lose a seat.
    seats = np.clip(np.floor(share + 1e-9).astype(np.int64), low, high)
    while (missing := total - seats.sum()) != 0:
        if missing > 0:
            seats[np.argmax(np.where(seats < high, share - seats, -np.inf))] += 1
        else:
            seats[np.argmin(np.where(seats > low, share - seats, np.inf))] -= 1
    return np.asarray(seats)


def _count(size: int | float, available: int) -> int:
    """Return a count as it is, or a share of the available samples, rounded half up; at least 1 for a share above 0."""
    if isinstance(size, int):
        return size
    return max(1, int(size * available + 0.5)) if size > 0 else 0


def _carve(
    labels: np.ndarray, pool: np.ndarray, count: int, rng: np.random.Generator, part: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return `count` samples of the pool, and the rest, which keeps at least one sample of every class.

    Raise ConfigError if that is impossible.
    """
    if count == 0:
        return np.empty(0, np.int64), pool
    sizes = np.bincount(labels[pool])
    high = np.maximum(sizes - 1, 0)
    if count >= len(pool):
        raise ConfigError(f"data.{part}: {count} samples asked for, but only {len(pool)} are there to train on.")
    if count > high.sum():
        raise ConfigError(
            f"data.{part}: with {count} of {len(pool)} samples taken out a class would vanish from the training part; "
            f"expected at most {high.sum()}."
        )
    # The part, too, gets a sample of every class where it is large enough.
    present = np.minimum(high, 1)
    low = present if count >= present.sum() else np.zeros_like(present)
    chosen = _draw(labels, pool, allocate(sizes, count, low, high), rng)
    return np.sort(pool[chosen]), pool[~chosen]


def _keep(labels: np.ndarray, pool: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return `count` samples of the pool, at least one of every class; raise ConfigError if that is impossible."""
    sizes = np.bincount(labels[pool])
    present = np.minimum(sizes, 1)
    if count > len(pool):
        raise ConfigError(f"data.train_size: {count} samples asked for, but only {len(pool)} are there to train on.")
    if count < present.sum():
        raise ConfigError(
            f"data.train_size: found {count}, expected at least {present.sum()}, one per class, or one would vanish."
        )
    chosen = _draw(labels, pool, allocate(sizes, count, present, sizes), rng)
    return np.asarray(pool[chosen])


def _draw(labels: np.ndarray, pool: np.ndarray, seats: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a mask over the pool, shape (len(pool),), of `seats[k]` random samples of each class k."""
    chosen = np.zeros(len(pool), bool)
    for label, count in enumerate(seats):
        members = rng.permutation(np.flatnonzero(labels[pool] == label))
        chosen[members[:count]] = True
    return chosen
