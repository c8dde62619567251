"""Decision regions of a run with two features: the plane that its figure shows, and the frames of its animation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from labkit.engine.block import Outcome
from labkit.engine.evaluate import classify
from labkit.engine.loop import Progress
from labkit.nn.layer import Context
from labkit.preprocess.plane import Plane, grid, plane
from labkit.report.figures import render
from labkit.report.region_figures import Scene, animation, decision_regions
from labkit.runs.plan import Plan

_SIDE = 300  # cells of the figure's grid along each axis
_FRAME_SIDE = 150  # and of a frame's
_FRAMES = 40
_POINTS = 500  # training samples drawn, evenly chosen

Frames = Sequence[tuple[int, np.ndarray]]  # (updates done, classes (side, side) of the grid, bottom row first)


class Film:
    """Classifies the grid at some forty evaluations of a population, for the members that asked for an animation.

    Attributes:
        frames: one list per member, empty for those that did not ask.
    """

    def __init__(self, plans: Sequence[Plan]) -> None:
        self.frames: list[list[tuple[int, np.ndarray]]] = [[] for _ in plans]
        self._asked = [m for m, ready in enumerate(plans) if ready.tracking.animation]
        self._steps: set[int] = set()
        if self._asked:
            self._steps = _evenly(_evaluations(plans[0]), _FRAMES)
            self._grid = _features(plans[0], _FRAME_SIDE)

    def note(self, step: Progress) -> None:
        """Take a frame of every member that was evaluated, if this evaluation is one of the chosen."""
        if step.step not in self._steps:
            return
        classes = step.classify(self._grid).cpu().numpy()
        for m in self._asked:
            if step.rows[m] is not None:
                self.frames[m].append((step.step, _square(classes[m])))


def _evaluations(ready: Plan) -> list[int]:
    trainer, schedule = ready.recipe.trainer, ready.recipe.schedule
    return trainer.evaluations(trainer.length(len(ready.parts.train), schedule), schedule)


def _evenly(values: Sequence[int], most: int) -> set[int]:
    """At most so many of the values, evenly spread, with the first and the last."""
    return {values[round(i)] for i in np.linspace(0, len(values) - 1, min(most, len(values)))}


def draw(ready: Plan, outcome: Outcome) -> dict[str, bytes]:
    """`decision_regions.png` by the final parameters; nothing for other than two features or a ruined network."""
    if _plane(ready) is None or outcome.diverged or outcome.range_curve is not None:
        return {}
    classes = _square(_classified(ready, outcome, _features(ready, _SIDE)))
    return {"decision_regions": render(decision_regions(classes, _scene(ready), _title(ready), outcome.steps))}


def animate(ready: Plan, outcome: Outcome, frames: Frames) -> bytes:
    """The GIF of a member's frames; one that stopped between two of them ends with the network it kept."""
    kept = [frame for frame in frames if not outcome.diverged or frame[0] < outcome.steps]
    if not outcome.diverged and kept[-1][0] < outcome.steps:
        kept.append((outcome.steps, _square(_classified(ready, outcome, _features(ready, _FRAME_SIDE)))))
    return animation(kept, _scene(ready), _title(ready))


def _title(ready: Plan) -> str:
    return f"{ready.name}: decision regions"


def _plane(ready: Plan) -> Plane | None:
    return plane(ready.parts, ready.data.shape)


def _own(ready: Plan) -> tuple[Plane, Tensor]:
    """The plane, and the training samples in it."""
    view = _plane(ready)
    assert view is not None
    return view, view.points(ready.parts.train.features)


def _features(ready: Plan, side: int) -> Tensor:
    """The grid `(side * side, 2)` as the network gets it."""
    view, points = _own(ready)
    return view.features(grid(view.extent(points), side)).to(ready.recipe.trainer.dtype)


def _classified(ready: Plan, outcome: Outcome, features: Tensor) -> np.ndarray:
    recipe = ready.recipe
    tensors: Mapping[str, Tensor] = outcome.parameters
    own = [tensors[name].unsqueeze(0) for name, _ in recipe.network.parameters]
    buffers = [tensors[name].unsqueeze(0) for name, *_ in recipe.network.buffers]
    return classify(recipe.network, own, buffers, features, Context(product=recipe.trainer.product))[0].numpy()


def _square(classes: np.ndarray) -> np.ndarray:
    side = round(len(classes) ** 0.5)
    return classes.reshape(side, side).astype(np.int16)


def _scene(ready: Plan) -> Scene:
    view, points = _own(ready)
    labels = ready.parts.train.labels.cpu()
    shown = sorted(_evenly(range(len(points)), _POINTS))
    return Scene(
        view.extent(points),
        points[shown].numpy(),
        labels[shown].numpy(),
        ready.parts.class_names,
        view.names,
        f"{len(shown):,} of {len(points):,} training samples",
    )
