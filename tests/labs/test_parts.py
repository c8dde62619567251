"""The labs as data: every file is read, and claims are judged by the rows of their steps."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from labkit.compose import CONF
from labkit.config import ConfigError
from labkit.labs.part import PROFILES, Claim, Part, read
from labkit.labs.table import to_csv, to_markdown
from labkit.labs.verdict import verdict, within

LABS = CONF / "labs"
PARTS = [(file.stem, part) for file in sorted(LABS.glob("*.yaml")) for part in OmegaConf.load(file)]


@pytest.mark.parametrize(("lab", "name"), PARTS, ids=lambda value: str(value))
def test_every_part_is_read_and_its_claims_have_a_step_in_their_profiles(lab: str, name: str) -> None:
    part = read(LABS, lab, name)
    for claim in part.claims:
        judged = [profile for profile in PROFILES if claim.band(profile) is not None]
        assert set(judged) <= set(part.steps[claim.step].only)
    assert all(any(profile in step.only for step in part.steps.values()) for profile in PROFILES)


def claim(**keys: Any) -> Claim:
    usual = {"says": "it is good", "step": "train", "metric": "test/accuracy", "full": [0.5, 0.7], "goal": [0.65, None]}
    steps = {"train": {"run": ["-m", "seed=0,1"]}}
    return Part(title="", steps=steps, claims=[{**usual, **keys}]).claims[0]  # type: ignore[arg-type]


def row(run_id: str, seed: int, test: float, val: float = 0.5, **params: str) -> dict[str, Any]:
    params = {key.replace("__", "."): value for key, value in params.items()} | {"seed": str(seed)}
    metrics = {"test/accuracy": test, "val/accuracy": val}
    common = {"name": "", "status": "FINISHED", "tags": {}, "parent": None}
    return {**common, "run_id": run_id, "params": params, "metrics": metrics}


ROWS = [
    row("a0", 0, 0.60, 0.6, model="residual", optimizer__lr="0.01"),
    row("a1", 1, 0.64, 0.6, model="residual", optimizer__lr="0.01"),
    row("b0", 0, 0.80, 0.5, model="standard", optimizer__lr="0.01"),
    row("b1", 1, 0.70, 0.5, model="standard", optimizer__lr="0.01"),
]


def test_the_row_that_validation_data_choose_is_judged() -> None:
    found = verdict(claim(), ROWS, "full")
    assert found.found == pytest.approx(0.62)
    assert (found.n, found.holds, found.reached) == (2, True, False)
    assert found.run_ids == ("a0", "a1")


def test_parameters_pick_a_row_and_numbers_are_compared_as_numbers() -> None:
    found = verdict(claim(where={"model": "standard", "optimizer.lr": 1e-2}), ROWS, "full")
    assert found.found == pytest.approx(0.75)
    assert (found.holds, found.reached) == (False, True)


def test_differences_are_paired_by_seed() -> None:
    keys = {"where": {"model": "residual"}, "against": {"model": "standard"}, "full": [None, 0.0], "goal": None}
    found = verdict(claim(**keys), ROWS, "full")
    assert found.found == pytest.approx((0.60 - 0.80 + 0.64 - 0.70) / 2)
    assert (found.n, found.holds, found.reached) == (2, True, None)
    assert found.run_ids == ("a0", "a1", "b0", "b1")


@pytest.mark.parametrize("rows", [[], [row("c", 0, math.nan, model="residual")]], ids=["no run", "diverged"])
def test_without_a_result_no_claim_holds(rows: list[dict[str, Any]]) -> None:
    assert verdict(claim(), rows, "full").holds is False


def test_a_seed_that_diverged_is_no_survivor_to_leave_out() -> None:
    rows = [row("c0", 0, 0.6, model="mlp"), {**row("c1", 1, 0.6, model="mlp"), "tags": {"labkit.diverged_at": "7"}}]
    found = verdict(claim(), rows, "full")
    assert (found.n, found.tried, found.holds, found.reached) == (1, 2, False, False)
    assert "1 of 2" in to_markdown([found], "full")


def test_a_profile_without_a_band_has_no_verdict() -> None:
    assert verdict(claim(), ROWS, "quick").holds is None


@pytest.mark.parametrize(
    ("value", "band", "expected"),
    [(0.5, (0.5, 0.6), True), (0.4, (0.5, None), False), (9.0, (None, 1.0), False), (math.nan, (None, None), False)],
)
def test_bands_include_their_ends(value: float, band: tuple[float | None, float | None], expected: bool) -> None:
    assert within(value, band) is expected


def test_tables_say_what_was_found() -> None:
    verdicts = [verdict(claim(source="a paper"), ROWS, "full")]
    line = to_markdown(verdicts, "full").splitlines()[-1]
    assert line == "| it is good | 62.00 ± 2.83 | 2 | 50.00..70.00 | holds | at least 65.00 missed | a paper |"
    assert "a0 a1" in to_csv(verdicts, "full")


WRONG = {
    "unknown key": (
        "steps: {a: {run: [x], ful: []}}",
        "own.yaml: part1.steps.a: unknown key 'ful', did you mean 'full'",
    ),
    "unknown step": ("steps: {a: {run: [x]}}\n  claims: [{says: s, step: b, metric: m}]", "no step 'b'"),
    "no band": ("steps: {a: {run: [x]}}\n  claims: [{says: s, step: a, metric: m}]", "it must be a question"),
    "no steps": ("minutes: {full: 3}", "steps"),
}


@pytest.mark.parametrize(("text", "named"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_file_is_one_sentence(text: str, named: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(f"part1:\n  title: t\n  {text}\n")
    with pytest.raises(ConfigError, match=named):
        read(tmp_path, "own", "part1")


def test_a_lab_and_a_part_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'kth'"):
        read(LABS, "kht", "ex1-2")
    with pytest.raises(ConfigError, match="did you mean 'ex1-2'"):
        read(LABS, "kth", "ex12")
