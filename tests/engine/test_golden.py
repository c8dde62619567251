"""Golden runs: losses stored once, so that a change of the numerics is noticed where it is not meant.

After a change that is meant (and raises `labkit.config.NUMERICS_VERSION`), write them anew:

    .venv/bin/python tests/engine/test_golden.py
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from labkit.engine.population import Population
from labkit.engine.recipe import Augmentation, Recipe
from labkit.engine.step import Stepper
from tests.engine.engine_cases import Family, parts, recipe, rule, schedule, trainer

FOLDER = Path(__file__).resolve().parent.parent / "golden"
STEPS = (1, 5, 10, 20, 30)
HOW = trainer(steps=30, precision="float32")
OUT = {"linear": {"units": "classes"}}

MLP = Family((64,), ({"linear": {"units": 16, "batch_norm": True, "dropout": 0.2}}, {"linear": {"units": 8}}, OUT))
CONV = Family(
    (1, 8, 8), ({"conv2d": {"channels": [4, 6], "downsample": "maxpool", "activation": "relu"}}, OUT), "image"
)
RNN = Family((7,), ({"embedding": {"size": 4}}, {"rnn": {"units": 6}}, OUT), "text")

RUNS: dict[str, tuple[Family, Recipe]] = {
    "mlp": (MLP, recipe(MLP, seed=1, dropout=0.2, update=rule("momentum", lr=0.05), l2=0.001, how=HOW)),
    "conv": (
        CONV,
        recipe(
            CONV,
            seed=2,
            init="he",
            update=rule("nesterov", lr=0.03, weight_decay=0.01),
            augmentation=Augmentation(mirror=0.5, shift=1, noise=0.1),
            rates=schedule("cosine"),
            how=HOW,
        ),
    ),
    "rnn": (RNN, recipe(RNN, seed=3, init="scaled_normal", update=rule("adam", lr=0.01), how=HOW)),
}


def losses(name: str) -> dict[str, float]:
    """The batch loss of some updates."""
    family, one = RUNS[name]
    population = Population([one], parts(family, torch.float32))
    state = population.initial_state()
    stepper = Stepper(population, state)
    for _ in range(HOW.steps or 0):
        state = stepper.step(state)
    return {str(step): float(state.losses[step - 1, 0]) for step in STEPS}


@pytest.mark.parametrize("name", RUNS)
def test_losses_are_the_stored_ones(name: str) -> None:
    assert losses(name) == pytest.approx(json.loads((FOLDER / f"{name}.json").read_text()), rel=1e-4)


if __name__ == "__main__":
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for run in RUNS:
        (FOLDER / f"{run}.json").write_text(json.dumps(losses(run), indent=2) + "\n")
