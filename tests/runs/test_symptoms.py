"""What a run says at its end: each rule on numbers, then small real runs that are ill in a known way, or well."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from labkit.compose import compose
from labkit.engine.loop import train
from labkit.runs import symptoms
from labkit.runs.diagnosis import Diagnosis, diagnosis, observe
from labkit.runs.plan import plan
from labkit.runs.symptoms import Features, Seen, dead

RAW, STANDARD = Features(77.7, 255.0, 123.3), Features(0.6, 9.0, 1.0)


def rows(*losses: float, accuracy: float = 0.9, val: float = 0.9, val_losses: tuple[float, ...] = ()) -> Any:
    """An evaluation every 100 updates; the accuracies are those of the last."""
    return [
        (100 * i, {"train/loss": loss, "val/loss": other, "train/accuracy": accuracy, "val/accuracy": val, "lr": 0.1})
        for i, (loss, other) in enumerate(zip(losses, val_losses or losses, strict=True))
    ]


SEEN = Seen(
    history=rows(2.5, 1.0, 0.5, 0.4),
    n_classes=10,
    samples={"train": 1000, "val": 126},
    guess={"train": 0.1, "val": 13 / 126},
    rate=0.1,
    moved=3.0,
    features=STANDARD,
)
RULES = (symptoms.divergence, symptoms.early_end, symptoms.too_slow, symptoms.too_fast, symptoms.not_learnt)
RULES = (*RULES, symptoms.overfitting)


def test_a_run_that_learns_has_no_symptom() -> None:
    assert [rule(SEEN) for rule in RULES] == [""] * len(RULES)
    assert [rule(replace(SEEN, features=RAW)) for rule in RULES] == [""] * len(RULES), "it learns from raw features too"


def test_divergence_names_the_features_where_these_are_large() -> None:
    ill = replace(SEEN, diverged=True, ended=6)
    said = "diverged: the loss of update 6 is not finite; "
    assert symptoms.divergence(ill) == f"{said}try a smaller learning rate than 0.1"
    assert symptoms.divergence(replace(ill, features=RAW)) == (
        f"{said}the features are large (mean |x| 77.7, largest 255): standardise them first, preprocess=normalise"
    )


def test_a_rate_is_not_called_large_where_the_weights_hardly_moved() -> None:
    near, far = symptoms.movement(replace(SEEN, moved=0.3)), symptoms.movement(replace(SEEN, moved=30.0))
    assert near.endswith("moved no layer's weights by more than 0.3 of their size: train longer, or with a larger "
                         "learning rate than 0.1")  # fmt: skip
    assert far.endswith("try a smaller learning rate than 0.1")
    assert symptoms.movement(replace(SEEN, moved=None)) == far


@pytest.mark.parametrize(("size", "large"), [(0.5, False), (1.0, False), (2.9, False), (3.1, True), (math.nan, False)])
def test_features_are_large_from_three_times_the_standard_on(size: float, large: bool) -> None:
    assert bool(symptoms.large_features(replace(SEEN, features=Features(size, size, size)))) is large
    assert symptoms.large_features(replace(SEEN, features=None)) == ""


def test_who_ended_a_run_is_named() -> None:
    ended = replace(SEEN, ended=60)
    assert symptoms.early_end(replace(ended, pruned=True)) == "pruned: its search gave it up after 60 updates"
    assert symptoms.early_end(replace(ended, patience=3)) == (
        "stopped early: val/loss no longer fell in 3 evaluations (trainer.patience), after 60 updates"
    )


@pytest.mark.parametrize(
    ("losses", "moved", "slow"),
    [
        ((2.56, 2.555), 6e-4, True),
        ((2.56, 2.565), 6e-4, True),  # a loss that rose a little has not fallen either
        ((2.56, 2.555), 3.0, False),  # the weights moved: another cause
        ((2.56, 2.3), 6e-4, False),  # the loss fell
        ((2.56, 2.555), None, False),
        ((2.56,), 6e-4, False),
    ],
)
def test_a_rate_is_too_small_where_neither_loss_nor_weights_moved(
    losses: tuple[float, ...], moved: float | None, slow: bool
) -> None:
    said = symptoms.too_slow(replace(SEEN, history=rows(*losses), moved=moved, rate=1e-5))
    assert bool(said) is slow
    if slow:
        assert said.endswith("try a learning rate about 1,000 times as large as 1e-05")


def test_a_loss_that_rose_is_the_rates_or_the_features_fault() -> None:
    risen = replace(SEEN, history=rows(1.8, 0.9, 18.7))
    said = "too fast: the training loss rose from 1.8 to 18.7; "
    assert symptoms.too_fast(risen) == f"{said}try a smaller learning rate than 0.1"
    assert symptoms.too_fast(replace(risen, features=RAW)).startswith(f"{said}the features are large")
    assert symptoms.too_fast(replace(SEEN, history=rows(1.8, 18.7, 2.6))) == "", "it came down again"
    only_validation = [(step, {"val/loss": row["val/loss"]}) for step, row in risen.history]
    assert symptoms.too_fast(replace(risen, history=only_validation)) == "", "it may have been learnt by heart"


@pytest.mark.parametrize(
    ("train_accuracy", "val", "idle"),
    [
        (0.1, 13 / 126, True),
        (0.1, 0.15, True),  # within two standard errors of 126 samples
        (0.1, 0.2, False),
        (0.2, 13 / 126, False),  # it has learnt the training part
    ],
)
def test_an_accuracy_is_compared_with_the_largest_class(train_accuracy: float, val: float, idle: bool) -> None:
    said = symptoms.not_learnt(replace(SEEN, history=rows(2.6, 2.4, accuracy=train_accuracy, val=val)))
    assert said == (
        f"not learnt: validation accuracy {val:.2%} is that of guessing, always the largest class gives 10.32%"
        if idle
        else ""
    )


def test_guessing_is_relative_to_the_classes_that_there_are() -> None:
    """47% of a set in which one class has 47% is nothing."""
    skewed = replace(SEEN, history=rows(1.9, 1.7, accuracy=0.47, val=0.47), guess={"train": 0.47, "val": 0.47})
    assert "47.00% is that of guessing" in symptoms.not_learnt(skewed)


def test_overfitting_is_a_gap_beyond_chance() -> None:
    gap = replace(SEEN, history=rows(2.5, 0.01, accuracy=0.99, val=0.71))
    assert symptoms.overfitting(gap) == (
        "overfits: training accuracy 99.00%, validation accuracy 71.00%; try a larger loss.l2"
    )
    risen = replace(SEEN, history=rows(2.5, 0.5, 0.01, accuracy=0.99, val=0.71, val_losses=(2.5, 0.9, 1.42)))
    assert symptoms.overfitting(risen).endswith(
        "val/loss was lowest after 100 updates, 0.9, and is 1.42 now: try trainer.patience=3, which stops there"
    )
    assert symptoms.overfitting(replace(gap, samples={"train": 1000, "val": 10})) == "", "10 samples tell little"
    assert symptoms.overfitting(replace(SEEN, history=rows(2.5, 0.1, accuracy=0.99, val=0.85))) == ""


def ended(*words: str, pruned: bool = False) -> Diagnosis:
    """A small run of the default configuration changed by `words`."""
    ready = plan(compose([*words, "tracker=none", "trainer.threads=1"]), words)
    (outcome,) = train([ready.recipe], ready.parts)
    return diagnosis(ready, outcome, pruned)


DEEP = "model.hidden=[32,32,32,32,32,32,32]"
ILL: dict[str, tuple[tuple[str, ...], str, str]] = {
    "a tiny rate": (("optimizer.lr=1e-5",), "too slow: the training loss fell from", "learning rate about 1,000 times"),
    "a tiny rate of adam": (("optimizer=adam", "optimizer.lr=1e-7"), "too slow: ", "try a learning rate about"),
    "raw pixels": (("preprocess=none",), "dead network: ", "standardise them first, preprocess=normalise"),
    "raw pixels, a large rate": (("preprocess=none", "optimizer.lr=10"), "not learnt: ", "standardise them first"),
    "deep sigmoids": ((DEEP, "model.activation=sigmoid"), "dead network: ", "the gradient fades on its way back"),
    "a tiny rate of rmsprop": (("optimizer=rmsprop", "optimizer.lr=1e-8"), "too slow: ", "try a learning rate about"),
    "a large rate of a plane": (
        ("model=softmax", "data=spirals", "optimizer.lr=1000"),
        "not learnt: ",
        "try a smaller learning rate than 1000",
    ),
    "planes around a circle": (("model=softmax", "data=circle"), "dead network: ", "try model=mlp"),
    "a huge rate": (("optimizer.lr=30",), "diverged: ", "try a smaller learning rate than 30"),
    "a large rate": (("optimizer.lr=3",), "not learnt: validation accuracy 10.32%", "saturated or shut"),
    "few samples": (("data.train_size=60", "trainer.epochs=60"), "overfits: training accuracy 100.00%", "loss.l2"),
    "patience": (
        ("trainer.patience=2", "optimizer.lr=0.5", "trainer.epochs=30"),
        "stopped early: val/loss no longer fell in 2 evaluations (trainer.patience)",
        "updates",
    ),
}


@pytest.mark.parametrize(("words", "begins", "says"), ILL.values(), ids=list(ILL))
def test_an_ill_run_says_so_with_evidence_and_what_to_do(words: tuple[str, ...], begins: str, says: str) -> None:
    (note,) = ended(*words).notes
    assert note.startswith(begins)
    assert says in note


WELL = {
    "default": (),
    "softmax": ("model=softmax",),
    "a few updates": ("trainer.epochs=0.2",),
    "spirals": ("data=spirals",),
    "peaks": ("data=peaks_generated", "data.samples=1000"),
    "a fair rate of adam": ("optimizer=adam", "optimizer.lr=0.003"),
    "shallow sigmoids": ("model.activation=sigmoid", "model.hidden=[32]"),
    "text": ("data=syllables", "model=char_rnn", "data.samples=600", "trainer.epochs=3"),
    "a range test": ("schedule=range_test",),
}


@pytest.mark.parametrize("words", WELL.values(), ids=list(WELL))
def test_a_healthy_run_says_nothing(words: tuple[str, ...]) -> None:
    assert ended(*words).notes == ()


def test_a_pruned_run_names_its_search_and_not_its_patience() -> None:
    ready = plan(compose(["trainer.steps=50", "tracker=none", "trainer.threads=1"]))
    (outcome,) = train([ready.recipe], ready.parts, lambda now: [0] if now.rows and now.step else None)
    assert diagnosis(ready, outcome, pruned=True).notes == ("pruned: its search gave it up after 36 updates",)


def test_movement_is_a_bound() -> None:
    """No layer of a run of plain SGD moved farther than the gradients of epoch 1 and the rate allow, here one epoch."""
    ready = plan(compose(["optimizer.lr=0.01", "trainer.epochs=1", "tracker=none", "trainer.threads=1"]))
    (before,) = train([replace_steps(ready.recipe, 0.0)], ready.parts)
    (after,) = train([ready.recipe], ready.parts)
    moved = observe(ready, after).moved
    assert moved is not None
    farthest = max(
        float((after.parameters[name] - before.parameters[name]).abs().sum() / after.parameters[name].abs().sum())
        for name in after.parameters
        if name.endswith("weight")
    )
    assert 0.1 * moved < farthest <= moved


def replace_steps(recipe: Any, rate: float) -> Any:
    return replace(recipe, rule=replace(recipe.rule, numbers={**recipe.rule.numbers, "lr": rate}))


def losses_of(*losses: float, key: str = "train/loss") -> list[tuple[int, dict[str, float]]]:
    return [(100 * i, {key: loss}) for i, loss in enumerate(losses)]


@pytest.mark.parametrize("losses", [(2.5, 2.303, 2.302, 2.3031), (2.303, 2.302), (2.5, 2.303, 2.302)])
def test_a_loss_that_stays_at_ln_k_is_a_dead_network(losses: tuple[float, ...]) -> None:
    note = dead(losses_of(*losses), 10)
    assert note == "dead network: the training loss stays at ln 10 = 2.3026, that of guessing"


@pytest.mark.parametrize(
    "losses", [(2.3026,), (2.3026, 2.1, 1.9), (2.5, 2.3, 2.3, 2.2), (2.56, 2.31), (2.5, 2.4, 2.31), ()]
)
def test_a_network_that_learns_or_has_not_begun_is_not_dead(losses: tuple[float, ...]) -> None:
    assert dead(losses_of(*losses), 10) == ""


def test_without_training_losses_those_of_validation_speak() -> None:
    assert "the validation loss stays" in dead(losses_of(2.5, 2.303, 2.302, key="val/loss"), 10)
