"""Configurations copied and written by C code are those that OmegaConf makes in Python."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import omegaconf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf._utils import get_omega_conf_dumper

from labkit.compose import compose
from labkit.quick_omegaconf import _copy_by_python, config_text, quicken

TEXTS = st.one_of(
    st.text("ab01.e-+:#[]'\"\n \té%", max_size=8),
    st.sampled_from(
        ["1e-5", "1_000", "nan", "inf", "yes", "off", "null", "~", "1:30", "0x1f", "", " a", "- b", "c: d"]
    ),
    st.floats().map(repr),
)
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS


@given(st.dictionaries(st.sampled_from("abcdef"), VALUES | st.lists(VALUES) | st.fixed_dictionaries({"x": VALUES})))
def test_the_configuration_of_a_run_reads_back_the_same(config: dict[str, object]) -> None:
    """Texts that look like numbers stay texts."""
    read = OmegaConf.to_container(OmegaConf.create(config_text(config)))
    assert read == config
    assert repr(read) == repr(config), "of the same types"


@pytest.fixture
def by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """OmegaConf as it comes, until `quicken` is called."""
    monkeypatch.setattr(omegaconf.omegaconf, "get_omega_conf_dumper", get_omega_conf_dumper)
    monkeypatch.setattr(DictConfig, "__deepcopy__", _copy_by_python)


@pytest.mark.usefixtures("by_python")
def test_what_hydra_saves_of_a_job_says_the_same_by_libyaml() -> None:
    config = compose(["name='1e3'", "optimizer.lr=1e-5"])
    slowly = OmegaConf.to_yaml(config)
    quicken()
    quickly = OmegaConf.to_yaml(config)
    assert slowly != quickly, "the two break long lines in other places"
    read, expected = (OmegaConf.to_container(OmegaConf.create(text)) for text in (quickly, slowly))
    assert repr(read) == repr(expected), "of the same types"


def _all(node: Any) -> list[tuple[object, ...]]:
    """Type, own facts and value of every node; none may hang anywhere but in its own tree."""
    content = node.__dict__["_content"] if isinstance(node, DictConfig | ListConfig) else node._value()
    if not isinstance(content, dict | list):
        return [(type(node), node.__dict__["_metadata"], content)]
    children = list(content.values() if isinstance(content, dict) else content)
    assert all(child.__dict__["_parent"] is node for child in children)
    own = (type(node), node.__dict__["_metadata"], list(content) if isinstance(content, dict) else len(content))
    return [own, *(fact for child in children for fact in _all(child))]


@pytest.mark.usefixtures("by_python")
@pytest.mark.parametrize("part", ["whole", "hydra", "model", "in two trees"])
def test_a_copy_is_the_one_that_omegaconf_makes(part: str) -> None:
    config = compose(["optimizer.lr=1e-5"])
    node = config if part == "whole" else config._get_node(part) if part in config else None
    if node is None:
        node = OmegaConf.masked_copy(config, "hydra")
        node.hydra._set_parent(config)  # as Hydra does it
    slow = deepcopy(node)
    quicken()
    quick = deepcopy(node)
    assert _all(quick) == _all(slow)
    assert quick._get_parent() is slow._get_parent()
    quick._set_flag("readonly", False)
    OmegaConf.update(quick, "new", 1, force_add=True)
    assert "new" not in node


def test_what_cannot_be_pickled_is_copied_all_the_same() -> None:
    quicken()
    config = OmegaConf.create({"a": {"b": 1}}, flags={"allow_objects": True})
    config.a.action = lambda: 3
    copied = deepcopy(config.a)
    assert copied.action() == 3
    assert copied._get_parent() is config is config.a._get_parent()


@pytest.mark.usefixtures("by_python")
def test_an_omegaconf_that_was_not_tried_keeps_its_own_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(omegaconf, "__version__", "2.4.0")
    quicken()
    assert omegaconf.omegaconf.get_omega_conf_dumper is get_omega_conf_dumper
    assert DictConfig.__deepcopy__ is _copy_by_python
