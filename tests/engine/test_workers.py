"""Workers: results in order, errors and interruptions that reach the one who asked."""

from __future__ import annotations

import threading
from functools import partial

import pytest
import torch

from labkit.engine import workers as module
from labkit.engine.execution import changed, stated
from labkit.engine.loop import train
from labkit.engine.workers import Workers
from tests.engine.engine_cases import FAMILIES, alone, assert_same_outcome, mixed, parts, recipe, trainer

SEEDS = (3, 1, 4, 1)
LINEAR = FAMILIES["linear"]
GIVEN = stated([recipe(LINEAR)], 28)


def several(count: int, threads: int = 1) -> Workers:
    return Workers(changed(GIVEN, {"workers": count, "threads": threads}))


@pytest.mark.parametrize("count", [1, 3])
def test_results_come_in_order_whoever_is_first(count: int) -> None:
    with several(count) as workers:
        assert workers.alone == (count == 1)
        assert workers.do([partial(pow, 2, i) for i in range(20)]) == [2**i for i in range(20)]


def test_workers_are_at_work_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=30)
    with several(3) as workers:
        workers.do([meeting.wait] * 3)  # would break, if one waited for another to end


def test_every_worker_has_its_own_threads_of_torch() -> None:
    before = torch.get_num_threads()
    with several(2, threads=before + 1) as workers:
        assert workers.do([torch.get_num_threads] * 4) == [before + 1] * 4
    torch.set_num_threads(before)


@pytest.mark.parametrize("error", [ArithmeticError, KeyboardInterrupt])
def test_what_breaks_off_stops_them_all(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.01)
    ended = []

    def wait_for_the_end(workers: Workers) -> None:
        while not workers.stopped:
            pass
        ended.append(True)

    def fail() -> None:
        raise error("no")

    with pytest.raises(error), several(2) as workers:
        workers.do([partial(wait_for_the_end, workers)] * 2, meanwhile=fail)
    assert ended == [True, True]


def test_an_observer_can_end_a_training_side_by_side() -> None:
    data, members = parts(LINEAR), mixed(LINEAR, trainer(epochs=3), SEEDS)

    def refuse(progress: object) -> None:
        if getattr(progress, "step") >= 8:  # noqa: B009
            raise ArithmeticError("no")

    with pytest.raises(ArithmeticError):
        train(members, data, refuse, changed(stated(members, 28), {"workers": 2}))


def test_a_member_that_fails_ends_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a worker as in the training's own thread."""
    data, members = parts(LINEAR), mixed(LINEAR, trainer(), SEEDS)
    monkeypatch.setattr("labkit.engine.step.cross_entropy_backward", lambda *_: 1 / 0)
    for count in (1, 4):
        with pytest.raises(ZeroDivisionError):
            train(members, data, execution=changed(stated(members, 28), {"workers": count}))


def test_workers_change_no_bit() -> None:
    """Blocks are the same whoever trains them."""
    for family in FAMILIES.values():
        data, members = parts(family, torch.float32), mixed(family, trainer(precision="float32"), SEEDS)
        given = changed(stated(members, 28), {"block": 1})
        outcomes = [train(members, data, execution=changed(given, {"workers": count})) for count in (1, 4)]
        for one, other, member in zip(*outcomes, members, strict=True):
            assert_same_outcome(one, other, 0)
            assert_same_outcome(one, alone(member, data), 0)
