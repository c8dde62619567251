"""What is known of a metric by its name: its range, which way it is better, and the step that one sample makes."""

from __future__ import annotations

import pytest

from labkit.tracking.quantities import is_maximised, is_share, resolution, samples_text, scale
from tests.stored import run_row


@pytest.mark.parametrize(
    ("metric", "kind", "maximised"),
    [
        ("val/accuracy", "share", True),
        ("test/ensemble/recall", "share", True),
        ("saturated/layer1", "share", True),
        ("val/loss", "positive", False),
        ("train/cost", "positive", False),
        ("time/seconds", "positive", False),
        ("lr", "positive", True),
        ("checks", "real", True),
    ],
)
def test_a_metric_is_known_by_its_name(metric: str, kind: str, maximised: bool) -> None:
    assert scale(metric) == kind
    assert is_maximised(metric) is maximised


def test_one_sample_of_the_smallest_part_is_the_finest_step_of_a_share() -> None:
    rows = [run_row("a", {"samples": samples_text(train=700, val=70)}), run_row("b", {"samples": samples_text(val=10)})]
    assert is_share("val/accuracy")
    assert resolution(rows, "val/accuracy") == 1 / 10
    assert resolution(rows, "train/recall") == 1 / 700
    assert resolution(rows, "val/loss") == 0, "no share"
    assert resolution([run_row("c")], "val/accuracy") == 0, "an earlier version did not say how large its parts are"
