"""The data of a command's runs: each set is prepared once, at most one is held, and nobody trains on another's."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

from labkit.compose import compose
from labkit.config import ConfigError
from labkit.runs.plan import plan
from labkit.runs.prepared_data import PreparedData


def test_runs_on_one_set_share_its_tensors() -> None:
    prepared = PreparedData()
    one, other = (plan(compose([word]), prepared=prepared) for word in ("seed=0", "preprocess.noise=0.1"))
    assert one.parts is other.parts
    assert one.data_key == other.data_key


def test_a_set_is_let_go_before_the_next_is_prepared_and_comes_back_equal() -> None:
    prepared = PreparedData()
    first = plan(compose([]), prepared=prepared)
    features = first.parts.train.features.clone()
    held = weakref.ref(first.parts)
    other = plan(compose(["data.split_seed=1"]), prepared=prepared)
    gc.collect()
    assert held() is None
    assert other.data_key != first.data_key
    assert (first.parts.train.features == features).all()
    assert not (other.parts.train.features == features).all()


def test_a_file_that_changed_after_the_plan_is_no_silent_other_run(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("x,label\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(40)))
    prepared = PreparedData()
    first = plan(compose(["data=table", f"data.file={file}"]), prepared=prepared)
    plan(compose([]), prepared=prepared)
    file.write_text(file.read_text().replace("1,b", "1.5,b"))
    with pytest.raises(ConfigError, match=r"^data: table changed while the command was running; run it again\.$"):
        _ = first.parts
