"""What a run leaves in the store."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from labkit.runs.record import config_text

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
