"""What several suites of the engine need beside `engine_cases`."""

from __future__ import annotations

import pytest

from labkit.engine import execution


@pytest.fixture
def every_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small weights, too, may be moved by the factors of their gradients: the networks of tests have no others."""
    monkeypatch.setattr(execution, "_LARGE_WEIGHT", 1)
