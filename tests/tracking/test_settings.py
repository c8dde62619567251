"""The keys of the `tracker` group that exclude each other."""

from __future__ import annotations

import pytest

from labkit.config import ConfigError
from labkit.tracking.settings import Tracking


def test_an_animation_needs_a_store_to_lie_in() -> None:
    assert Tracking(animation=True).animation
    assert not Tracking(enabled=False).animation
    with pytest.raises(ConfigError, match="nothing is recorded here, expected tracker=mlflow"):
        Tracking(enabled=False, animation=True)
