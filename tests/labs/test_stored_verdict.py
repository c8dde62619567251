"""Verdicts come back from the store as they went, and those of earlier versions by today's rule."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from labkit.labs.stored_verdict import stored_verdict

OLD = {
    "claim": {"says": "ahead", "step": "train", "metric": "test/accuracy", "against": {"model": "mlp"}, "full": [0, 1]},
    **{"found": 0.02, "deviation": None, "half_width": 0.01, "n": 3, "tried": 3, "holds": True, "reached": True},
    "run_ids": ["a", "b"],
}


@pytest.mark.parametrize(
    ("changed", "interval", "holds"),
    [
        ({}, (0.01, 0.03), True),
        ({"n": 2}, None, None),
        ({"half_width": 0.0}, None, None),
        ({"half_width": None, "n": 1}, None, None),
        ({"half_width": None, "n": 1, "holds": False}, None, False),
    ],
)
def test_records_of_earlier_versions_are_read_with_todays_rule(
    changed: dict[str, Any], interval: tuple[float, float] | None, holds: bool | None
) -> None:
    found = stored_verdict({**OLD, **changed})
    assert found.interval == (None if interval is None else pytest.approx(interval))
    assert (found.holds, found.run_ids) == (holds, ("a", "b"))
    assert stored_verdict(json.loads(json.dumps(asdict(found)))) == found


def test_an_old_mean_gets_an_interval_within_what_a_share_can_be() -> None:
    mean = {**OLD, "claim": {**OLD["claim"], "against": None}, "found": 0.98, "deviation": 0.02, "half_width": 0.05}
    found = stored_verdict(mean)
    assert found.interval is not None
    assert 0.79 < found.interval[0] < 0.98 < found.interval[1] < 1
    assert found.holds is True


@pytest.mark.parametrize("changed", [{"colour": 1}, {"interval": None}, {"n": None}], ids=str)
def test_a_record_with_other_keys_or_types_is_no_verdict(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(changed))):
        stored_verdict({**OLD, **changed})


def test_a_new_record_with_another_key_is_no_verdict() -> None:
    new = json.loads(json.dumps(asdict(stored_verdict(OLD))))
    assert stored_verdict(new) == stored_verdict(OLD)
    for changed in ({**new, "colour": 1}, {key: value for key, value in new.items() if key != "interval"}):
        with pytest.raises(ValueError, match=r"colour|interval"):
            stored_verdict(changed)
