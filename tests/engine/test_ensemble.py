"""The ensemble of cycle ends against the same networks trained apart and averaged by torch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from labkit.config import ConfigError
from labkit.engine.evaluate import evaluate
from labkit.engine.loop import train
from tests.engine.engine_cases import FAMILIES, parts, recipe, schedule, trainer

FAMILY = FAMILIES["linear"]
DATA = parts(FAMILY)


def cycles(number: int) -> Any:
    return schedule("cyclic", step_size=5, cycles=number, lr_max=0.3)


def probabilities(ends: int, split: str) -> torch.Tensor:
    """What a run that stops after so many cycles says of a part, `(samples, classes)`."""
    one = recipe(FAMILY, rates=cycles(ends), how=trainer(epochs=None, steps=None))
    w1, b1, w2, b2 = train([one], DATA)[0].parameters.values()
    hidden = torch.tanh(functional.linear(getattr(DATA, split).features, w1, b1))
    return functional.linear(hidden, w2, b2).softmax(-1)


def test_it_is_the_mean_of_the_probabilities_at_the_last_cycle_ends() -> None:
    rates = cycles(4)
    how = trainer(epochs=None, steps=None, ensemble=3)
    apart = [train([recipe(FAMILY, rates=rates, how=how, seed=s)], DATA)[0].metrics for s in (0, 1)]
    together = train([recipe(FAMILY, rates=rates, how=how, seed=s) for s in (0, 1)], DATA)
    for name, split in (("val", "validation"), ("test", "test")):
        mean = torch.stack([probabilities(ends, split) for ends in (2, 3, 4)]).mean(0)
        labels = getattr(DATA, split).labels
        assert together[0].metrics[f"{name}/ensemble/loss"] == pytest.approx(
            functional.nll_loss(mean.log(), labels).item(), rel=1e-10
        )
        right = (mean.argmax(-1) == labels).double().mean().item()
        assert together[0].metrics[f"{name}/ensemble/accuracy"] == pytest.approx(right)
    for outcome, alone in zip(together, apart, strict=True):
        for key in (key for key in alone if "ensemble" in key):
            assert outcome.metrics[key] == pytest.approx(alone[key], rel=1e-10)
    assert not any(key.startswith("test/") for key in train([shut(how)], DATA)[0].metrics)


def shut(how: Any) -> Any:
    return recipe(FAMILY, rates=cycles(4), how=how, open_test=False)


def test_one_network_is_an_ensemble_of_itself() -> None:
    run = train([recipe(FAMILY, rates=cycles(2), how=trainer(epochs=None, steps=None, ensemble=1))], DATA)[0].metrics
    assert run["val/ensemble/loss"] == run["val/loss"]
    assert run["test/ensemble/accuracy"] == run["test/accuracy"]


def test_a_member_that_ends_early_has_no_ensemble_and_leaves_the_others_theirs() -> None:
    keys: dict[str, Any] = {"rates": cycles(3), "how": trainer(epochs=None, steps=None, ensemble=2)}
    wild, good = recipe(FAMILY, l2=1e30, **keys), recipe(FAMILY, **keys)
    alone, (diverged, beside) = train([good], DATA)[0], train([wild, good], DATA)
    assert diverged.diverged
    assert not any("ensemble" in key for key in diverged.metrics)
    assert beside.metrics["val/ensemble/loss"] == pytest.approx(alone.metrics["val/ensemble/loss"], rel=1e-10)


def test_an_early_stop_and_an_ensemble_do_not_go_together() -> None:
    with pytest.raises(ConfigError, match="may end the run before"):
        train([recipe(FAMILY, rates=cycles(2), how=trainer(epochs=None, steps=None, ensemble=1, patience=1))], DATA)


@pytest.mark.parametrize(
    ("rates", "wanted", "complaint"),
    [
        (schedule(), 2, "trainer.ensemble: it needs a schedule with cycles, got schedule=constant."),
        (cycles(2), 3, "trainer.ensemble: expected at most schedule.cycles=2, got 3."),
    ],
)
def test_an_ensemble_needs_as_many_cycles(rates: Any, wanted: int, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        train([recipe(FAMILY, rates=rates, how=trainer(epochs=None, steps=None, ensemble=wanted))], DATA)


def test_reported_losses_are_clipped_as_the_course_clips_probabilities() -> None:
    outcome = train([recipe(FAMILY, gain=40.0, how=trainer(steps=1))], DATA)[0]
    parameters = [tensor.unsqueeze(0) for tensor in outcome.parameters.values()]
    network = FAMILY.network()
    w1, b1, w2, b2 = outcome.parameters.values()
    scores = functional.linear(torch.tanh(functional.linear(DATA.test.features, w1, b1)), w2, b2)
    own = scores.softmax(-1).gather(-1, DATA.test.labels.unsqueeze(-1))
    assert own.min() < 1e-2 < own.max()  # there is something to clip
    for clip in (1e-6, 1e-2):
        found = evaluate(network, [(parameters, [])], DATA.test, clip=clip)
        assert found.loss.item() == pytest.approx(-own.clamp(clip, 1 - clip).log().mean().item(), rel=1e-10)
    assert evaluate(network, [(parameters, [])], DATA.test).loss.item() == pytest.approx(-own.log().mean().item())
