"""The keys of the `tracker` group that exclude each other, and what its backends say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.config import ConfigError
from labkit.tracking.settings import Mlflow, Unrecorded


def test_an_animation_needs_a_store_to_lie_in() -> None:
    assert Mlflow(animation=True).animation
    assert not Unrecorded().animation
    with pytest.raises(ConfigError, match="nothing is recorded here, expected tracker=mlflow"):
        Unrecorded(animation=True)


def test_settings_of_figures_make_no_second_store(tmp_path: Path) -> None:
    """Jobs that differ in what is drawn share one writer."""
    assert Mlflow(figures=True).store(tmp_path) == Mlflow(weights=False).store(tmp_path)
    assert Mlflow().store(tmp_path) != Mlflow().store(tmp_path / "other")
