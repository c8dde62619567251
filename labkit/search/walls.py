"""Walls: ends of a search's range at which its best value lies, so that the optimum may lie beyond unseen."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from labkit.search import scale
from labkit.search.results import StageResult
from labkit.search.space import Dimension
from labkit.search.stages import Definition, SearchStage
from labkit.search.zoom import Zoom, bounds, spacing


@dataclass(frozen=True)
class Wall:
    """An end of a search's range at which the best value of a stage lies.

    Attributes:
        key: Searched key.
        value: Best value.
        side: `lower` or `upper`.
        end: Number at which the range ends.
        open: True where a wider range could go on beyond; numbers of at least 0 stay so.
    """

    key: str
    value: float
    side: str
    end: float
    open: bool


def sentence(definition: Definition, result: StageResult) -> str:
    """Say in one sentence which best values of a stage lie at a wall, and what to do; "" if none does.

    A value lies at a wall where it is nearer than half the mean spacing of the values tried, on the scale of the range.
    The ends of a zoomed range inside the search's own are no walls, nor is an end that the next stage goes beyond. Of
    several objectives nothing is told: their best trials often lie at opposite ends.
    """
    if len(definition.directions) > 1 or result.space is None or not any(trial.values for trial in result.trials):
        return ""
    names = [stage.name for stage in definition.stages]
    rest = definition.stages[names.index(result.name) + 1 :]
    following = rest[0] if rest else None
    found = [wall for d in result.space.dimensions for wall in _walls_of(d, definition, result, following)]
    if not found:
        return ""
    places = ", and ".join(
        f"the best {w.key}, {scale.shortest_text(w.value)}, lies at the {w.side} end of its range, "
        f"{scale.shortest_text(w.end)}"
        for w in found
    )
    return f"{places}{_advice(found, following)}"


def _advice(found: Sequence[Wall], following: SearchStage | None) -> str:
    if not any(wall.open for wall in found):
        return ", and nothing is tried beyond it."
    zoomed = following is not None and following.zoom is not None and not following.zoom.widen
    wider = f", or say widen: true in the zoom of stage {following.name}," if following and zoomed else ""
    return f"; better ones may lie beyond: search a wider range{wider} under another hydra.sweeper.study_name."


def _walls_of(d: Dimension, definition: Definition, result: StageResult, following: SearchStage | None) -> list[Wall]:
    """Return the ends of one range at which the best value lies."""
    best = result.best_first(definition.directions)[0].params.get(d.key)
    if d.choices is not None or not isinstance(best, int | float) or d.ends[0] == d.ends[1]:
        return []
    own, zoom = definition.space[d.key], following.zoom if following is not None else None
    zoomed = zoom is not None and (zoom.keys is None or d.key in zoom.keys)
    next_room = bounds(d, zoom, own) if zoom is not None and zoomed else d.ends
    most_room = bounds(d, Zoom(widen=True), own)
    found = []
    for i, side in enumerate(("lower", "upper")):
        end, outwards = d.ends[i], 1 if side == "upper" else -1
        is_wall = max(outwards * own.ends[i], outwards * next_room[i]) <= outwards * end
        if is_wall and _near(d, best, end, result):
            found.append(Wall(d.key, best, side, end, outwards * most_room[i] > outwards * end))
    return found


def _near(d: Dimension, best: float, end: float, result: StageResult) -> bool:
    """Tell whether the best value is nearer to an end of the range than half the mean spacing of the values tried."""
    values = itertools.chain([best], (trial.params.get(d.key) for trial in result.trials if trial.ended))
    places = sorted({scale.position(float(v), d.log) for v in values if isinstance(v, int | float)})
    return abs(scale.position(best, d.log) - scale.position(end, d.log)) <= spacing(d, places) / 2
