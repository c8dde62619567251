"""Published curves come from labkit or from the user's own file, and a wrong file is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.config import ConfigError
from labkit.report.published import published_curves
from tests.conftest import Command

OWN = "source: mine\ncurves: {val/loss: [[0, 2.3], [10, 1.5]]}\n"


def test_figure_3_of_the_kth_lab_has_eleven_points_of_six_metrics() -> None:
    found = published_curves("kth_figure_3")
    assert found is not None
    assert {key: len(points) for key, points in found.curves.items()} == {
        f"{part}/{metric}": 11 for part in ("train", "val") for metric in ("cost", "loss", "accuracy")
    }
    assert found.curves["val/accuracy"][-1] == (1000, 0.4525)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(OWN)
    found = published_curves(str(file))
    assert found is not None
    assert (found.source, found.curves) == ("mine", {"val/loss": [(0, 2.3), (10, 1.5)]})
    assert published_curves(None) is None


def test_the_version_that_stored_runs_carry_stays(tmp_path: Path) -> None:
    """A run is read again only while its curves have the version that its tag has."""
    shipped, other = published_curves("kth_figure_3"), published_curves("montreal_glorot")
    assert shipped is not None
    assert other is not None
    assert (shipped.version, other.version) == ("289415da2738", "c67c57f7bd1c")
    moved = tmp_path / "moved.yaml"
    moved.write_text(OWN.replace("1.5", "1.6"))
    own = tmp_path / "own.yaml"
    own.write_text(OWN)
    versions = {curves.version for file in (own, moved) if (curves := published_curves(str(file)))}
    assert len(versions) == 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (OWN.replace("source: mine", "sauce: mine"), "unknown key 'sauce', did you mean 'source'"),
        (OWN.replace("val/loss", "loss"), "own.yaml.curves: expected "),
        (OWN.replace("1.5", "low"), "own.yaml.curves: expected a number, .* got 'low'"),
        ("- {", "own.yaml: expected a YAML file, got ParserError."),
        ("source: mine\ncurves: {val/loss: []}", "own.yaml.curves: expected at least 1 item, got"),
        ("", "own.yaml: expected a mapping with source, curves, got null."),
        ("source: 2021-02-30", "own.yaml: expected a YAML file, got ValueError."),
    ],
)
def test_a_wrong_file_is_one_sentence(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=complaint) as caught:
        published_curves(str(file))
    assert "\n" not in str(caught.value)


def test_they_are_checked_before_the_training_starts(labkit: Command) -> None:
    answer = labkit("tracker.published=kth_figure_4", "trainer.epochs=1")
    assert (answer.code, answer.files) == (2, [])
    assert "got 'kth_figure_4', did you mean 'kth_figure_3'?" in answer.err
