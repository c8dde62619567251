"""A configuration as YAML says the same, whoever writes it."""

from __future__ import annotations

import omegaconf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf._utils import get_omega_conf_dumper

from labkit.compose import compose
from labkit.config_text import config_text, write_by_libyaml

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
    """OmegaConf as it comes, until `write_by_libyaml` is called."""
    monkeypatch.setattr(omegaconf.omegaconf, "get_omega_conf_dumper", get_omega_conf_dumper)


@pytest.mark.usefixtures("by_python")
def test_what_hydra_saves_of_a_job_says_the_same_by_libyaml() -> None:
    config = compose(["name='1e3'", "optimizer.lr=1e-5"])
    slowly = OmegaConf.to_yaml(config)
    write_by_libyaml()
    quickly = OmegaConf.to_yaml(config)
    assert slowly != quickly, "the two break long lines in other places"
    read, expected = (OmegaConf.to_container(OmegaConf.create(text)) for text in (quickly, slowly))
    assert repr(read) == repr(expected), "of the same types"


@pytest.mark.usefixtures("by_python")
def test_an_omegaconf_that_was_not_tried_keeps_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(omegaconf, "__version__", "2.4.0")
    write_by_libyaml()
    assert omegaconf.omegaconf.get_omega_conf_dumper is get_omega_conf_dumper
