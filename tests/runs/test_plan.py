"""A composed configuration, checked and built: what it is called, what its hash takes in, what it refuses."""

from __future__ import annotations

import pytest

from labkit.compose import compose
from labkit.config import ConfigError
from labkit.runs.plan import Plan, plan
from labkit.runs.record import flattened


def planned(*words: str) -> Plan:
    return plan(compose(words), words)


@pytest.mark.parametrize(
    "words", [["paths.data=/elsewhere"], ["tracker=none"], ["trainer.device=cpu"], ["targets=[a.b]"], ["task=info"]]
)
def test_the_hash_leaves_out_what_changes_no_result(words: list[str]) -> None:
    assert planned(*words).config_hash == planned().config_hash


@pytest.mark.parametrize(
    "words",
    [["seed=1"], ["optimizer.lr=0.2"], ["data.split_seed=1"], ["trainer.precision=float64"], ["data=spirals"]],
)
def test_the_hash_takes_in_what_does(words: list[str]) -> None:
    assert planned(*words).config_hash != planned().config_hash


def test_the_seed_moves_no_sample_and_the_split_seed_does() -> None:
    first, again, moved = planned("seed=0"), planned("seed=5"), planned("data.split_seed=5")
    assert again.parts.test.labels.equal(first.parts.test.labels)
    assert again.parts.train.features.equal(first.parts.train.features)
    assert not moved.parts.train.features.equal(first.parts.train.features)


def test_a_run_is_called_after_its_data_and_model() -> None:
    assert planned("model=cnn").name == "digits-cnn"
    assert planned("name=mine").name == "mine"


def test_a_search_never_opens_the_test_set() -> None:
    assert planned().recipe.open_test
    assert not planned("purpose=search").recipe.open_test


def test_names_that_a_layer_list_interpolates_may_be_new() -> None:
    words = ["+model.wide=7", "model.layers=[{linear:{units:${model.wide}}},{linear:{units:classes}}]"]
    assert planned(*words).recipe.network.hidden_units == 7
    with pytest.raises(ConfigError, match="unknown key 'wide'"):
        planned("+model.wide=7")


def test_a_layer_list_of_ones_own_may_leave_the_options_names_unused() -> None:
    assert planned("model.layers=[{linear:{units:classes}}]").recipe.network.hidden_units == 0


def test_keys_become_their_own_override_paths() -> None:
    config = {"a": {"b": {"c": 1}, "d": None}, "e": [1, 2], "f": {}}
    assert flattened(config) == {"a.b.c": "1", "a.d": "null", "e": "[1, 2]", "f": "{}"}
