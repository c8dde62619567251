"""What of its data belongs to a run's identity, and the sentences about data that reach the reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labkit.compose import compose
from labkit.multirun import planned_jobs
from labkit.runs.identity import config_hash
from labkit.runs.plan import plan

ROWS = "".join(f"{x:.3f},{'ab'[i % 2]}\n" for i, x in enumerate(np.random.default_rng(0).normal(size=60)))


@pytest.fixture
def rare(tmp_path: Path) -> Path:
    """A table with a class of one sample."""
    path = tmp_path / "rare.csv"
    path.write_text(f"x,label\n{ROWS}9,once\n")
    return path


def test_keys_that_came_later_leave_the_hash_of_a_table_as_it_was() -> None:
    plain = {"data": {"file": "t.csv", "target": "y"}, "trainer": {}, "seed": 0}
    later = plain | {"data": {**plain["data"], "separator": None, "decimal": None, "header": None}}
    assert config_hash(plain, "0") == config_hash(later, "0")
    assert config_hash(plain, "0") != config_hash(plain | {"data": {**plain["data"], "separator": "tab"}}, "0")


def test_a_class_without_a_sample_is_part_of_the_identity(rare: Path) -> None:
    """Precision and recall were other means in earlier versions: such a run must not pass for one of those."""
    ready = plan(compose(["data=table", f"data.file={rare}"]))
    assert ready.config_hash != config_hash(ready.config, ready.data.sha256)
    assert ready.data.missing == {"validation": ["once"], "test": ["once"]}
    whole = plan(compose([]))
    assert whole.config_hash == config_hash(whole.config, whole.data.sha256)
    assert whole.data.notes == ()


def test_notes_are_told_by_a_run_a_sweep_and_info(rare: Path, labkit: Any) -> None:
    words = ["data=table", f"data.file={rare}", "trainer.steps=2", "tracker=none"]
    note = "warning: no sample of class once in the validation and the test part: precision and recall there are means"
    assert note in labkit(*words).out
    planned_jobs._warn.cache_clear()
    told = labkit("-m", "seed=0,1,2", *words)
    assert told.err.count(note) == 1
    facts = " ".join(labkit("task=info", *words[:2]).out.split())
    assert note.replace("warning:", "warning") in facts
    assert "also in training 0 of 18 test samples (0.00%), 0 of them with the same class" in facts
