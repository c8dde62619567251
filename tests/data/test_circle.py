"""The circle: a disc within a ring, and a gap between them."""

from __future__ import annotations

import numpy as np

from labkit.data.circle import DISC, RING, circle


def test_without_noise_the_classes_are_a_disc_and_a_ring() -> None:
    stored = circle(samples=500, noise=0.0)
    radius = np.hypot(*stored.features.T)
    for label, (low, high) in enumerate((DISC, RING)):
        own = radius[stored.labels == label]
        assert len(own) == 250
        assert low <= own.min()
        assert own.max() <= high + 1e-6
