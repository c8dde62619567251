"""From words to a configuration, in a process that does nothing else with Hydra."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from labkit.compose import CONF, compose, explain, is_complaint, keys_of
from labkit.config import ConfigError
from labkit.runs.plan import plan, resolved


def test_words_change_the_defaults() -> None:
    plain = resolved(compose(["optimizer=adam", "optimizer.lr=0.5", "experiment=kth/ex3"]))
    assert plain["optimizer"]["lr"] == 0.5
    assert plain["lab"] == "kth"
    assert "hydra" not in plain


def test_an_experiment_is_a_diff_that_words_override() -> None:
    plain = resolved(compose(["experiment=kth/ex4", "schedule.cycles=2"]))
    assert (plain["name"], plain["schedule"]["step_size"], plain["schedule"]["cycles"]) == ("ex4", 800, 2)
    assert plain["data"]["split"] == "kth"


def test_composing_leaves_hydra_as_a_notebook_needs_it() -> None:
    for _ in range(2):
        compose([])
    assert not GlobalHydra.instance().is_initialized()


def test_paths_follow_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABKIT_DATA", "/somewhere")
    paths = resolved(compose([]))["paths"]
    assert (paths["root"], paths["data"]) == (str(tmp_path), "/somewhere")
    monkeypatch.delenv("LABKIT_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert resolved(compose([]))["paths"]["data"] == "/cache/labkit"


def test_keys_of_a_group_include_inherited_ones() -> None:
    assert {"extra", "hidden", "downsample"} <= keys_of("model")
    assert {"split_seed", "split", "download"} <= keys_of("data")


def test_a_data_set_may_have_a_default_of_its_own_for_a_key_of_the_split(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").write_text("_target_: labkit.data.planar.spirals\nvalidation: 0.2\n")
    search = f"hydra.searchpath=[{tmp_path}]"
    data = resolved(compose([search, "data=mine", "data.test=0.1"]))["data"]
    assert data == {
        "_target_": "labkit.data.planar.spirals",
        "split_seed": 0,
        "validation": 0.2,
        "test": 0.1,
        "train_size": None,
    }
    assert resolved(compose([search, "data=mine", "data.validation=0.3"]))["data"]["validation"] == 0.3


def test_what_is_not_the_users_mistake_is_not_explained() -> None:
    assert not is_complaint(ValueError("the loss is negative"))
    assert not is_complaint(KeyError("x"))


def test_an_unknown_complaint_still_is_one_sentence() -> None:
    sentence = explain(ValueError("something\n  odd"))
    assert sentence == "the command line or a config file cannot be read: something odd."


def test_a_wrong_word_raises_config_error() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'optimizer\.lr'"):
        compose(["optimizer.lrr=1"])


def test_an_experiment_without_its_package_line_is_refused(tmp_path: Path) -> None:
    plain = resolved(compose([]))
    with pytest.raises(ConfigError, match="# @package _global_"):
        plan({**plain, "experiment": {"seed": 3}})


def test_the_configs_are_found_beside_or_inside_the_package() -> None:
    assert (CONF / "config.yaml").is_file()
    assert (CONF / "sweeps" / "demo.yaml").is_file()
