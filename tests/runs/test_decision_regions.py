"""Frames of decision regions: which evaluations, of whom, and what is refused."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labkit.compose import compose
from labkit.engine.block import Outcome
from labkit.engine.loop import train
from labkit.runs.decision_regions import Film, animate, draw
from labkit.runs.plan import Plan, plan

WORDS = ("data=spirals", "data.samples=300", "trainer.batch_size=50", "trainer.threads=1", "tracker.animation=true")


def planned(*words: str) -> Plan:
    return plan(compose([*WORDS, *words]))


def filmed(*plans: Plan) -> tuple[Film, list[Outcome]]:
    film = Film(plans)
    outcomes = train(
        [ready.recipe for ready in plans], plans[0].parts, lambda step: film.note(step) if step.rows else None
    )
    return film, outcomes


def test_at_most_forty_frames_evenly_chosen_with_the_first_and_the_last() -> None:
    film, outcomes = filmed(planned("trainer.steps=202", "trainer.eval_every=1"))
    steps = [step for step, _ in film.frames[0]]
    assert len(steps) == 40
    assert (steps[0], steps[-1]) == (0, outcomes[0].steps)
    assert {b - a for a, b in pairwise(steps)} <= {5, 6}


def test_a_frame_is_the_network_of_its_moment() -> None:
    """The last frame is what the final parameters give, and a run that ends there shows the same."""
    ready = planned("trainer.steps=20", "trainer.eval_every=10")
    film, (outcome,) = filmed(ready)
    short, _ = filmed(planned("trainer.steps=10", "trainer.eval_every=10"))
    np.testing.assert_array_equal(film.frames[0][1][1], short.frames[0][-1][1])
    assert (film.frames[0][0][1] != film.frames[0][-1][1]).any()
    gif = Image.open(io.BytesIO(animate(ready, outcome, film.frames[0])))
    assert gif.n_frames == 3
    assert list(draw(ready, outcome)) == ["decision_regions"]


def test_a_member_of_a_population_has_the_frames_of_its_own_network() -> None:
    words = ("trainer.steps=20", "trainer.eval_every=10")
    together, _ = filmed(
        planned(*words), planned(*words, "seed=1"), planned(*words, "tracker.animation=false", "seed=2")
    )
    alone, _ = filmed(planned(*words, "seed=1"))
    assert together.frames[2] == [], "it did not ask"
    for (step, classes), (own_step, own) in zip(together.frames[1], alone.frames[0], strict=True):
        assert step == own_step
        assert (classes == own).mean() > 0.999  # sums in another order may tip a cell on a border


def test_nobody_asks_and_nothing_is_classified() -> None:
    def refuse(features: object) -> None:
        pytest.fail("the grid was classified")

    film = Film([planned("tracker.animation=false")])
    film.note(type("Step", (), {"step": 0, "rows": [(0, {})], "classify": staticmethod(refuse)})())
    assert film.frames == [[]]


def test_a_run_that_diverges_ends_before_it_does() -> None:
    ready = planned("trainer.steps=40", "trainer.eval_every=2", "optimizer.lr=1e30")
    film, (outcome,) = filmed(ready)
    assert outcome.diverged
    assert draw(ready, outcome) == {}
    assert Image.open(io.BytesIO(animate(ready, outcome, film.frames[0]))).n_frames >= 1


@pytest.mark.parametrize(
    ("words", "told"),
    {
        "tracker.animation=true": "tracker.animation: it shows samples with two features, and those of data=digits",
        "tracker.animation=true data=gmm_generated": "those of data=gmm_generated have 5.",
        "tracker=none tracker.animation=true data=spirals": "tracker.animation: nothing is recorded here",
        "tracker.animation=2 data=spirals": "tracker.animation: expected true or false, got 2.",
    }.items(),
)
def test_what_cannot_be_animated_is_refused_in_one_sentence(labkit, words: str, told: str) -> None:
    answer = labkit(*words.split())
    assert (answer.code, answer.files) == (2, [])
    assert told in answer.err
    assert answer.err.count("\n") == 1


def test_a_run_keeps_the_figure_and_on_request_the_animation(labkit) -> None:
    answer = labkit(*WORDS, "trainer.steps=12")
    assert answer.code == 0, answer.err
    kept = {Path(name).name for name in answer.files if "/figures/" in name}
    assert {"decision_regions.png", "decision_regions.gif", "learning_curves.png"} <= kept
