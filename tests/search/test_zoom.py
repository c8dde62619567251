"""From one range to the next: it holds the best and the optimum, stops at the walls, and goes beyond where told to."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.config import ConfigError
from labkit.search.space import Dimension, Space
from labkit.search.zoom import Zoom, check_zoom, zoom
from tests.search.test_search_space import dimensions

LAMBDA = Dimension("key", 1e-5, 1e-1, log=True)


def zoomed(d: Dimension, rule: Zoom, tried: list[Any], best: list[Any]) -> Dimension:
    return zoom(Space((d,)), rule, [{"key": v} for v in tried], [{"key": v} for v in best]).dimensions[0]


def test_the_range_of_three_neighbours_by_hand() -> None:
    tried = [10.0**-k for k in range(1, 6)]  # spacing: one decade
    low, high = zoomed(LAMBDA, Zoom(3), tried, [1e-3, 1e-2, 1e-4]).ends
    assert low == pytest.approx(10**-4.5)
    assert high == pytest.approx(10**-1.5)


def test_the_neighbours_of_the_very_best_belong_to_the_range() -> None:
    low, high = zoomed(LAMBDA, Zoom(1), [10.0**-k for k in range(1, 6)], [1e-3]).ends
    assert low == pytest.approx(1e-4)
    assert high == pytest.approx(1e-2)


def test_where_it_widens_it_goes_beyond_an_edge_as_far_as_inside() -> None:
    d = Dimension("key", 1.0, 5.0)
    assert zoomed(d, Zoom(1, widen=True), [1, 2, 3, 4, 5], [1]).ends == (0, 2)  # 0: numbers of one sign keep it
    assert zoomed(d, Zoom(2, widen=True), [1, 2, 3, 4, 5], [5, 4]).ends == (3.5, 6.5)
    limited = Zoom(2, widen=True, limits={"key": (0.0, 6.0)})
    assert zoomed(d, limited, [1, 2, 3, 4, 5], [5, 4]).ends == (3.5, 6)
    inner = zoomed(d, Zoom(2, widen=True), [1, 2, 3, 4, 5], [4, 5])
    assert inner.ends == (3, 5)  # only the very best counts as being there
    log = zoomed(LAMBDA, Zoom(1, widen=True), [10.0**-k for k in range(1, 6)], [1e-1])
    assert log.ends == pytest.approx((1e-2, 1.0))


@pytest.mark.parametrize(
    ("d", "tried", "best", "ends"),
    [  # by hand: the neighbour inside, and the wall exactly
        (Dimension("key", 1.0, 5.0), [1, 2, 3, 4, 5], 5, (4, 5)),
        (Dimension("key", 1.0, 5.0), [1, 2, 3, 4, 5], 1, (1, 2)),
        (Dimension("key", -5.0, -1.0), [-5, -3, -1], -1, (-3, -1)),
        (Dimension("key", 1e-3, 1.0, log=True), [1e-3, 1e-2, 1e-1, 1.0], 1.0, (0.1, 1.0)),
        (Dimension("key", 1, 9, integer=True), [1, 3, 5, 7, 9], 9, (7, 9)),
        (Dimension("key", 1, 9, integer=True, step=2), [1, 5, 9], 9, (5, 9)),
        (Dimension("key", 1, 100, log=True, integer=True), [1, 10, 100], 100, (10, 100)),
        (Dimension("key", 0, 0.8, step=0.1), [0, 0.4, 0.8], 0.8, (0.4, 0.8)),
    ],
    ids=str,
)
def test_what_the_user_wrote_is_a_wall(d: Dimension, tried: list[Any], best: float, ends: tuple[float, float]) -> None:
    assert zoomed(d, Zoom(1), tried, [best]).ends == pytest.approx(ends)
    assert set(zoomed(d, Zoom(1), tried, [best]).ends) & set(d.ends)  # the wall, to its last digit
    assert zoomed(d, Zoom(1, widen=True), tried, [best]).ends != pytest.approx(ends)


def test_a_stage_that_was_zoomed_may_go_on_to_the_walls_and_no_further() -> None:
    own, before = Space((Dimension("key", 0.0, 10.0),)), Space((Dimension("key", 4.0, 6.0),))
    tried: list[Any] = [{"key": v} for v in (4, 4.5, 5, 5.5, 6)]
    assert zoom(before, Zoom(1), tried, [{"key": 6}], own)["key"].ends == (5.5, 6.5)
    close = Space((Dimension("key", 0.0, 6.2),))
    assert zoom(before, Zoom(1), tried, [{"key": 6}], close)["key"].ends == (5.5, 6.2)
    inside = Space((Dimension("key", 0.0, 5.0),))  # the stage before had widened: its best is not thrown away
    assert zoom(before, Zoom(1), tried, [{"key": 6}], inside)["key"].ends == (5.5, 6)


def test_whole_and_stepped_ranges_keep_their_values() -> None:
    n = Dimension("key", 1, 9, integer=True, step=2)
    assert zoomed(n, Zoom(1), [1, 3, 5, 7, 9], [5]).ends == (3, 7)
    assert zoomed(Dimension("key", 1, 100, log=True, integer=True), Zoom(1), [1, 10, 100], [1]).low == 1
    assert zoomed(Dimension("key", 0.62, 3.62, step=3.0), Zoom(1), [0.62], [0.62]).low == 0.62
    p = Dimension("key", 0, 0.8, step=0.1)
    assert zoomed(p, Zoom(1), p.grid(5), [0.4]).ends == (0.2, 0.6)


def test_choices_and_unnamed_keys_stay() -> None:
    space = Space((Dimension("a", 0, 1), Dimension("b", 0, 1), Dimension("c", choices=("x", "y"))))
    rows: list[Any] = [{"a": u / 4, "b": u / 4, "c": "x"} for u in range(5)]
    found = zoom(space, Zoom(1, keys=("a",)), rows, [rows[2]])
    assert found["a"].ends == (0.25, 0.75)
    assert (found["b"], found["c"]) == (space["b"], space["c"])


def test_a_conditional_key_is_zoomed_on_the_points_that_have_it() -> None:
    space = Space((Dimension("rule", choices=("sgd", "m")), Dimension("m", 0, 1, when={"rule": ("m",)})))
    with_m: list[Any] = [{"rule": "m", "m": u / 4} for u in range(5)]
    assert zoom(space, Zoom(1), with_m, [{"rule": "sgd"}, with_m[2]])["m"].ends == (0.25, 0.75)
    assert zoom(space, Zoom(1), with_m, [{"rule": "sgd"}]) == space


@given(
    dimensions(),
    st.lists(st.floats(0, 1), min_size=1, max_size=20),
    st.integers(1, 4),
    st.integers(0, 19),
    st.booleans(),
)
def test_it_holds_the_best_and_is_never_empty(
    d: Dimension, shares: list[float], around: int, start: int, widen: bool
) -> None:
    tried: list[Any] = [d.at(u) for u in shares]
    best = [tried[start % len(tried)], *tried][:around]
    new = zoomed(d, Zoom(around, widen=widen), tried, best)
    low, high = new.ends
    assert low <= high
    assert widen or d.ends[0] <= low <= high <= d.ends[1]
    assert all(low <= value <= high for value in best)
    assert (new.log, new.integer, new.step) == (d.log, d.integer, d.step)
    if d.step is not None:  # on the former steps
        assert (best[0] - low) / d.step == pytest.approx(round((best[0] - low) / d.step), abs=1e-6)


@given(dimensions(), st.integers(5, 12), st.floats(0, 1))
def test_the_range_narrows_around_an_inner_best(d: Dimension, n: int, u: float) -> None:
    tried: list[Any] = d.grid(n)
    k = int(u * (len(tried) - 1))
    if 1 < k < len(tried) - 2 and d.gap is None:
        new, (low, high) = zoomed(d, Zoom(1), tried, [tried[k]]).ends, d.ends
        assert low <= new[0] <= new[1] <= high
        scaled = [math.log(end) if d.log else end for end in (*new, low, high)]
        assert scaled[1] - scaled[0] <= (scaled[3] - scaled[2]) * 2 / (n - 1) * (1 + 1e-6) + 1e-9


@given(st.floats(1e-7, 10), st.integers(3, 30), st.integers(1, 5))
def test_an_optimum_that_one_value_shows_is_not_lost(optimum: float, n: int, around: int) -> None:
    """Whatever the number of values and of the best: inside the former range the new one holds the optimum."""
    tried: list[Any] = LAMBDA.grid(n)
    best = sorted(tried, key=lambda value: abs(math.log(value / optimum)))
    low, high = zoomed(LAMBDA, Zoom(around, widen=True), tried, best[:around]).ends
    if 1e-5 <= optimum <= 1e-1:
        assert low <= optimum * (1 + 1e-9)
        assert high >= optimum * (1 - 1e-9)
    else:  # it goes towards it
        assert low < 1e-5 if optimum < 1e-5 else high > 1e-1


@given(dimensions(), st.lists(st.floats(0, 1), min_size=2, max_size=9), st.floats(0, 3))
def test_limits_are_kept(d: Dimension, shares: list[float], room: float) -> None:
    low, high = d.ends
    limits = (low - room, high + room)
    tried: list[Any] = [d.at(u) for u in shares]
    new = zoomed(d, Zoom(2, widen=True, limits={"key": limits}), tried, tried[:2])
    assert limits[0] - 1e-9 <= new.ends[0]
    assert new.ends[1] <= limits[1] + 1e-9
    if low >= 0:
        assert new.ends[0] >= 0


SPACE = Space((Dimension("optimizer.lr", 1e-4, 1, log=True), Dimension("activation", choices=("relu", "tanh"))))


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (Zoom(keys=("activation",)), "z.keys: activation is a choice and has no range, valid: optimizer.lr."),
        (Zoom(keys=("optimiser.lr",)), "z.keys: 'optimiser.lr' is not searched over, did you mean 'optimizer.lr'?"),
        (Zoom(limits={"lr": (0, 1)}), "z.limits: 'lr' is not searched over, did you mean 'optimizer.lr'?"),
        (
            Zoom(limits={"optimizer.lr": (1e-3, 1)}),
            "z.limits: optimizer.lr is searched over 0.0001..1, expected limits around it, got 0.001..1.",
        ),
        (
            Zoom(limits={"optimizer.lr": (1e-5, 10)}),
            "z.limits: no range leaves the one that the search was given, so they limit nothing; expected widen: true "
            "beside them, or no limits.",
        ),
    ],
)
def test_a_rule_that_does_not_fit_is_refused(rule: Zoom, sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check_zoom(SPACE, rule, "z")
    assert str(raised.value) == sentence


def test_nothing_to_zoom_is_refused() -> None:
    with pytest.raises(ConfigError, match="z: there is no range to zoom, all of activation are choices"):
        check_zoom(Space((SPACE["activation"],)), Zoom(), "z")
