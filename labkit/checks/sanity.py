"""Behaviour that a network must show before anything else is believed: start at ln K, move, overfit.

Source: KTH lab, exercise 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log

from labkit.checks.check_verdict import CheckVerdict
from labkit.checks.data import small_parts
from labkit.engine.block import Outcome
from labkit.engine.loop import train
from labkit.engine.population import Population
from labkit.engine.recipe import Recipe
from labkit.engine.step import Stepper
from labkit.engine.trainer import Trainer
from labkit.models.entries import Sizing
from labkit.models.network import Model, Network
from labkit.nn.initialise import Initialiser, glorot, he, scaled_normal
from labkit.nn.normalisation import BatchNorm
from labkit.optim.rules import Rule, adam, sgd
from labkit.optim.schedules import constant
from labkit.preprocess.prepare import Parts

SMALL = 1e-3  # gain of the weights that make a network say nothing yet
CHANCE_TOLERANCE = 1e-3  # nats
OVERFIT_LOSS = 0.01
# Models that memorise 100 examples in 50 epochs. Not asked: softmax has no hidden layer to memorise with, baseline is
# at 0.025 by then, the extended ones are sixteen sigmoid layers that plain initialisation does not train (Boulder lab,
# part 3), and the evaluation of audio_cnn uses running statistics of batches of ten.
MEMORISING = ("two_layer", "mlp", "cnn", "standard", "residual", "char_rnn")
EPOCHS = 50


def recipe_for(
    model: Model, parts: Parts, trainer: Trainer, rule: Rule, initialiser: Initialiser, seed: int = 0
) -> Recipe:
    """Return a member without L2 that never opens the test part."""
    network = model.build(parts.shape, Sizing(parts.n_classes, len(parts.vocabulary)))
    weights = sum(parameter.role == "weight" for _, parameter in network.parameters)
    return Recipe(network, initialiser, rule, constant(), trainer, seed, (0.0,) * weights, open_test=False)


def trainer(batch_size: int, *, epochs: int | None = None, steps: int | None = None) -> Trainer:
    """Return a trainer in float64 on one thread of the CPU."""
    return Trainer(
        epochs=epochs,
        steps=steps,
        batch_size=batch_size,
        device="cpu",
        precision="float64",
        threads=1,
        eval_every="10/run",
    )


def initial_loss_test(name: str, model: Model) -> CheckVerdict:
    """Return the verdict on the loss before training.

    With weights near 0 every class is as likely as any other, so the loss is ln K.
    """
    parts = small_parts(model)
    recipe = recipe_for(model, parts, trainer(50, steps=1), sgd(lr=0.0), scaled_normal(gain=SMALL))
    loss = train([recipe], parts)[0].history[0][1]["train/loss"]
    expected = log(parts.n_classes)
    wanted = f"ln {parts.n_classes} = {expected:.5f} ± {CHANCE_TOLERANCE} with init.gain={SMALL}"
    share = abs(loss - expected) / CHANCE_TOLERANCE
    return CheckVerdict("initial_loss", f"model={name}", "loss", f"{loss:.5f}", f"loss {loss:.5f}", wanted, share)


def movement_test(name: str, model: Model) -> CheckVerdict:
    """Return the verdict on one update, which has to move every parameter tensor."""
    parts = small_parts(model)
    population = Population([recipe_for(model, parts, trainer(50, steps=1), sgd(lr=0.1), glorot())], parts)
    before = population.initial_state()
    state = population.initial_state()
    Stepper(population, state).step(state)
    names = [name for name, _ in population.network.parameters]
    pairs = zip(*(population.layout.views(s.parameters) for s in (before, state)), strict=True)
    change = {key: float((new - old).abs().max()) for key, (old, new) in zip(names, pairs, strict=True)}
    return _movement(f"model={name}", change, without_gradient(population.network))


def _movement(subject: str, change: Mapping[str, float], excused: set[str]) -> CheckVerdict:
    still = [key for key, size in change.items() if not size > 0 and key not in excused]
    asked = [key for key in change if key not in excused]
    least = min(asked, key=lambda key: change[key])
    told = f"stands still: {', '.join(still)}" if still else f"least {least}, by {change[least]:.1e}"
    note = f"{len(excused)} biases excused: the batch norm behind them takes them out" if excused else ""
    share = float(2 * len(still))  # none may stand still
    brief = f"{len(asked) - len(still)} of {len(asked)}"
    return CheckVerdict("movement", subject, "parameters", brief, f"{brief} move; {told}", "all move", share, note)


def without_gradient(network: Network) -> set[str]:
    """Return the names of biases right before a batch norm.

    The batch's mean takes them out, so their gradient is 0 but for rounding.
    """
    excused = set()
    for stage, following in zip(network.stages, network.stages[1:], strict=False):
        if isinstance(following.layer, BatchNorm):
            own = network.parameters[stage.first_parameter : stage.last_parameter]
            excused |= {name for name, parameter in own if parameter.role == "bias"}
    return excused


def overfit(model: Model) -> Outcome:
    """Train a model to memorise its training part of 100 examples."""
    parts = small_parts(model)
    return train([recipe_for(model, parts, trainer(10, epochs=EPOCHS), adam(lr=0.005), he())], parts)[0]


def overfit_test(name: str, outcome: Outcome) -> CheckVerdict:
    """Return the verdict on the last training loss, which has to be small."""
    loss = outcome.metrics["train/loss"]
    expected = f"below {OVERFIT_LOSS} after {EPOCHS} epochs of Adam on 100 examples, lambda 0"
    share = loss / OVERFIT_LOSS
    return CheckVerdict("overfit", f"model={name}", "loss", f"{loss:.5f}", f"loss {loss:.5f}", expected, share)
