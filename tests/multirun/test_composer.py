"""Job configurations composed by copying are the ones that Hydra composes; words survive Hydra's grammar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from labkit.compose import CONF, register_resolvers
from labkit.multirun.composer import Composer, grid
from labkit.words import merged, word


@pytest.fixture(scope="module")
def loader() -> Iterator[Any]:
    register_resolvers()
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3", job_name="labkit"):
        yield GlobalHydra.instance().config_loader()


@pytest.mark.parametrize(
    "words",
    [
        ["loss.l2=0.1"],
        ["model=cnn", "data=tones", "trainer.epochs=3"],
        ["experiment=kth/ex4", "schedule.cycles=1"],
        ["sweeps=demo", "loss.l2=1e-3", "hydra.mode=RUN"],
        ["optimizer=momentum", "optimizer.momentum=0.8", "+hydra.job.env_set.A=3"],
        ["name='it is, ok'", "loss.l2={linear_1:0.5}"],
        ["~experiment"],
        ["targets=[a.b]"],
        ["hydra.sweep.subdir=x_${hydra.job.num}"],
    ],
    ids=lambda words: " ".join(words),
)
def test_a_copied_configuration_is_the_composed_one(loader: Any, words: list[str]) -> None:
    master = loader.load_configuration("config", ["hydra.verbose=false", "seed=3"], run_mode=RunMode.MULTIRUN)
    composer = Composer(loader, master)
    composer(["loss.l2=7"])  # another job of the same groups comes first
    ours, theirs = composer(words), loader.load_sweep_config(master, words)
    assert OmegaConf.to_container(ours, resolve=False) == OmegaConf.to_container(theirs, resolve=False)


def test_jobs_of_one_group_do_not_share_their_values(loader: Any) -> None:
    master = loader.load_configuration("config", [], run_mode=RunMode.MULTIRUN)
    composer = Composer(loader, master)
    first, second = composer.numbered(["seed=1"], 0), composer.numbered(["seed=2"], 1)
    assert (first.seed, second.seed) == (1, 2)
    assert (first.hydra.job.num, second.hydra.job.num) == (0, 1)


def test_a_grid_is_a_product_in_order() -> None:
    overrides = OverridesParser.create().parse_overrides(["a=1,2", "b=x", "c=range(2)", "a=3,4"])
    assert grid(overrides) == [
        ("a=3", "b=x", "c=0"),
        ("a=3", "b=x", "c=1"),
        ("a=4", "b=x", "c=0"),
        ("a=4", "b=x", "c=1"),
    ]


def test_a_later_word_takes_the_place_of_an_earlier_one() -> None:
    assert merged(["a=1", "b=2"], ["c=3"], ["a=4", "+c=5"]) == ("a=4", "b=2", "+c=5")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), min_size=1).filter(
        lambda text: "$" not in text and not text.endswith("\\") and text.strip() == text
    ),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(VALUES)
def test_a_word_is_read_back_as_its_value(value: Any) -> None:
    (override,) = OverridesParser.create().parse_overrides([word("key", value)])
    read = override.value()
    assert _plain(read) == value


def _plain(value: Any) -> Any:
    from hydra.core.override_parser.types import QuotedString

    if isinstance(value, QuotedString):
        return value.text
    return [_plain(inner) for inner in value] if isinstance(value, Sequence) and not isinstance(value, str) else value
