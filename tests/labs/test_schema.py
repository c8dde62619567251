"""The labs as data: every file is read, and claims are judged by the rows of their steps."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from labkit.compose import compose
from labkit.config import ConfigError
from labkit.labs.claim_table import claim_sheet, verdict_words
from labkit.labs.command import MULTIRUN
from labkit.labs.course import Course
from labkit.labs.schema import PROFILES, Claim, LabPart, Reference, read
from labkit.labs.selection import at_the_edge, matching, winner
from labkit.labs.verdict import Verdict, within
from labkit.labs.verdict import verdict as judge
from labkit.multirun.composer import grid
from labkit.multirun.sweeper_settings import sweep_params
from labkit.report.sheet_csv import to_csv
from labkit.report.sheet_markdown import to_markdown
from labkit.runs.plan import resolved
from labkit.runs.record import parameters
from labkit.tracking.rows import RunRow
from tests.labs.lab_files import KNOWN, LABS, PARTS
from tests.stored import run_row


@pytest.mark.parametrize(("lab", "name"), PARTS, ids=lambda value: str(value))
def test_every_part_is_read_and_its_claims_have_a_step_in_their_profiles(lab: str, name: str) -> None:
    part = KNOWN[lab].parts[name]
    for claim in part.claims:
        judged = [profile for profile in PROFILES if claim.band(profile) is not None]
        for step in claim.about:
            assert set(judged) <= set(part.steps[step].only)
    for profile in PROFILES:
        assert part.of_profile(profile)
        for earlier, step in KNOWN[lab].references(name, profile):
            assert profile in KNOWN[lab].parts[earlier].steps[step].only


@cache
def trained_by(lab: str, name: str, step: str, profile: str) -> list[RunRow]:
    """The rows of a step's grid as far as their parameters are known before it runs."""
    part = KNOWN[lab].parts[name]
    words = Course(profile, Path()).words(part, part.steps[step])
    overrides = OverridesParser.create().parse_overrides([one for one in words if one != MULTIRUN])
    swept = [str(one.input_line) for one in overrides if one.is_sweep_override()]
    config = compose([str(one.input_line) for one in overrides if not one.is_sweep_override()])
    swept += [f"{key}={value}" for key, value in sweep_params(config).items()]
    flat = parameters(resolved(config), config.hydra.runtime.choices)
    rows = grid(OverridesParser.create().parse_overrides(swept))
    return [run_row("", params=flat | dict(word.split("=", 1) for word in row)) for row in rows]


@pytest.mark.parametrize(("lab", "name"), PARTS, ids=lambda value: str(value))
def test_what_a_claim_picks_is_what_its_step_trains(lab: str, name: str) -> None:
    part = KNOWN[lab].parts[name]
    for claim in part.claims:
        judged = [profile for profile in PROFILES if claim.band(profile)]
        sides = [(claim.step, claim.where), *((step, claim.against or {}) for step in claim.against_steps)]
        for step, where in sides:
            only = part.steps[step].only
            for profile in {max(only, key=PROFILES.index), *(one for one in judged if one in only)} if where else ():
                assert matching(trained_by(lab, name, step, profile), where), (claim.says, profile, where)


def verdict(claim: Claim, rows: list[RunRow], profile: str) -> Verdict:
    return judge(claim, {"train": rows}, profile)


def claim(**keys: Any) -> Claim:
    usual = {"says": "it is good", "step": "train", "metric": "test/accuracy", "full": [0.5, 0.7], "goal": [0.65, None]}
    steps = {"train": {"run": ["-m", "seed=0,1"]}}
    return LabPart(title="", steps=steps, claims=[{**usual, **keys}]).claims[0]  # type: ignore[arg-type]


def row(run_id: str, seed: int, test: float, val: float = 0.5, **params: str) -> RunRow:
    params = {key.replace("__", "."): value for key, value in params.items()} | {"seed": str(seed)}
    metrics = {"test/accuracy": test, "val/accuracy": val}
    return run_row(run_id, params=params, metrics=metrics)


DIVERGED = {"labkit.diverged_at": "7"}
ROWS = [
    row("a0", 0, 0.60, 0.6, model="residual", optimizer__lr="0.01"),
    row("a1", 1, 0.64, 0.6, model="residual", optimizer__lr="0.01"),
    row("b0", 0, 0.80, 0.5, model="standard", optimizer__lr="0.01"),
    row("b1", 1, 0.70, 0.5, model="standard", optimizer__lr="0.01"),
]
THREE = [
    *ROWS,
    row("a2", 2, 0.62, 0.6, model="residual", optimizer__lr="0.01"),
    row("b2", 2, 0.60, 0.5, model="standard", optimizer__lr="0.01"),
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


def test_differences_are_paired_by_seed_and_judged_by_their_interval() -> None:
    keys = {"where": {"model": "residual"}, "against": {"model": "standard"}, "full": [None, 0.0], "goal": None}
    found = verdict(claim(**keys), THREE, "full")
    assert found.found == pytest.approx((0.60 - 0.80 + 0.64 - 0.70 + 0.62 - 0.60) / 3)
    assert found.interval is not None
    assert found.interval[1] > 0
    assert (found.n, found.holds, found.reached) == (3, False, None)
    assert found.run_ids == ("a0", "a1", "a2", "b0", "b1", "b2")
    better = [row(f"b{s}", s, 0.80 + 0.03 * s, model="standard", optimizer__lr="0.01") for s in range(3)]
    clear = [one for one in THREE if one.run_id < "b"] + better
    assert verdict(claim(**keys), clear, "full").holds is True


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_a_difference_without_an_interval_cannot_be_told(seeds: int) -> None:
    """Every seed gains the same: one seed or two say nothing of the others, three no more than the resolution lets."""
    keys = {"where": {"model": "residual"}, "against": {"model": "standard"}, "full": [0.0, None], "goal": [0.0, None]}
    rows = [row(f"{name}{s}", s, (60 + 2 * s + (name == "residual")) / 70, model=name)
            for name in ("residual", "standard") for s in range(seeds)]  # fmt: skip
    found = verdict(claim(**keys), rows, "full")
    assert (found.found, found.interval) == (pytest.approx(1 / 70), None)
    assert (found.holds, found.reached) == (None, None)
    some = "1 seed" if seeds == 1 else f"{seeds} seeds"
    assert verdict_words(found).startswith(f"cannot be told from {some}")
    assert f"at least 0.00 cannot be told from {some}" in to_markdown(claim_sheet([found], "full"))
    outside = verdict(claim(**{**keys, "full": [0.1, None], "goal": [0.1, None]}), rows, "full")
    assert (outside.holds, outside.reached) == (False, False)  # whatever its interval, its middle is outside


def test_a_question_about_runs_that_are_not_there_fails() -> None:
    asked = {"says": "and this?", "where": {"model": "deep"}, "full": None, "goal": None}
    found = verdict(claim(**asked), ROWS, "full")
    assert (found.n, found.holds, found.reached) == (0, False, None)
    assert "FAILS: no such run" in to_markdown(claim_sheet([found], "full"))


@pytest.mark.parametrize("rows", [[], [row("c", 0, math.nan, model="residual")]], ids=["no run", "diverged"])
def test_without_a_result_no_claim_holds(rows: list[dict[str, Any]]) -> None:
    assert verdict(claim(), rows, "full").holds is False


def test_a_seed_that_diverged_is_no_survivor_to_leave_out() -> None:
    rows = [row("c0", 0, 0.6, model="mlp"), row("c1", 1, 0.6, model="mlp").with_tags(DIVERGED)]
    found = verdict(claim(), rows, "full")
    assert (found.n, found.tried, found.holds, found.reached) == (1, 2, False, False)
    assert "1 of 2" in to_markdown(claim_sheet([found], "full"))


def test_a_profile_without_a_band_has_no_verdict() -> None:
    assert verdict(claim(), ROWS, "quick").holds is None


@pytest.mark.parametrize(
    ("value", "band", "expected"),
    [(0.5, (0.5, 0.6), True), (0.4, (0.5, None), False), (9.0, (None, 1.0), False), (math.nan, (None, None), False)],
)
def test_bands_include_their_ends(value: float, band: tuple[float | None, float | None], expected: bool) -> None:
    assert within(value, band) is expected


def test_one_of_several_values_and_another_step_to_compare_with() -> None:
    lists = claim(where={"model": ["residual", "standard"], "optimizer.lr": [0.01, 0.1]})
    assert verdict(lists, ROWS, "full").run_ids == ("a0", "a1")
    other = claim(where={"model": "residual"}, against_step="earlier", goal=None)
    earlier = [row("e0", 0, 0.5), row("e1", 1, 0.5)]
    found = judge(other, {"train": ROWS, "earlier": earlier}, "full")
    assert (found.found, found.run_ids) == (pytest.approx(0.12), ("a0", "a1", "e0", "e1"))


def test_only_the_runs_of_a_stage() -> None:
    staged = [one.with_tags({"labkit.stage": "final" if one.run_id < "b" else "fine"}) for one in ROWS]
    assert verdict(claim(stage="fine"), staged, "full").run_ids == ("b0", "b1")
    assert verdict(claim(stage="confirm"), staged, "full").n == 0


def reference(**keys: Any) -> Reference:
    return Reference(**{"keys": ["model", "optimizer.lr"], "from": ["train"], **keys})


def test_a_winner_is_chosen_on_validation_data_and_hands_its_parameters_on() -> None:
    assert winner(reference(), ROWS) == {"model": "residual", "optimizer.lr": 0.01}
    assert winner(reference(rule="lowest"), ROWS)["model"] == "standard"
    assert winner(reference(where={"model": "standard"}), ROWS)["model"] == "standard"
    with pytest.raises(ConfigError, match="no parameter 'loss"):
        winner(reference(keys=["loss.l2"]), ROWS)
    for rows in ([], [replace(ROWS[0], status="FAILED")]):
        with pytest.raises(ConfigError, match="no run of step train has a val/accuracy to choose by"):
            winner(reference(), rows)
    with pytest.raises(ConfigError, match="fewer than 3 settings of step train have a val/accuracy"):
        winner(reference(place=3), ROWS)
    lost = [*ROWS[:3], replace(ROWS[3], status="FAILED")]
    with pytest.raises(ConfigError, match="in step train fewer than 2 settings have kept all seeds"):
        winner(reference(place=2), lost)
    assert winner(reference(), lost)["model"] == "residual"


@pytest.mark.parametrize(
    ("tried", "note"),
    [
        ("0.01 0.1 1.0", "optimizer.lr=1.0 is the largest of 3 tried in train"),
        ("1.0 2.0 3.0 4.0", "optimizer.lr=1.0 is the smallest of 4 tried in train"),
        ("0.1 1.0 10.0", None),
        ("0.1 1.0", None),  # of two each is one end
    ],
)
def test_a_winner_at_the_edge_of_what_was_tried_is_told(tried: str, note: str | None) -> None:
    rows = [row(lr, 0, 0.5, 0.9 if lr == "1.0" else 0.5, optimizer__lr=lr) for lr in tried.split()]
    asked = reference(keys=["optimizer.lr"])
    assert at_the_edge(asked, rows, winner(asked, rows)) == ([note] if note else [])


def test_nothing_is_chosen_on_test_data() -> None:
    with pytest.raises(ValueError, match="metric"):
        reference(metric="test/accuracy")
    with pytest.raises(ValueError, match="best"):
        claim(best="test/accuracy")


def test_a_row_is_chosen_by_validation_data_even_where_only_some_rows_have_a_parameter() -> None:
    rows = [row("a0", 0, 0.9, 0.5, model="mlp", model__width="3"), row("b0", 0, 0.4, 0.6, model="mlp")]
    assert verdict(claim(), rows, "full").run_ids == ("b0",)


def test_of_several_rows_that_nothing_tells_apart_none_is_judged() -> None:
    rows = [row("a0", 0, 0.6, model="mlp"), row("b0", 0, 0.9, model="residual")]
    for one in rows:
        del one.metrics["val/accuracy"]
    assert verdict(claim(), rows, "full").holds is False
    assert verdict(claim(), rows[:1], "full").found == 0.6  # a single one needs no choice


def test_a_question_about_settings_that_all_diverged_is_no_missing_run() -> None:
    rows = [replace(one, metrics={}).with_tags(DIVERGED) for one in ROWS]
    asked = replace(claim(), says="is it good?", full=None, goal=None)
    found = verdict(asked, rows, "full")
    assert (found.holds, found.n, found.tried, len(found.run_ids)) == (None, 0, 2, 4)
    assert verdict_words(found) == "2 of 2 seeds lost"
    assert verdict_words(verdict(asked, [], "full")) == "FAILS: no such run"


def test_the_other_side_of_a_difference_may_be_the_best_of_several_steps() -> None:
    asked = replace(claim(), full=None, goal=None, says="?", against_step=["low", "high"])
    low, high = [row("l0", 0, 0.1, 0.3, optimizer__lr="0.1")], [row("h0", 0, 0.2, 0.4, optimizer__lr="1.0")]
    found = judge(asked, {"train": [row("a0", 0, 0.6)], "low": low, "high": high}, "full")
    assert (found.found, found.run_ids) == (pytest.approx(0.4), ("a0", "h0"))


LOST = [
    row("c0", 0, 0.6, 0.9, optimizer__lr="1"),
    replace(row("c1", 1, 0.6, 0.9, optimizer__lr="1"), status="FAILED"),
    row("d0", 0, 0.5, 0.5, optimizer__lr="0.1"),
    row("d1", 1, 0.5, 0.5, optimizer__lr="0.1"),
]


def test_a_setting_that_lost_seeds_wins_only_where_all_have() -> None:
    assert winner(reference(keys=["optimizer.lr"]), LOST) == {"optimizer.lr": 0.1}
    assert verdict(claim(), LOST, "full").run_ids == ("d0", "d1")
    with pytest.raises(ConfigError, match="no setting has kept all seeds"):
        winner(reference(keys=["optimizer.lr"]), LOST[:2])


def test_rows_of_different_data_are_no_contest() -> None:
    rows = [row("e0", 0, 0.6, data___target_="x.mnist"), row("f0", 0, 0.6, data___target_="x.cifar10")]
    with pytest.raises(ConfigError, match="no run"):
        winner(reference(keys=["seed"]), rows)


@pytest.mark.parametrize(
    ("have", "want", "same"),
    [
        ("true", True, True),
        ("True", True, True),
        ("false", True, False),
        ("null", None, True),
        ("0.01", 1e-2, True),
        ("[8, 9]", [8, 9], True),
        ("[8, 9]", [[8, 9], [7]], False),
        ("9", [8, 9], True),
        ("relu", "relu", True),
    ],
)
def test_values_are_compared_as_what_they_mean(have: str, want: Any, same: bool) -> None:
    assert bool(matching([row("a", 0, 0.5, key=have)], {"key": want})) is same


def test_pairs_of_different_numbers_of_seeds_are_compared_on_those_they_share() -> None:
    more = [*THREE, row("a3", 3, 0.9, 0.6, model="residual", optimizer__lr="0.01")]
    found = verdict(claim(where={"model": "residual"}, against={"model": "standard"}, full=[-2, 2]), more, "full")
    assert (found.n, found.tried, found.holds) == (3, 3, True)


def test_tables_say_what_was_found() -> None:
    verdicts = [verdict(claim(source="a paper"), ROWS, "full")]
    line = to_markdown(claim_sheet(verdicts, "full")).splitlines()[-1]
    assert line == "| it is good | 62.00 ± 2.83 | 2 | 50.00..70.00 | holds | at least 65.00 missed | a paper |"
    assert "a0 a1" in to_csv(claim_sheet(verdicts, "full"))


WRONG = {
    "unknown key": (
        "steps: {a: {run: [x], ful: []}}",
        "own.yaml: part1.steps.a: unknown key 'ful', did you mean 'full'",
    ),
    "unknown step": ("steps: {a: {run: [x]}}\n  claims: [{says: s, step: b, metric: m}]", "no step 'b'"),
    "no band": ("steps: {a: {run: [x]}}\n  claims: [{says: s, step: a, metric: m}]", "it must be a question"),
    "no steps": ("minutes: {full: 3}", "steps"),
    "not earlier": (
        "steps: {a: {run: [x], takes: [{keys: [k], from: [b]}]}, b: {run: [x]}}",
        "part1.steps.a.takes: no earlier step 'b'",
    ),
    "chosen on test data": (
        "steps: {a: {run: [x]}, b: {run: [x], takes: [{keys: [k], from: [a], metric: test/accuracy}]}}",
        r"part1.steps.b.takes\[0\].metric",
    ),
}


@pytest.mark.parametrize(("text", "named"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_file_is_one_sentence(text: str, named: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(f"part1:\n  title: t\n  {text}\n")
    with pytest.raises(ConfigError, match=named):
        read(tmp_path, "own")


def test_a_file_without_names_of_parts_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("- part1\n")
    with pytest.raises(ConfigError, match=r"own\.yaml: expected parts by their names, got a list\."):
        read(tmp_path, "own")


def test_a_lab_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'kth'"):
        read(LABS, "kht")


def test_every_part_has_a_make_target() -> None:
    text = (Path(__file__).parents[2] / "Makefile").read_text().replace("\\\n", " ")
    line = next(line for line in text.splitlines() if line.startswith("LAB_PARTS :="))
    assert sorted(line.split()[2:]) == sorted(f"{lab}-{part}" for lab, part in PARTS)
