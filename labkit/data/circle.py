"""A seeded disc within a ring: two classes in the plane that no straight line separates."""

from __future__ import annotations

import numpy as np

from labkit.config import Count, Natural, NonNegative
from labkit.data.dataset import Dataset
from labkit.data.planar import balanced_labels, vectors
from labkit.shipped import IN_FILE, defaults

DISC, RING = (0.0, 0.5), (0.7, 1.0)  # inner and outer radius


@defaults("data/circle")
def circle(*, samples: Count = IN_FILE, noise: NonNegative = IN_FILE, data_seed: Natural = IN_FILE) -> Dataset:
    """Generate a disc of radius 0.5, class 0, and a ring between 0.7 and 1, class 1, both evenly in the radius.

    It has the shape of the circle in TensorFlow's playground, on which the Caltech lab trains (section 1, A and B).

    Args:
        samples: Number of points of both classes together.
        noise: Standard deviation of the Gaussian displacement of each coordinate.
        data_seed: Seed of the set.

    Returns:
        Data set with features of shape (samples, 2), float32, shuffled; class sizes differ by one at most.
    """
    rng = np.random.default_rng(data_seed)
    labels = balanced_labels(rng, samples, 2, "circle")
    low, high = np.array([DISC, RING])[labels].T
    radius, angle = rng.uniform(low, high), rng.uniform(0, 2 * np.pi, samples)
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points += rng.normal(0, noise, points.shape)
    return vectors("circle", points, labels, 2, data_seed)
