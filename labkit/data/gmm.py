"""Seeded Gaussian mixtures in five dimensions, a stand-in for the Ben-Gurion course's GMMData.mat."""

from __future__ import annotations

import numpy as np

from labkit import limits
from labkit.config import Count, Natural, NonNegative, Positive
from labkit.data.dataset import Dataset
from labkit.data.planar import balanced_labels, vectors
from labkit.shipped import IN_FILE, defaults


@defaults("data/gmm_generated")
def gmm_generated(
    *,
    samples: Count = IN_FILE,
    classes: Count = IN_FILE,
    dimensions: Count = IN_FILE,
    components: Count = IN_FILE,
    spread: Positive = IN_FILE,
    noise: NonNegative = IN_FILE,
    data_seed: Natural = IN_FILE,
) -> Dataset:
    """Generate classes that are even mixtures of `components` Gaussians, modelled on the course's GMMData.mat.

    The centres are drawn from N(0, spread^2 I); the covariances are diagonal in a random basis, with standard
    deviations between 0.3 and 1 times `noise`. With the default values the overall ranges (about -2.5 .. 2.5), the
    variance per coordinate (about 0.6^2 .. 0.8^2) and a nearest-neighbour accuracy of about 97% are those of the file.

    Args:
        samples: Number of points of all classes together.
        classes: Number of classes.
        dimensions: Number of features.
        components: Number of Gaussians in each class.
        spread: Standard deviation of the centres, per coordinate.
        noise: Largest standard deviation within a Gaussian.
        data_seed: Seed of the set.

    Returns:
        Data set with features of shape (samples, dimensions), float32, shuffled; the course's own file is sorted.
    """
    rng = np.random.default_rng(data_seed)
    limits.require_samples("gmm_generated", samples, dimensions, size=24)
    limits.require(24 * classes * components * dimensions**2, f"data=gmm_generated data.dimensions={dimensions:,}")
    labels = balanced_labels(rng, samples, classes, "gmm_generated")
    cells = classes * components
    centres = rng.normal(0, spread, (cells, dimensions))
    bases = np.linalg.qr(rng.normal(size=(cells, dimensions, dimensions))).Q
    deviations = noise * rng.uniform(0.3, 1, (cells, dimensions))
    # A cell is one Gaussian of one class; cells of a class are numbered one behind the other.
    cell = labels * components + rng.integers(0, components, samples)
    steps = rng.normal(size=(samples, dimensions)) * deviations[cell]
    points = centres[cell] + np.einsum("nij,nj->ni", bases[cell], steps)
    return vectors("gmm_generated", points, labels, classes, data_seed)
