"""Every file under conf/ and sweeps/: it composes, its constructor takes its keys, and it says what it is."""

from __future__ import annotations

import copy
import importlib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from labkit.compose import CONF, compose, register_resolvers
from labkit.config import checked, memberwise
from labkit.runs.plan import plan, resolved
from labkit.runs.prepared_data import SPLIT_KEYS
from labkit.shipped import constructors, groups
from tests.conf.memberwise_keys import MEMBERWISE

FILES = sorted({*CONF.rglob("*.yaml"), *(CONF / "sweeps").glob("**/*.yaml")})  # sweeps/ is a link in a checkout
OPTIONS = {group: sorted(path.stem for path in (CONF / group).glob("*.yaml")) for group in groups()}
EVERY_OPTION = [(group, option) for group, options in OPTIONS.items() for option in options]
EXPERIMENTS = sorted(str(p.relative_to(CONF / "experiment").with_suffix("")) for p in CONF.glob("experiment/*/*.yaml"))
SWEEPS = sorted(str(p.relative_to(CONF / "sweeps").with_suffix("")) for p in (CONF / "sweeps").glob("**/*.yaml"))

# The contract of design.md: what users and scripts rely on.
CONTRACT = {
    "data": "digits cluttered_digits spirals circle swissroll_generated peaks_generated gmm_generated tones syllables "
    "swissroll peaks gmm mnist mnist_50k fashion_mnist cifar10 cifar100 fsdd names table images",
    "model": "softmax two_layer mlp standard residual baseline extended extended_skips_a extended_skips_b cnn "
    "shallow audio_cnn char_rnn",
    "optimizer": "sgd momentum nesterov adam adamw lion rmsprop",
    "schedule": "constant cyclic linear_decay cosine range_test",
    "strategy": "together alternating layer_by_layer weighted",
    "init": "zero normal scaled_normal glorot glorot_sigmoid he",
    "task": "train info compare check principles lab report sync ui",
}
FLAT = ("softmax", "two_layer", "mlp", "residual", "standard")
EVERY_KIND = ("baseline", "extended", "extended_skips_a", "extended_skips_b", "shallow")
IMAGES = (*FLAT, *EVERY_KIND, "cnn")
SUITABLE = {
    "digits": IMAGES,
    "cluttered_digits": (*IMAGES[5:], "mlp"),
    "spirals": FLAT,
    "circle": FLAT,
    "swissroll_generated": FLAT,
    "peaks_generated": FLAT,
    "gmm_generated": FLAT,
    "tones": ("audio_cnn", "softmax", *EVERY_KIND),
    "syllables": ("char_rnn", *EVERY_KIND),
}
# Small sets: what is tested is that the parts fit, not what is in them.
SMALL = {
    "cluttered_digits": ["data.samples=400"],
    "spirals": ["data.samples=300"],
    "circle": ["data.samples=300"],
    "swissroll_generated": ["data.samples=300"],
    "peaks_generated": ["data.samples=300"],
    "gmm_generated": ["data.samples=300"],
    "tones": ["data.samples=200"],
    "syllables": ["data.samples=300"],
}


@cache
def composed(*words: str) -> DictConfig:
    return compose(words)


@cache
def with_option(group: str, option: str) -> dict[str, Any]:
    return resolved(composed(f"{group}={option}"))


def with_value(config: DictConfig, key: str, value: object) -> DictConfig:
    """A copy with another value, which takes Hydra 20 times as long to compose."""
    copied = copy.deepcopy(config)
    OmegaConf.update(copied, key, value)
    return copied


def test_the_contract_is_kept() -> None:
    for group, names in CONTRACT.items():
        assert sorted(names.split()) == OPTIONS[group], group


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONF)))
def test_a_file_begins_with_what_it_is(path: Path) -> None:
    if CONF / "hydra" in path.parents:
        return
    lines = [line for line in path.read_text().splitlines() if not line.startswith("# @package")]
    assert lines, path
    assert lines[0].startswith("# "), path
    if CONF / "experiment" in path.parents or CONF / "sweeps" in path.parents:
        name = str(path.relative_to(CONF).with_suffix("")).replace("/", "=", 1)
        assert lines[0] == f"# labkit {name}", "the first comment is the command"


@pytest.mark.parametrize(("group", "option"), EVERY_OPTION, ids=map("=".join, EVERY_OPTION))
def test_an_option_composes_and_its_constructor_takes_its_keys(group: str, option: str) -> None:
    node = dict(with_option(group, option)[group])
    module, _, name = str(node.pop("_target_")).rpartition(".")
    assert f"{module}.{name}" in constructors(group), "on the list of allowed constructors"
    for key in SPLIT_KEYS if group == "data" else ():
        node.pop(key)
    assert set(checked(group, getattr(importlib.import_module(module), name), node)) >= set(node)


def test_every_constructor_has_an_option() -> None:
    for group in groups():
        used = {with_option(group, option)[group]["_target_"] for option in OPTIONS[group]}
        assert used == {*constructors(group)}, group


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_composes(experiment: str) -> None:
    plain = resolved(compose([f"experiment={experiment}"]))
    lab, _, name = experiment.partition("/")
    assert (plain["lab"], plain["name"]) == (lab, name)
    assert plain["part"], "the part of the lab it belongs to"


@pytest.mark.parametrize("sweep", SWEEPS)
def test_a_sweep_composes_as_a_multirun(sweep: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    from labkit.multirun import space_grammar
    from labkit.multirun.composer import Composer, grid
    from labkit.multirun.sweeper_settings import sweep_params

    register_resolvers()
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3", job_name="labkit"):
        loader = GlobalHydra.instance().config_loader()
    config = loader.load_configuration("config", [f"sweeps={sweep}"], run_mode=RunMode.RUN)
    composer = Composer(loader, config)  # as the multirun composes its jobs
    assert str(config.hydra.mode).endswith("MULTIRUN"), "no -m needed"
    assert resolved(config)["name"] == sweep.rpartition("/")[2]
    params = sweep_params(config)
    overrides = OverridesParser.create().parse_overrides([f"{key}={value}" for key, value in params.items()])
    stages = config.hydra.sweeper.get("stages")
    rows = space_grammar.corners(space_grammar.space(overrides, {})) if stages is not None else grid(overrides)
    assert len(rows) > 1
    endings = [stage.get("overrides") or [] for stage in (stages or {"": {}}).values()]
    for index in range(max(2, len(endings))):  # the first and the last row in turn, each with an ending
        resolved(composer([f"sweeps={sweep}", *rows[-(index % 2)], *endings[index % len(endings)]]))


def test_the_page_of_sweeps_names_every_sweep() -> None:
    said = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text()
    assert [sweep for sweep in SWEEPS if f"`{sweep}`" not in said and f"sweeps={sweep}" not in said] == []


def test_the_memberwise_keys_are_the_numbers_that_a_population_stacks() -> None:
    assert {*TWO_VALUES} == MEMBERWISE


def test_a_constructor_of_ones_own_has_the_memberwise_keys_of_its_group() -> None:
    every = {key.partition(".")[2] for key in MEMBERWISE if key.startswith("optimizer.")}
    assert memberwise("optimizer", "my_package.rules.mine") == every
    assert memberwise("optimizer", "labkit.optim.rules.sgd") == {"lr", "weight_decay"}


# Both ends of what a key may be, where the constructor could be tempted to treat one of them apart.
TWO_VALUES = {
    "seed": (0, 1),
    "init.gain": (0.0, 2.0),
    "loss.l2": (0.0, 0.1),
    "model.dropout": (0.1, 0.2),  # null is another network: it has no dropout layers
    "optimizer.lr": (0.0, 0.1),
    "optimizer.momentum": (0.0, 0.9),
    "optimizer.weight_decay": (0.0, 0.1),
    "optimizer.beta1": (0.0, 0.9),
    "optimizer.beta2": (0.0, 0.9),
    "optimizer.epsilon": (1e-8, 1.0),
    "optimizer.decay": (0.0, 0.9),
    "preprocess.mirror": (0.0, 0.5),
    "preprocess.shift": (0, 2),
    "preprocess.noise": (0.0, 0.1),
    "schedule.lr_min": (1e-5, 1e-4),
    "schedule.lr_max": (0.1, 1.0),
    "schedule.lr_end": (0.0, 0.1),
    "schedule.peak_decay": (0.5, 1.0),
}


@pytest.mark.parametrize("key", sorted(MEMBERWISE))
def test_members_that_differ_in_a_memberwise_key_share_a_structure(key: str) -> None:
    group, _, name = key.rpartition(".")
    options = OPTIONS[group] if group in ("init", "optimizer", "schedule") else []  # each a constructor of its own
    owners = [option for option in options if name in with_option(group, option)[group]]
    for words in [[f"{group}={option}"] for option in owners] or [[]]:
        config = composed(*words)
        one, other = (plan(with_value(config, key, value)).recipe for value in TWO_VALUES[key])
        assert one != other, words
        assert one.structure == other.structure, words


PAIRS = [(data, model) for data, models in SUITABLE.items() for model in models]


@pytest.mark.parametrize(("data", "model"), PAIRS, ids=map("-".join, PAIRS))
def test_embedded_data_and_a_suitable_model_build(data: str, model: str) -> None:
    words = (f"data={data}", "preprocess=scale", *SMALL.get(data, []))
    config = copy.deepcopy(composed(*words))
    chosen = composed(f"model={model}")
    config.model = chosen.model
    config.hydra.runtime.choices.model = model
    ready = plan(config, [*words, f"model={model}"])
    assert ready.recipe.network.output_shape == (ready.parts.n_classes,)
    assert ready.name == f"{data}-{model}"
    assert min(len(ready.parts.train), len(ready.parts.validation), len(ready.parts.test)) > 0


def test_every_embedded_set_and_every_model_is_tried() -> None:
    assert {model for models in SUITABLE.values() for model in models} == set(OPTIONS["model"])
    generated = {data for data in OPTIONS["data"] if "root" not in with_option("data", data)["data"]}
    assert generated == set(SUITABLE)


@pytest.mark.parametrize("group", ["init", "optimizer", "schedule", "strategy", "preprocess", "trainer", "tracker"])
def test_every_other_option_builds(group: str) -> None:
    for option in OPTIONS[group]:
        plan(composed(f"{group}={option}"))


def test_the_lists_of_a_model_follow_its_keys() -> None:
    deep = plan(compose(["model.hidden=[9,8,7]"])).recipe.network
    wide = plan(compose(["model.hidden=5"])).recipe.network
    assert (deep.hidden_units, wide.hidden_units) == (24, 5)
