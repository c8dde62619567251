"""One model file for several kinds of data: which list is built, that skips fit all of them, and what goes wrong."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from labkit.compose import compose
from labkit.config import ConfigError
from labkit.models.network import kind_of, layers
from labkit.preprocess.prepare import Kind
from labkit.runs.plan import plan
from tests.models.model_cases import KINDS, Sample, assert_backward_is_the_gradient, model, network

OUT = {"linear": {"units": "classes"}}
EVERY_KIND = ("shallow", "baseline", "extended", "extended_skips_a", "extended_skips_b")
BUILT = [(name, kind) for name in EVERY_KIND for kind in ("image", "sound", "text")]


def test_every_kind_has_a_case() -> None:
    assert set(KINDS) == set(get_args(Kind))


@pytest.mark.parametrize(("data", "words"), [("spirals", []), ("digits", []), ("tones", []), ("syllables", [])])
def test_the_kind_is_the_one_of_the_prepared_data(data: str, words: list[str]) -> None:
    facts = {"spirals": "mlp", "digits": "baseline", "tones": "baseline", "syllables": "baseline"}
    ready = plan(compose([f"data={data}", f"model={facts[data]}", *words]))
    shape = ready.parts.shape
    sizing = KINDS["text"][1] if ready.parts.vocabulary else KINDS["image"][1]
    assert kind_of(shape, sizing) == ready.parts.kind


def test_components_of_images_are_vectors() -> None:
    ready = plan(compose(["data=digits", "preprocess.pca=9"]))
    assert kind_of(ready.parts.shape, KINDS["vector"][1]) == ready.parts.kind == "vector"


@pytest.mark.parametrize(("name", "kind"), BUILT)
@pytest.mark.parametrize(("members", "shared"), [(1, True), (2, False)])
def test_every_list_has_the_gradient_of_its_loss(name: str, kind: Kind, members: int, shared: bool) -> None:
    shape, sizing = KINDS[kind]
    assert_backward_is_the_gradient(Sample(network(name, shape=shape, sizing=sizing), members, shared))


@pytest.mark.parametrize("kind", ["image", "sound", "text"])
def test_the_points_are_the_same_for_every_kind(kind: Kind) -> None:
    """Fifteen layers with weights, ten of them extra and of one shape: the same skips fit everywhere."""
    shape, sizing = KINDS[kind]
    nets = {name: network(name, shape=shape, sizing=sizing) for name in EVERY_KIND[1:]}
    counts = [max(stage.point or 0 for stage in net.stages) for net in nets.values()]
    assert counts == [5, 15, 15, 15]
    extended = nets["extended"]
    shapes = {stage.point: stage.output_shape for stage in extended.stages if stage.point}
    assert len({shapes[point] for point in range(3, 14)}) == 1
    for skips in ("extended_skips_a", "extended_skips_b"):
        assert sorted(len(stage.arrivals) for stage in nets[skips].stages)[-4:] == [0, 1, 1, 1]


def test_the_shallow_network_of_the_lab_is_the_two_layer_one() -> None:
    words = ("model.activation=sigmoid", "model.hidden=128")
    assert network("shallow").structure == network("two_layer", *words).structure


def test_a_kind_without_layers_is_named() -> None:
    shape, sizing = KINDS["vector"]
    with pytest.raises(ConfigError) as caught:
        network("baseline", shape=shape, sizing=sizing)
    assert str(caught.value) == (
        "model.layers: there are no layers for data of kind 'vector'; it has image, sound, text."
    )


WRONG: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"imgae": [OUT]}, ("model.layers", "'imgae'", "did you mean 'image'?")),
    ({"image": [{"linaer": {}}]}, ("model.layers.image[0]", "'linaer'", "did you mean 'linear'?")),
    ({"image": [OUT, {"linear": {"unit": 3}}]}, ("model.layers.image[1].linear", "'unit'", "did you mean 'units'?")),
]


@pytest.mark.parametrize(("lists", "words"), WRONG)
def test_one_sentence_says_which_list_is_wrong(lists: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        layers(layers=lists).build(*KINDS["image"])
    for word in words:
        assert word in str(caught.value)


def test_variants() -> None:
    assert list(model("baseline").variants) == ["image", "sound", "text"]
    assert model("cnn").variants == {"": model("cnn")}
    assert model("baseline").variants["text"].layers == model("baseline").layers["text"]  # type: ignore[call-overload]
