"""Stages, confirmation and final training from a configuration; what contradicts itself is refused."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.config import ConfigError
from labkit.search import stages
from labkit.search.space import Dimension, Space
from labkit.search.stages import Confirm, Final, SearchStage
from labkit.search.zoom import Zoom
from tests.search.search_cases import LAMBDA, definition

COARSE = {"sampler": "grid", "n_trials": 8, "overrides": ["schedule.cycles=2"]}
FINE = {"sampler": "random", "n_trials": 16, "zoom": {"around": 2, "limits": {"loss.l2": [0, 1]}}, "seeds": 2}


def test_a_mapping_and_a_list_are_read_alike() -> None:
    expected = (
        SearchStage("coarse", "grid", 8, overrides=("schedule.cycles=2",)),
        SearchStage("fine", "random", 16, zoom=Zoom(2, limits={"loss.l2": (0, 1)}), seeds=2),
    )
    assert stages.read_stages({"coarse": COARSE, "fine": FINE}) == expected
    assert stages.read_stages([{"name": "coarse", **COARSE}, {"name": "fine", **FINE}]) == expected


def test_defaults_fill_what_a_stage_leaves_out() -> None:
    defaults = {"sampler": "qmc", "n_trials": 30, "n_jobs": None, "pruner": "median"}
    assert stages.read_stages(None, defaults) == (SearchStage("search", "qmc", 30, pruner="median"),)
    assert stages.read_stages({"a": {"n_trials": 3}, "b": None}, defaults) == (
        SearchStage("a", "qmc", 3, pruner="median"),
        SearchStage("b", "qmc", 30, pruner="median"),
    )
    assert stages.read_stages({"a": {"pruner": None}}, defaults)[0].pruner is None


def test_confirm_and_final() -> None:
    assert stages.read_confirm(True) == stages.read_confirm({}) == Confirm(3, 5)
    assert stages.read_confirm(None) is stages.read_final(False) is None
    assert stages.read_final({"seeds": 5, "overrides": ["a=1"]}) == Final(5, ("a=1",))
    with pytest.raises(ConfigError, match=r"hydra.sweeper.confirm: unknown key 'tops', did you mean 'top'"):
        stages.read_confirm({"tops": 3})
    with pytest.raises(ConfigError, match=r"hydra.sweeper.final: expected true or keys, got 5"):
        stages.read_final(5)


WRONG: list[tuple[Any, str]] = [
    ("coarse", "stages: expected a mapping from the name of a stage to its keys, got 'coarse'."),
    ({"coarse": 8}, "stages.coarse: expected the keys of a stage, got 8."),
    ([COARSE], "stages[0]: expected the keys of a stage with its 'name', got {'sampler'"),
    ({"coarse": {"n_trial": 8}}, "stages.coarse: unknown key 'n_trial', did you mean 'n_trials'?"),
    ({"coarse": {"n_trials": 0}}, "stages.coarse.n_trials: expected at least 1, got 0."),
    ({"coarse": {"sampler": "gird"}}, "stages.coarse.sampler: there is no sampler 'gird', did you mean 'grid'?"),
    ({"coarse": {"pruner": "medan"}}, "stages.coarse.pruner: there is no pruner 'medan', did you mean 'median'?"),
    ({"coarse": {"zoom": {"arround": 3}}}, "stages.coarse.zoom: unknown key 'arround', did you mean 'around'?"),
    ({"coarse": {"zoom": 3}}, "stages.coarse.zoom: expected true or keys, got 3."),
    ({"final": COARSE}, "stages.final: a stage needs a name without '/', other than 'confirm' and 'final'."),
    ({"a/b": COARSE}, "stages.a/b: a stage needs a name without '/'"),
]


@pytest.mark.parametrize(("node", "sentence"), WRONG, ids=[sentence for _, sentence in WRONG])
def test_a_wrong_stage_is_refused(node: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        stages.read_stages(node, where="stages")
    assert str(raised.value).startswith(sentence)


CHOICES = Space((Dimension("activation", choices=("relu", "tanh")),))


@pytest.mark.parametrize(
    ("node", "keys", "sentence"),
    [
        ({"a": {"zoom": True}}, {}, "hydra.sweeper.stages.a.zoom: the first stage has none before it"),
        (
            {"a": None, "b": {"zoom": True}},
            {"space": CHOICES},
            "hydra.sweeper.stages.b.zoom: there is no range to zoom, all of activation are choices.",
        ),
        ({"a": {"sampler": "grid", "n_trials": 1}}, {"space": CHOICES}, "hydra.sweeper: n_trials is 1, but the small"),
        ([{"name": "a"}, {"name": "a"}], {}, "hydra.sweeper.stages.a: there are two stages of this name"),
        (
            None,
            {"directions": ("maximise",)},
            "hydra.sweeper.direction: expected maximize or minimize, got 'maximise'.",
        ),
        (None, {"max_failure_rate": 2}, "hydra.sweeper.max_failure_rate: expected a share from 0 to 1, got 2."),
        (None, {"seed": -1}, "hydra.sweeper.seed: expected a whole number of at least 0, got -1."),
        (None, {"study": " "}, "hydra.sweeper.study_name: expected a name, got ' '."),
        (
            {"a": {"pruner": "median"}},
            {"directions": ("maximize", "minimize")},
            "hydra.sweeper.stages.a.pruner: a search with several objectives cannot prune, expected null.",
        ),
        (None, {"directions": ("maximize", "minimize"), "final": True}, "hydra.sweeper.final: a search with several"),
    ],
)
def test_a_search_that_contradicts_itself_is_refused(node: Any, keys: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        definition(node, **{"space": LAMBDA, **keys})
    assert str(raised.value).startswith(sentence)
