"""A user's own folder: `-cd` with experiments, options and constructors of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def test_a_folder_of_ones_own(own: Path, labkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(own))
    answer = labkit("-cd", str(own), "experiment=mine", "model.units=5", "tracker=none")
    assert answer.code == 0, answer.err
    assert "mine" in answer.out


def test_a_target_of_ones_own_needs_to_be_listed(own: Path, labkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(own))
    answer = labkit("-cd", str(own), "model=tiny", "tracker=none")
    assert answer.code == 2
    assert "'own_parts.tiny' is not on the list of allowed constructors" in answer.err
    assert "targets" in answer.err
